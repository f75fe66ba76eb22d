"""Facts: what calico-node needs of the kernel: forwarding, a route, its modules, and room to follow connections."""

import errno
import os
import platform
from typing import Dict, NamedTuple, Union

from ..host import Host
from ..unknown import Unknown
from .address import read_source
from .system import read_text

IPV4_FORWARDING = "/proc/sys/net/ipv4/ip_forward"
IPV6_FORWARDING = "/proc/sys/net/ipv6/conf/all/forwarding"
CONNTRACK_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
# The gateway of every container. The kernel answers for it (proxy ARP) as long as it has a route to it, such as a
# default one: it need not lead there.
GATEWAY = "169.254.1.1"
MODULES = ("xt_set", "ip6_tables")
# What a kernel says that has none, by the kind of route that says so.
NO_ROUTE = {os.strerror(number) for number in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)}
LOADED, BUILT_IN, LOADABLE, ABSENT = "loaded", "built in", "can be loaded", "absent"

# has_route: whether there is a route to the containers' gateway.
# modules: one of "loaded", "built in", "can be loaded", "absent", "not known" for each.
Kernel = NamedTuple(
    "Kernel",
    [
        ("ipv4_forwarding", Union[int, Unknown]),
        ("ipv6_forwarding", Union[int, Unknown]),
        ("conntrack_max", Union[int, Unknown]),
        ("has_route", Union[bool, Unknown]),
        ("modules", Dict[str, str]),
    ],
)
# What a packet of a container needs, whatever Felix does.
Way = NamedTuple("Way", [("ipv4_forwarding", Union[int, Unknown]), ("has_route", Union[bool, Unknown])])


def read_kernel(host: Host) -> Kernel:
    """Read the settings; one that the kernel does not have is not known: without IPv6, without connection tracking."""
    way = read_way(host)
    return Kernel(
        ipv4_forwarding=way.ipv4_forwarding,
        ipv6_forwarding=read_setting(host, IPV6_FORWARDING),
        conntrack_max=read_setting(host, CONNTRACK_MAX),
        has_route=way.has_route,
        modules=read_modules(host),
    )


def read_way(host: Host) -> Way:
    """Read the part that is read often."""
    return Way(read_setting(host, IPV4_FORWARDING), read_route(host))


def read_route(host: Host) -> Union[bool, Unknown]:
    """Read whether there is a route to the containers' gateway."""
    source = read_source(host, GATEWAY)
    if isinstance(source, Unknown):
        return False if source.reason in NO_ROUTE else source
    return True


def read_setting(host: Host, path: str) -> Union[int, Unknown]:
    """Read one number."""
    text = read_text(host.path(path))
    if isinstance(text, Unknown):
        return text
    try:
        return int(text)
    except ValueError:
        return Unknown("{} holds {!r}".format(path, text[:40]))


def read_modules(host: Host) -> Dict[str, str]:
    """Read which modules are there."""
    directory = "/lib/modules/{}".format(platform.release())
    loaded, built_in, loadable = [
        read_text(host.path(path))
        for path in ("/proc/modules", directory + "/modules.builtin", directory + "/modules.dep")
    ]
    return {name: find_module(name, loaded, built_in, loadable) for name in MODULES}


def find_module(
    name: str, loaded: Union[str, Unknown], built_in: Union[str, Unknown], loadable: Union[str, Unknown]
) -> str:
    """Find a module in the kernel's list of those loaded, and in the lists of its directory."""
    if isinstance(loaded, str) and any(line.split(" ")[0] == name for line in loaded.splitlines()):
        return LOADED
    file = "/{}.ko".format(name)
    if isinstance(built_in, str) and file in built_in:
        return BUILT_IN
    if isinstance(loadable, str):
        return LOADABLE if file in loadable else ABSENT
    return "not known"
