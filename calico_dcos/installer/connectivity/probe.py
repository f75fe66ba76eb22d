"""A probe: takes the actions between two peers, the client on this host, and tells how each of them went."""

import time
from typing import Any, Callable, Dict, Optional

from ..host import Host
from ..report import Reporter
from ..wanted import Wanted
from .control import WorkloadAwayError, ask, sweep
from .docker_probe import probe_docker
from .order import MesosOrder, ProbeOrder
from .packets import OPEN, SILENT, Tcp
from .policies import PolicyError, find_endpoint, name_policy, put_policy, remove_policy
from .results import MESOS, Results
from .routes import explain

EXIT_DONE = 0
TCP_TIMEOUT_S = 3
# Felix and BIRD are told of a new workload, and of a policy, within a moment; on a busy host within some.
SETTLE_S = 15.0
WORKLOAD_S = 30.0
POLICY_S = 20.0
POLICY_TCP_S = 1
RETRY_S = 0.3
PING_COUNT = 3
WANTED_MTU = 1400
# From what a network card takes down to what must pass: with IP-in-IP 1,480, with VXLAN below 1,450.
LENGTHS = (1500, 1480, 1460, 1450, 1430, WANTED_MTU)
ACTIONS = ["tcp", "source", "ping", "mtu", "policy", "policy-removed"]


def probe(host: Host, wanted: Wanted, order: ProbeOrder, reporter: Reporter) -> int:
    """Take every action, and return the exit status: what failed is a result, not a fault of this program."""
    results = Results(reporter)
    if order.mesos is not None:
        MesosProbe(host, wanted, order, order.mesos, results).run()
    if order.docker is not None:
        probe_docker(host, wanted.calico_node.image, order, order.docker, results)
    results.finish()
    # A workload that was killed leaves its socket.
    sweep(host)
    return EXIT_DONE


class MesosProbe:
    """The actions between two workloads on the CNI network."""

    def __init__(self, host: Host, wanted: Wanted, order: ProbeOrder, mesos: MesosOrder, results: Results) -> None:
        self._host = host
        self._endpoints = wanted.etcd_endpoints
        self._order = order
        self._mesos = mesos
        self._results = results

    def run(self) -> None:
        """Take them in turn; what makes no sense after a failure is told as not tested."""
        try:
            if not self._look_at_address():
                self._results.not_tested(MESOS, ACTIONS, "the workload has no address of its own")
                return
            tcp = self._reach()
            if tcp is not None:
                self._check_source(tcp)
            is_pinged = self._ping(is_reached=tcp is not None)
            self._measure_mtu(is_pinged=is_pinged)
            self._check_policy(is_reached=tcp is not None)
        except WorkloadAwayError as error:
            taken = {result.action for result in self._results.told}
            left = [action for action in ["address", *ACTIONS] if action not in taken]
            self._results.failed(MESOS, left[0] if left else "policy-removed", str(error))
            self._results.not_tested(MESOS, left[1:], "the workload on {} is gone".format(self._order.client))

    def _ask(self, timeout_s: float = 30, **question: Any) -> Dict[str, Any]:
        return ask(self._host, self._order.id, question, timeout_s)

    def _ask_first(self) -> Dict[str, Any]:
        """Ask for the first time: a workload that Mesos calls running may be about to listen."""
        ends_at_s = time.monotonic() + WORKLOAD_S
        while True:
            try:
                return self._ask(do="interfaces")
            except WorkloadAwayError:
                if time.monotonic() >= ends_at_s:
                    raise
            time.sleep(RETRY_S)

    def _look_at_address(self) -> bool:
        told = self._ask_first()
        if "fault" in told:
            self._results.not_tested(MESOS, ["address"], str(told["fault"]))
            return True
        address = self._mesos.client_address
        own = [one for one in told["interfaces"] if one["address"] == address]
        if own:
            mtu = " with an MTU of {}".format(own[0]["mtu"]) if own[0]["mtu"] else ""
            self._results.passed(MESOS, "address", "{} on {}{}".format(address, own[0]["name"], mtu))
            return True
        seen = ", ".join(one["address"] for one in told["interfaces"]) or "none"
        reason = "Mesos tells {} for the workload on {}, which has {}: look at the CNI plugin's log in the agent's"
        self._results.failed(MESOS, "address", reason.format(address, self._order.client, seen))
        return False

    def _connect(self, timeout_s: float) -> Tcp:
        told = self._ask(
            do="connect", address=self._mesos.server_address, source=self._mesos.client_address, limit_s=timeout_s
        )
        return Tcp(**told)

    def _reach(self) -> Optional[Tcp]:
        """Reach the server over TCP, in the time that routes and rules take to settle."""
        begun_at_s = time.monotonic()
        tcp = self._wait_for(lambda tcp: tcp.state == OPEN, TCP_TIMEOUT_S, SETTLE_S)
        if tcp.state == OPEN:
            took_s = time.monotonic() - begun_at_s
            late = ", {:.0f} s after the first try".format(took_s) if took_s > TCP_TIMEOUT_S else ""
            self._results.passed(MESOS, "tcp", tcp.message + late, rtt_ms=tcp.rtt_ms)
            return tcp
        reason = "{} (tried for {:.0f} s); {}".format(tcp.message, SETTLE_S, self._explain())
        self._results.failed(MESOS, "tcp", reason)
        self._results.not_tested(MESOS, ["source"], "no TCP connection")
        return None

    def _explain(self) -> str:
        return explain(self._host, self._order.client, self._mesos.server_address)

    def _wait_for(self, is_reached: Callable[[Tcp], bool], timeout_s: float, limit_s: float) -> Tcp:
        """Connect again and again until it is as wanted, or the limit is over; return the last try."""
        ends_at_s = time.monotonic() + limit_s
        while True:
            tcp = self._connect(timeout_s)
            if is_reached(tcp) or time.monotonic() >= ends_at_s:
                return tcp
            time.sleep(RETRY_S)

    def _check_source(self, tcp: Tcp) -> None:
        address = self._mesos.client_address
        if tcp.seen == address:
            self._results.passed(MESOS, "source", "{} sees {}".format(self._order.server, address))
            return
        reason = (
            "the workload on {} sees {} instead of {}: packets between workloads are masqueraded on their way; look "
            "for MASQUERADE or SNAT in iptables -t nat of {}, and that the pool holds both addresses"
        ).format(self._order.server, tcp.seen, address, self._order.client)
        self._results.failed(MESOS, "source", reason)

    def _ping_once(self, *, count: int, length: int, is_whole: bool) -> Dict[str, Any]:
        return self._ask(
            do="ping",
            address=self._mesos.server_address,
            source=self._mesos.client_address,
            count=count,
            length=length,
            is_whole=is_whole,
        )

    def _ping(self, *, is_reached: bool) -> bool:
        told = self._ping_once(count=PING_COUNT, length=84, is_whole=False)
        if "fault" in told:
            self._results.not_tested(MESOS, ["ping"], str(told["fault"]))
            return False
        if told["received"] == told["sent"] and told["sent"]:
            rtt = told["rtt_ms"]
            message = "{} of {} answered".format(told["received"], told["sent"])
            self._results.passed(MESOS, "ping", message, rtt_ms=rtt)
            return True
        why = "TCP passes: something drops ICMP" if is_reached else self._explain()
        reason = "ping to {}: {}; {}".format(self._mesos.server_address, told["message"].partition(": ")[2], why)
        self._results.failed(MESOS, "ping", reason)
        return bool(told["received"])

    def _measure_mtu(self, *, is_pinged: bool) -> None:
        if not is_pinged:
            self._results.not_tested(MESOS, ["mtu"], "no ping")
            return
        for length in LENGTHS:
            told = self._ping_once(count=2, length=length, is_whole=True)
            if "fault" in told and length == WANTED_MTU:
                self._results.not_tested(MESOS, ["mtu"], str(told["fault"]))
                return
            if told.get("received"):
                self._results.passed(MESOS, "mtu", "{} bytes pass unfragmented".format(length), mtu=length)
                return
        reason = (
            "packets of {} bytes do not pass unfragmented from {} to {}: set the MTU of the CNI network, and of "
            "tunl0 where IP-in-IP is on, to what the network between the agents takes less 20 bytes"
        ).format(WANTED_MTU, self._order.client, self._order.server)
        self._results.failed(MESOS, "mtu", reason)

    def _check_policy(self, *, is_reached: bool) -> None:
        if not is_reached:
            self._results.not_tested(MESOS, ["policy", "policy-removed"], "no TCP connection that could be forbidden")
            return
        label = self._mesos.label
        try:
            put_policy(self._host, self._endpoints, label)
        except PolicyError as error:
            self._results.not_tested(
                MESOS, ["policy", "policy-removed"], "the policy cannot be put in place: {}".format(error)
            )
            return
        try:
            is_held = self._hold()
        finally:
            fault = self._remove()
        self._come_back(is_held=is_held, fault=fault)

    def _hold(self) -> bool:
        """Wait for the policy to hold, and tell."""
        begun_at_s = time.monotonic()
        tcp = self._wait_for(lambda tcp: tcp.state == SILENT, POLICY_TCP_S, POLICY_S)
        took_s = time.monotonic() - begun_at_s
        if tcp.state == SILENT:
            self._results.passed(MESOS, "policy", "one that forbids it holds within {:.1f} s".format(took_s))
            return True
        self._tell_not_held()
        return False

    def _tell_not_held(self) -> None:
        name, address = name_policy(self._mesos.label), self._mesos.server_address
        try:
            endpoint = find_endpoint(self._host, self._endpoints, address)
        except PolicyError as error:
            self._results.failed(MESOS, "policy", "{} does not hold, and {}".format(name, error))
            return
        if endpoint is not None and self._mesos.label.name not in endpoint.labels:
            told = "the endpoint of {} has no labels: Mesos before 1.1 passes none to the CNI plugin"
            self._results.not_tested(MESOS, ["policy"], told.format(address))
            return
        where = (
            "etcd knows no endpoint of {}: the plugin and calico-node use different etcds" if endpoint is None else ""
        )
        reason = "{} forbids all traffic to {}, and {:.0f} s later it still passes: {}".format(
            name,
            address,
            POLICY_S,
            where.format(address) or "Felix on {} does not apply policies; look at its log".format(self._order.server),
        )
        self._results.failed(MESOS, "policy", reason)

    def _remove(self) -> str:
        try:
            remove_policy(self._host, self._endpoints, self._mesos.label)
        except PolicyError as error:
            return "the policy goes by itself within 90 s; it could not be taken away: {}".format(error)
        return ""

    def _come_back(self, *, is_held: bool, fault: str) -> None:
        if fault:
            self._results.failed(MESOS, "policy-removed", fault)
            return
        if not is_held:
            self._results.not_tested(MESOS, ["policy-removed"], "the policy did not hold")
            return
        begun_at_s = time.monotonic()
        tcp = self._wait_for(lambda tcp: tcp.state == OPEN, POLICY_TCP_S, POLICY_S)
        took_s = time.monotonic() - begun_at_s
        if tcp.state == OPEN:
            self._results.passed(MESOS, "policy-removed", "TCP answers again within {:.1f} s".format(took_s))
            return
        reason = "the policy is gone from etcd, and {:.0f} s later {}; look at Felix' log on {}"
        self._results.failed(MESOS, "policy-removed", reason.format(POLICY_S, tcp.message, self._order.server))
