"""Where this host sends packets for an address: what a failure between two hosts is told with."""

import re
from typing import List, NamedTuple

from ..facts.bird import ESTABLISHED, Bird, read_bird
from ..host import Host, ToolError
from ..plans.node_proof import describe
from ..unknown import Unknown

# network: "default" or a range; gateway: empty where it is reached directly; origin: "bird" where BIRD made it.
Route = NamedTuple("Route", [("network", str), ("gateway", str), ("device", str), ("origin", str)])

_ROUTE = re.compile(r"^(?:(blackhole|unreachable|prohibit) )?(default|[\d./]+)(.*)$")


def parse_routes(text: str) -> List[Route]:
    """Read the lines of ``ip -4 route show match ADDRESS``."""
    routes = []
    for line in text.splitlines():
        found = _ROUTE.match(line.strip())
        if found is None:
            continue
        words = found.group(3).split()
        after = dict(zip(words, words[1:]))
        device = found.group(1) or after.get("dev", "")
        routes.append(Route(found.group(2), after.get("via", ""), device, after.get("proto", "")))
    return routes


def explain(host: Host, name: str, address: str) -> str:
    """Say what this host's routes tell of an address that was not reached, with what to look at."""
    try:
        routes = parse_routes(host.run(["ip", "-4", "route", "show", "match", address], 10).output)
    except ToolError:
        return "look at the routes of {} (ip route get {})".format(name, address)
    best = [route for route in routes if route.network != "default"]
    if not best:
        return ("{0} has no route to {1} but its default one: BIRD has learnt none; {2}").format(
            name, address, tell_sessions(read_bird(host))
        )
    route = max(best, key=lambda one: int(one.network.partition("/")[2] or 32))
    way = "via {} ".format(route.gateway) if route.gateway else ""
    return (
        "{} has a route to {} ({} {}dev {}): look at what drops packets between the agents (iptables FORWARD, a "
        "firewall, a cloud's source/destination check) and at policies"
    ).format(name, address, route.network, way, route.device)


def tell_sessions(bird: Bird) -> str:
    """Say what BIRD's sessions tell of a route that it has not learnt."""
    if bird.is_up is not True:
        return bird.is_up.reason if isinstance(bird.is_up, Unknown) else "it does not answer ({})".format(bird.detail)
    down = [one for one in bird.sessions if one.state != ESTABLISHED]
    if down:
        more = ", and so with {} more of {}".format(len(down) - 1, len(bird.sessions)) if down[1:] else ""
        told = "its BGP session with {} is {}{}: look at TCP port 179 between the agents"
        return told.format(down[0].peer, describe(down[0]), more)
    if not bird.sessions:
        return "it has no BGP session: look at calicoctl node status, and at the mesh and the peers in etcd"
    return "its BGP sessions are Established: look at what the other host tells (birdcl show route export)"
