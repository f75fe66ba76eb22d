"""Supervises the container calico-node: dockerd owns it, so that it outlives this task, and even Mesos."""

import time
from enum import Enum
from typing import Callable, List, NamedTuple, Optional, Union

from ..docker_api import DockerAwayError, NoSuchObjectError, read_json
from ..facts.calico_node import HASH_LABEL, NAME, Container, read_calico_node
from ..host import Host, ToolError
from ..plans.services import find_container_fault
from ..report import Reporter
from ..steps.work import StepError
from ..unknown import Unknown
from ..wanted import CalicoNode, compute_settings_hash
from .stop import StopSignal

VOLUMES = ("/lib/modules:/lib/modules", "/var/run/calico:/var/run/calico", "/var/log/calico:/var/log/calico")
PULL_TIMEOUT_S = 900
RUN_TIMEOUT_S = 120
STEADY_POLLS = 3
DOWN_LIMIT_S = 60.0
# dockerd itself may take long to come back, and until then nothing can be said of the container.
AWAY_LIMIT_S = 300.0

Seen = Union[Container, None, Unknown]


class Need(Enum):
    """What the container needs."""

    NOTHING = "nothing"
    RUN = "run"
    REPLACE = "replace"
    START = "start"


# bad_since_s: since when it has not been steady; None once it is.
Watch = NamedTuple("Watch", [("started_at", str), ("polls", int), ("bad_since_s", Optional[float])])
FIRST_WATCH = Watch("", 0, None)


def find_need(container: Seen, wanted: CalicoNode) -> Need:
    """Find what the container needs; one that dockerd restarts by itself is left to it."""
    if isinstance(container, Unknown):
        return Need.NOTHING
    if container is None:
        return Need.RUN
    if container.settings_hash != compute_settings_hash(wanted.image, wanted.environment):
        return Need.REPLACE
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


def build_run_command(wanted: CalicoNode) -> List[str]:
    """Build the docker command that runs the container."""
    label = "{}={}".format(HASH_LABEL, compute_settings_hash(wanted.image, wanted.environment))
    argv = ["docker", "run", "-d", "--restart=always", "--net=host", "--privileged", "--name", NAME, "--label", label]
    for volume in VOLUMES:
        argv += ["-v", volume]
    for name, value in sorted(wanted.environment.items()):
        argv += ["-e", "{}={}".format(name, value)]
    return [*argv, wanted.image]


class NodeSupervisor:
    """Keeps the container as wanted, and leaves it running when it ends itself."""

    def __init__(self, host: Host, wanted: CalicoNode, reporter: Reporter, tell_healthy: Callable[[], None]) -> None:
        self._host = host
        self._wanted = wanted
        self._reporter = reporter
        self._tell_healthy = tell_healthy
        self._watch = FIRST_WATCH
        self._told = ""
        self._docker_fault = ""

    def run(self, stop: StopSignal) -> None:
        """Supervise until asked to end.

        Raises:
            StepError: the container cannot be run, or does not stay up.
        """
        while True:
            self._tick(time.monotonic())
            if stop.wait(self._wanted.poll_s):
                return

    def _tick(self, now_s: float) -> None:
        container = read_calico_node(self._host, self._wanted)
        was_steady = self._watch.polls >= STEADY_POLLS
        self._watch = observe(self._watch, container, self._wanted, now_s)
        fault = find_fault(self._watch, container, self._wanted, now_s)
        if fault is not None:
            raise StepError("calico-node is not up: {}".format(fault), self._docker_fault or self._read_log())
        if isinstance(container, Unknown):
            self._tell("waits for Docker: {}".format(container.reason))
            return
        if self._watch.polls >= STEADY_POLLS and not was_steady:
            self._tell("calico-node is up since {}".format(self._watch.started_at))
            self._tell_healthy()
        self._meet(find_need(container, self._wanted), container)

    def _meet(self, need: Need, container: Optional[Container]) -> None:
        if need is Need.NOTHING:
            return
        fault = find_container_fault(container, self._wanted)
        try:
            if need is Need.START:
                self._tell("starting calico-node: {}".format(fault))
                self._docker(["start", NAME], RUN_TIMEOUT_S)
                return
            self._run_anew(need, fault)
        except (ToolError, DockerAwayError) as error:
            # Docker may be about to restart: the next polls tell, and their limit ends this.
            self._docker_fault = str(error)
            self._tell(self._docker_fault)

    def _run_anew(self, need: Need, fault: Optional[str]) -> None:
        # The image first: until it is here, an old container does its work.
        self._pull()
        self._tell("running calico-node of {}: {}".format(self._wanted.image, fault))
        if need is Need.REPLACE:
            self._docker(["rm", "-f", NAME], RUN_TIMEOUT_S)
        self._docker(build_run_command(self._wanted)[1:], RUN_TIMEOUT_S)
        # A new container has the whole time limit, however long its image took.
        self._watch, self._docker_fault = FIRST_WATCH, ""

    def _pull(self) -> None:
        try:
            read_json(self._host, "/images/{}/json".format(self._wanted.image))
        except NoSuchObjectError:
            self._tell("pulling {}".format(self._wanted.image))
            self._docker(["pull", self._wanted.image], PULL_TIMEOUT_S)

    def _docker(self, words: List[str], timeout_s: float) -> None:
        done = self._host.run(["docker", *words], timeout_s)
        if done.status != 0:
            raise ToolError("docker {}: {}".format(words[0], done.output.strip()[-500:]))

    def _read_log(self) -> str:
        try:
            return self._host.run(["docker", "logs", "--tail", "20", NAME], RUN_TIMEOUT_S).output.strip()
        except ToolError as error:
            return str(error)

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._reporter.progress(message)
        self._told = message
