"""Supervises the container calico-node: dockerd owns it, so that it outlives this task, and even Mesos."""

import time
from enum import Enum
from typing import Callable, NamedTuple, Optional, Tuple, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, has_image
from ..facts import read_nodes
from ..facts.calico_etcd import read_own_node
from ..facts.calico_node import NAME, Container, read_calico_node
from ..facts.identity import complete_node
from ..facts.node_look import read_node_look
from ..files import FileError
from ..host import Host, ToolError
from ..host_settings import NotReadyError, keep_settings, prepare_kernel
from ..plans.calico_node import PAUSED, describe_end, find_container_fault, refuse_address, refuse_theirs
from ..plans.changes import Decision, describe_unproven, find_at_fault, prove
from ..plans.node_proof import prove_calico_node
from ..report import Reporter
from ..steps.work import StepError
from ..unknown import Unknown
from ..wanted import CalicoNode, Wanted, compute_settings_hash
from .adopt import adopt
from .container import (
    create_container,
    pull_image,
    read_log,
    remove_container,
    restart_container,
    start_container,
    unpause_container,
)
from .pool import ensure_pool
from .proven import forget_proven, note_proven
from .stop import StopSignal
from .watch import (
    AWAY_LIMIT_S,
    DOWN_LIMIT_S,
    UNSEEN,
    Lack,
    Standing,
    begin_anew,
    find_end,
    note,
)

STEADY_POLLS = 3
BACK_OFF_MAX_S = 60.0
LINE_MAX = 400
# A look asks etcd, Docker and the kernel, on every agent: seldom once all is well. One at all nodes is more yet.
STEADY_LOOK_S = 15.0
WHOLE_LOOK_S = 10.0

Seen = Union[Container, None, Unknown]


class Need(Enum):
    """What the container needs."""

    NOTHING = "nothing"
    RUN = "run"
    REPLACE = "replace"
    START = "start"
    UNPAUSE = "unpause"


# bad_since_s: since when it has not been steady; None once it is.
Watch = NamedTuple("Watch", [("started_at", str), ("polls", int), ("bad_since_s", Optional[float])])
FIRST_WATCH = Watch("", 0, None)
# What went wrong in a row with Docker: how often, what it said, when to try again; and how the container crashed last.
Trouble = NamedTuple("Trouble", [("count", int), ("fault", str), ("retry_at_s", float), ("crash", str)])
NO_TROUBLE = Trouble(0, "", 0.0, "")


def find_need(container: Seen, wanted: CalicoNode) -> Need:
    """Find what the container needs; one that dockerd restarts by itself is left to it."""
    if isinstance(container, Unknown):
        return Need.NOTHING
    if container is None:
        return Need.RUN
    if container.settings_hash != compute_settings_hash(wanted):
        return Need.REPLACE
    if container.status == PAUSED:
        return Need.UNPAUSE
    if container.is_running or container.is_restarting:
        return Need.NOTHING
    return Need.REPLACE if container.status == "dead" else Need.START


def observe(watch: Watch, container: Seen, wanted: CalicoNode, now_s: float) -> Watch:
    """Count polls that show the container up, as wanted, and started at the same moment."""
    is_up = isinstance(container, Container) and find_container_fault(container, wanted) is None
    if not isinstance(container, Container) or not is_up:
        return Watch("", 0, watch.bad_since_s if watch.bad_since_s is not None else now_s)
    polls = watch.polls + 1 if container.started_at == watch.started_at else 1
    bad_since_s = watch.bad_since_s if watch.bad_since_s is not None else now_s
    return Watch(container.started_at, polls, None if polls >= STEADY_POLLS else bad_since_s)


def find_fault(watch: Watch, container: Seen, wanted: CalicoNode, now_s: float) -> Optional[str]:
    """Find out whether it has not been steady for too long, and why; None while there is hope."""
    bad_s = 0.0 if watch.bad_since_s is None else now_s - watch.bad_since_s
    if isinstance(container, Unknown):
        return container.reason if bad_s > AWAY_LIMIT_S else None
    if bad_s <= DOWN_LIMIT_S:
        return None
    return find_container_fault(container, wanted) or "it never stays up for long"


def count_trouble(trouble: Trouble, fault: str, now_s: float, poll_s: float) -> Trouble:
    """Count a failure of Docker to do something: each one in a row doubles the wait, up to a limit."""
    count = trouble.count + 1
    return trouble._replace(count=count, fault=fault, retry_at_s=now_s + min(poll_s * 2 ** (count - 1), BACK_OFF_MAX_S))


def look(host: Host, wanted: Wanted, container: Container, *, is_whole: bool) -> Decision:
    """Look whether Calico works, as an inspection does; is_whole: what other nodes have to do with it too."""
    fault = find_container_fault(container, wanted.calico_node)
    if fault is not None:
        return find_at_fault(fault, "its supervisor sees to it")
    seen = read_node_look(host, wanted, container, is_whole=is_whole)
    return prove_calico_node(prove("the container is up as wanted"), seen, wanted)


def choose_pause_s(standing: Standing, *, is_local: bool) -> float:
    """Choose how long to wait before the next look; no wait: it is for the next poll."""
    if standing.lack is Lack.NOTHING:
        return STEADY_LOOK_S
    return 0.0 if is_local else WHOLE_LOOK_S


def describe_failure(host: Host, fault: str, docker: str) -> Tuple[str, str]:
    """Describe a container that does not stay up: in a line, with the last one that it said, and in several."""
    reason = "calico-node is not up: {}".format(fault)
    if docker:
        return reason, docker
    log = read_log(host)
    last = [line for line in log.splitlines() if line.strip()][-1:]
    return reason + "".join("; it said: {}".format(line.strip()[:LINE_MAX]) for line in last), log


class NodeSupervisor:
    """Keeps the container as wanted, and leaves it running when it ends itself."""

    def __init__(self, host: Host, wanted: Wanted, reporter: Reporter, tell_healthy: Callable[[], None]) -> None:
        self._host = host
        self._all = wanted
        # Without the node's own name and address, which are known once Docker answers: it may have the node already.
        self._wanted = wanted.calico_node
        self._is_identified = False
        self._is_to_adopt = False
        self._has_registered_again = False
        self._has_pool = not wanted.calico_node.pool.is_written_by_us
        self._reporter = reporter
        self._tell_healthy = tell_healthy
        self._watch = FIRST_WATCH
        self._standing = UNSEEN
        self._look_at_s = 0.0
        self._trouble = NO_TROUBLE
        self._told = ""

    def run(self, stop: StopSignal) -> None:
        """Supervise until asked to end.

        Raises:
            StepError: the container cannot be run, does not stay up, or Calico does not work in it.
        """
        forget_proven(self._host, NAME)
        try:
            while True:
                self._tick(time.monotonic())
                if stop.wait(self._wanted.poll_s):
                    return
        finally:
            forget_proven(self._host, NAME)

    def _tick(self, now_s: float) -> None:
        unknown = None if self._is_identified else self._identify()
        container = unknown or read_calico_node(self._host, self._wanted)
        was_steady = self._watch.polls >= STEADY_POLLS
        self._watch = observe(self._watch, container, self._wanted, now_s)
        fault = find_fault(self._watch, container, self._wanted, now_s)
        if fault is not None:
            raise StepError(*describe_failure(self._host, fault, self._trouble.fault))
        if isinstance(container, Unknown):
            self._tell("waits for Docker: {}".format(container.reason))
            return
        self._has_pool = self._has_pool or self._ensure_pool()
        if container is not None and self._watch.polls >= STEADY_POLLS:
            if not was_steady:
                self._trouble = NO_TROUBLE
                self._tell("calico-node is up since {}".format(self._watch.started_at))
                # Another start has the whole time to settle.
                self._standing, self._look_at_s = begin_anew(self._standing, now_s), now_s
            self._prove(container, now_s)
        need = Need.REPLACE if self._is_to_adopt else find_need(container, self._wanted)
        self._meet(need, container, now_s)

    def _identify(self) -> Optional[Unknown]:
        """Find out which node this host is, and make its kernel ready; what is not known yet is returned."""
        node, theirs = read_nodes(self._host, self._all)
        if isinstance(theirs, Unknown):
            return theirs
        obstacle = refuse_theirs(node, theirs, self._wanted) or refuse_address(node)
        if obstacle is not None:
            raise StepError(describe_unproven(obstacle))
        self._see_to_kernel(prepare_kernel)
        self._wanted = complete_node(self._wanted, node)
        self._is_to_adopt = bool(theirs)
        self._is_identified = True
        return None

    def _see_to_kernel(self, make_ready: Callable[[Host, Callable[[str], None]], None]) -> None:
        try:
            make_ready(self._host, self._tell)
        except NotReadyError as error:
            raise StepError(str(error)) from error

    def _ensure_pool(self) -> bool:
        return ensure_pool(self._host, self._wanted.pool, self._all.etcd_endpoints, self._tell)

    def _make_room(self) -> None:
        """See to it that no calico-node of somebody else's is there any more: one may have been started meanwhile.

        Raises:
            StepError: there is one, and it must not be replaced.
        """
        node, theirs = read_nodes(self._host, self._all)
        if isinstance(theirs, Unknown):
            raise DockerAwayError(theirs.reason)
        obstacle = refuse_theirs(node, theirs, self._wanted)
        if obstacle is not None:
            raise StepError(describe_unproven(obstacle))
        if theirs:
            adopt(self._host, theirs[0], self._reporter.progress)
        self._is_to_adopt = False

    def _prove(self, container: Container, now_s: float) -> None:
        """See whether Calico works; once it was seen, seldom, and of this host alone."""
        if now_s < self._look_at_s:
            return
        # Whoever writes the host's own settings anew does not know of these.
        self._see_to_kernel(keep_settings)
        was_well = self._standing.lack is Lack.NOTHING
        wanted = self._all._replace(calico_node=self._wanted)
        decision = look(self._host, wanted, container, is_whole=False)
        is_local = self._standing.is_proven or decision.proof is None
        if not is_local:
            decision = look(self._host, wanted, container, is_whole=True)
        self._standing = note(self._standing, decision, now_s, is_local=is_local)
        is_well = self._standing.lack is Lack.NOTHING
        self._look_at_s = now_s + choose_pause_s(self._standing, is_local=is_local)
        if is_well and not was_well:
            self._tell("calico-node works: {}".format(decision.proof))
            note_proven(self._host, NAME)
            self._tell_healthy()
        if not is_well:
            self._tell("calico-node is not proven: {}".format(self._standing.reason))
        end = find_end(self._standing, time.monotonic())
        if end is not None and not self._register_again():
            raise StepError("calico-node does not work: {}".format(end), read_log(self._host))

    def _register_again(self) -> bool:
        """Start the container anew, once, where etcd has lost its node: it registers at its start, and never again."""
        name = self._wanted.environment.get("NODENAME", "")
        if self._has_registered_again or read_own_node(self._host, self._all.etcd_endpoints, name) is not None:
            return False
        self._has_registered_again = True
        self._tell("etcd has no node {} any more: starting calico-node anew".format(name))
        try:
            restart_container(self._host)
        except (DockerAwayError, NoSuchObjectError):
            return False
        self._watch = FIRST_WATCH
        return True

    def _meet(self, need: Need, container: Optional[Container], now_s: float) -> None:
        if need is Need.NOTHING:
            if container is not None and container.is_restarting:
                self._tell_crash(container)
            return
        if now_s < self._trouble.retry_at_s:
            return
        fault = find_container_fault(container, self._wanted) or "it is somebody else's, and to be adopted"
        try:
            self._act(need, fault)
        except (ToolError, DockerAwayError, NoSuchObjectError, FileError) as error:
            # Docker may be about to restart: the next polls tell, and their limit ends this.
            self._trouble = count_trouble(self._trouble, str(error), time.monotonic(), self._wanted.poll_s)
            self._tell(str(error))

    def _act(self, need: Need, fault: Optional[str]) -> None:
        if need is Need.START:
            self._tell("starting calico-node: {}".format(fault))
            start_container(self._host)
            return
        if need is Need.UNPAUSE:
            self._tell("waking calico-node: {}".format(fault))
            unpause_container(self._host)
            return
        # The image first: until it is here, an old container does its work; a stranger's is none of ours to replace.
        if not has_image(self._host, self._wanted.image):
            self._tell("pulling {}".format(self._wanted.image))
            pull_image(self._host, self._wanted.image)
        self._make_room()
        self._tell("running calico-node of {}: {}".format(self._wanted.image, fault))
        if need is Need.REPLACE:
            remove_container(self._host)
        create_container(self._host, self._wanted)
        # A new container has the whole time limit, however long its image took.
        self._watch = FIRST_WATCH
        start_container(self._host)

    def _tell_crash(self, container: Container) -> None:
        """Tell why it ended, once for each reason: Docker starts it again, with a back-off of its own."""
        ended = describe_end(container)
        if ended != self._trouble.crash:
            said = read_log(self._host).splitlines()[-1:]
            self._tell("calico-node ended with {}, Docker starts it again; it said: {}".format(ended, " ".join(said)))
            self._trouble = self._trouble._replace(crash=ended)

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._reporter.progress(message)
        self._told = message
