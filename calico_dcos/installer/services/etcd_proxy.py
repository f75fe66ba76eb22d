"""Supervises etcd as a proxy: starts it, starts it again when it ends or its members move, and tells why."""

import shutil
import sys
import time
from typing import Callable, List, NamedTuple, Optional, Union  # noqa: F401  (Optional: in type comments)

from ..facts.etcd import read_listener
from ..facts.etcd_cluster import Cluster, read_cluster  # noqa: F401  (Cluster: in a type comment)
from ..facts.etcd_members import Behind, Members, read_behind
from ..facts.network import Port
from ..host import Host
from ..plans.changes import Decision, describe_unproven
from ..plans.proofs import ProxyLook, prove_etcd_proxy, warn_of_members
from ..plans.services import plan_etcd_proxy
from ..report import Reporter
from ..steps.work import StepError
from ..unknown import Unknown
from ..wanted import EtcdProxy, Wanted
from .child import Child
from .etcd_binary import PROXY_DATA, Binary, build_proxy_command, install_etcd
from .proven import forget_proven, note_proven
from .stop import StopSignal

SERVICE = "etcd-proxy"
POLL_S = 0.25
# A look goes through to the cluster, from every agent: seldom once all is well, and not in haste when it stays unwell.
LOOK_STEADY_S = 10.0
LOOK_UNWELL_S = 1.0
# How long a proxy that was just started is looked at in each turn.
START_S = 10.0
BACK_OFF_FIRST_S, BACK_OFF_MAX_S = 1.0, 30.0
# One that ran this long did not crash at its start: the next back-off begins anew.
STEADY_S = 60.0
CRASHES_MAX = 8

Crashes = NamedTuple("Crashes", [("count", int), ("retry_at_s", float)])
NO_CRASHES = Crashes(0, 0.0)


def count_crash(crashes: Crashes, ran_s: float, now_s: float) -> Crashes:
    """Count an end of the child: each crash in a row doubles the wait, up to a limit."""
    count = 1 if ran_s >= STEADY_S else crashes.count + 1
    return Crashes(count, now_s + min(BACK_OFF_FIRST_S * 2 ** (count - 1), BACK_OFF_MAX_S))


def read_look(host: Host, wanted: EtcdProxy, behind: Optional[Behind] = None) -> ProxyLook:
    """Read what proves the proxy; behind: what is behind the name, if that was read lately."""
    listener = read_listener(host, wanted.listen)
    cluster = Unknown("no etcd answers there")  # type: Union[Cluster, Unknown]
    if listener.answers == "etcd":
        cluster = read_cluster(listener.address)
    return ProxyLook(listener, cluster, behind or read_behind(host, wanted.discovery_srv), Port(0, []))


def judge(look: ProxyLook, wanted: EtcdProxy) -> Decision:
    """Judge a look as an inspection does."""
    return prove_etcd_proxy(plan_etcd_proxy(look.listener, look.port, wanted), look)


class ProxySupervisor:
    """One proxy: at most one child of ours, and none while somebody else's etcd answers where it would listen."""

    def __init__(self, host: Host, wanted: Wanted, reporter: Reporter, tell_healthy: Callable[[], None]) -> None:
        self._host = host
        self._proxy = wanted.proxy
        self._wanted = wanted.etcd_proxy
        self._reporter = reporter
        self._tell_healthy = tell_healthy
        self._binary = None  # type: Optional[Binary]
        self._child = None  # type: Optional[Child]
        self._behind = None  # type: Optional[Behind]
        self._listen = ""
        self._members = []  # type: List[str]
        self._started_s = 0.0
        self._looked_up_s = 0.0
        self._crashes = NO_CRASHES
        self._look_at_s = 0.0
        self._was_healthy = False
        self._told = ""
        self._warned = ""

    def run(self, stop: StopSignal) -> None:
        """Supervise until asked to end; the child ends first.

        Raises:
            StepError: it cannot go on: no binary, a foreign port, another cluster's etcd, or one crash after another.
        """
        forget_proven(self._host, SERVICE)
        try:
            while True:
                self._tick(time.monotonic())
                if stop.wait(POLL_S):
                    return
        finally:
            self._end_child()
            forget_proven(self._host, SERVICE)

    def _tick(self, now_s: float) -> None:
        if self._child is not None and self._child.status is not None:
            self._note_end(self._child, now_s)
        if self._behind is None or now_s - self._looked_up_s >= self._wanted.refresh_s:
            self._look_up(now_s)
        if now_s < self._look_at_s:
            return
        look = read_look(self._host, self._wanted, self._behind)
        if self._child is None:
            self._consider_start(look, now_s)
        is_healthy = self._judge(look)
        if is_healthy and not self._was_healthy:
            note_proven(self._host, SERVICE)
            self._tell_healthy()
        self._was_healthy = is_healthy
        self._look_at_s = now_s + self._choose_pause_s(now_s, is_healthy=is_healthy)

    def _judge(self, look: ProxyLook) -> bool:
        """Tell whether the proxy is proven; one that was, and answers, is left alone while its members cannot be asked.

        To end it then would take etcd away from this host because a name server is down.
        """
        if look.listener.answers != "etcd":
            return False
        decision = judge(look, self._wanted)
        if decision.proof is None and not (decision.unknown is not None and self._was_healthy):
            # Our own child with another cluster: its members moved, and are looked up again at once.
            self._behind = self._behind if decision.unknown is not None else None
            self._tell("not proven yet: {}".format(describe_unproven(decision)))
            return False
        return True

    def _choose_pause_s(self, now_s: float, *, is_healthy: bool) -> float:
        if is_healthy:
            return LOOK_STEADY_S
        is_starting = self._child is not None and now_s - self._started_s < START_S
        return POLL_S if is_starting else LOOK_UNWELL_S

    def _consider_start(self, look: ProxyLook, now_s: float) -> None:
        listener = look.listener
        if listener.answers == "etcd":
            refusal = judge(look, self._wanted).refusal
            if refusal is not None:
                raise StepError(refusal)
            self._tell("another {} answers on {}: left alone, and watched".format(listener.detail, listener.address))
            return
        if listener.answers == "something else":
            raise StepError("{} is taken: {}".format(listener.address, listener.detail))
        if now_s < self._crashes.retry_at_s:
            return
        if self._binary is None:
            self._binary = install_etcd(self._host, self._wanted.archive, self._proxy, self._reporter)
        # Anew: it may have taken long to get the program, and the members are those of this moment.
        self._look_up(now_s)
        members = self._behind.members if self._behind is not None else Unknown("they were not looked up")
        if isinstance(members, Members):
            self._start(self._binary, listener.address, members.addresses, now_s)
            return
        self._crashes = Crashes(0, now_s + BACK_OFF_MAX_S / 6)
        self._tell("waits for members: {}".format(members.reason))

    def _look_up(self, now_s: float) -> None:
        """Look the members up, and restart a proxy whose members moved: it resolves them once, at its start."""
        self._looked_up_s = now_s
        self._behind = read_behind(self._host, self._wanted.discovery_srv)
        for warning in warn_of_members(self._behind):
            self._warn(warning)
        if self._child is None or self._binary is None:
            return
        members = self._behind.members
        if isinstance(members, Unknown):
            self._tell("members cannot be looked up, the proxy goes on with those known: {}".format(members.reason))
        elif members.addresses != self._members:
            self._tell("members moved from {} to {}".format(", ".join(self._members), ", ".join(members.addresses)))
            self._end_child()
            self._start(self._binary, self._listen, members.addresses, now_s)

    def _start(self, binary: Binary, listen: str, members: List[str], now_s: float) -> None:
        data_dir = self._host.path(PROXY_DATA)
        # A 2.x proxy would go on with the members that it found last time.
        shutil.rmtree(data_dir, ignore_errors=True)
        argv = build_proxy_command(binary, listen, self._wanted.discovery_srv, members, data_dir)
        self._tell("starting etcd {} on {} for {}".format(binary.version, listen, ", ".join(members)))
        # An etcd 2.x would go to its members through the HTTP proxy of the environment.
        environment = self._host.build_tool_environment().items()
        direct = {name: value for name, value in environment if not name.lower().endswith("_proxy")}
        self._child = Child(argv, direct, sys.stderr)
        self._listen, self._members = listen, members
        self._started_s = self._look_at_s = now_s

    def _note_end(self, child: Child, now_s: float) -> None:
        self._crashes = count_crash(self._crashes, now_s - self._started_s, now_s)
        reason = "etcd ended with status {}".format(child.status)
        if self._crashes.count >= CRASHES_MAX:
            raise StepError("{}, {} times in a row".format(reason, self._crashes.count), child.tail())
        wait_s = self._crashes.retry_at_s - now_s
        last = child.tail().splitlines()[-1:]
        self._tell("{}; starting it again in {:g} s; it said: {}".format(reason, wait_s, " ".join(last)))
        self._child, self._look_at_s = None, now_s

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _warn(self, message: str) -> None:
        if message != self._warned:
            self._reporter.progress("warning: {}".format(message))
        self._warned = message

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._reporter.progress(message)
        self._told = message
