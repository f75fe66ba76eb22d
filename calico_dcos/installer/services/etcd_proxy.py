"""Supervises etcd as a proxy: starts it, starts it again when it ends or its members move, and tells why."""

import shutil
import sys
import time
from typing import Callable, List, NamedTuple, Optional  # noqa: F401  (Optional: in type comments)

from ..facts.etcd import Listener, read_listener
from ..host import Host
from ..report import Reporter
from ..steps.work import StepError
from ..wanted import EtcdProxy
from .child import Child
from .etcd_binary import PROXY_DATA, Binary, build_proxy_command, install_etcd
from .members import NoMembersError, find_members
from .stop import StopSignal

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


class ProxySupervisor:
    """One proxy: at most one child of ours, and none while somebody else's etcd answers where it would listen."""

    def __init__(self, host: Host, wanted: EtcdProxy, reporter: Reporter, tell_healthy: Callable[[], None]) -> None:
        self._host = host
        self._wanted = wanted
        self._reporter = reporter
        self._tell_healthy = tell_healthy
        self._binary = None  # type: Optional[Binary]
        self._child = None  # type: Optional[Child]
        self._listen = ""
        self._members = []  # type: List[str]
        self._started_s = 0.0
        self._looked_up_s = 0.0
        self._crashes = NO_CRASHES
        self._look_at_s = 0.0
        self._was_healthy = False
        self._told = ""

    def run(self, stop: StopSignal) -> None:
        """Supervise until asked to end; the child ends first.

        Raises:
            StepError: it cannot go on: no binary, a foreign port, or one crash after another.
        """
        try:
            while True:
                self._tick(time.monotonic())
                if stop.wait(POLL_S):
                    return
        finally:
            self._end_child()

    def _tick(self, now_s: float) -> None:
        if self._child is not None and self._child.status is not None:
            self._note_end(self._child, now_s)
        if self._child is not None and now_s - self._looked_up_s >= self._wanted.refresh_s:
            self._refresh(now_s)
        if now_s < self._look_at_s:
            return
        listener = read_listener(self._host, self._wanted.listen)
        if self._child is None:
            self._consider_start(listener, now_s)
        is_healthy = listener.answers == "etcd"
        if is_healthy and not self._was_healthy:
            self._tell_healthy()
        self._was_healthy = is_healthy
        self._look_at_s = now_s + self._choose_pause_s(now_s, is_healthy=is_healthy)

    def _choose_pause_s(self, now_s: float, *, is_healthy: bool) -> float:
        if is_healthy:
            return LOOK_STEADY_S
        is_starting = self._child is not None and now_s - self._started_s < START_S
        return POLL_S if is_starting else LOOK_UNWELL_S

    def _consider_start(self, listener: Listener, now_s: float) -> None:
        if listener.answers == "etcd":
            self._tell("another {} answers on {}: left alone, and watched".format(listener.detail, listener.address))
            return
        if listener.answers == "something else":
            raise StepError("{} is taken: {}".format(listener.address, listener.detail))
        if now_s < self._crashes.retry_at_s:
            return
        if self._binary is None:
            self._binary = install_etcd(self._host, self._wanted.archive, self._reporter)
        try:
            members = find_members(self._host, self._wanted.discovery_srv)
            self._start(self._binary, listener.address, members, now_s)
        except NoMembersError as error:
            self._crashes = Crashes(0, now_s + BACK_OFF_MAX_S / 6)
            self._tell("waits for members: {}".format(error))

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
        self._started_s = self._looked_up_s = self._look_at_s = now_s

    def _note_end(self, child: Child, now_s: float) -> None:
        self._crashes = count_crash(self._crashes, now_s - self._started_s, now_s)
        reason = "etcd ended with status {}".format(child.status)
        if self._crashes.count >= CRASHES_MAX:
            raise StepError("{}, {} times in a row".format(reason, self._crashes.count), child.tail())
        wait_s = self._crashes.retry_at_s - now_s
        last = child.tail().splitlines()[-1:]
        self._tell("{}; starting it again in {:g} s; it said: {}".format(reason, wait_s, " ".join(last)))
        self._child, self._look_at_s = None, now_s

    def _refresh(self, now_s: float) -> None:
        """Look the members up again: a proxy resolves them once, at its start."""
        self._looked_up_s = now_s
        try:
            members = find_members(self._host, self._wanted.discovery_srv)
        except NoMembersError as error:
            self._tell("members cannot be looked up, the proxy goes on with those known: {}".format(error))
            return
        if members != self._members and self._binary is not None:
            self._tell("members moved from {} to {}".format(", ".join(self._members), ", ".join(members)))
            self._end_child()
            self._start(self._binary, self._listen, members, now_s)

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._reporter.progress(message)
        self._told = message
