"""The connectivity test as values: a run, the agents that stand in it, the pairs that it tests, and what came out.

A run takes its agents in a ring: each is the client of the next one and the server of the one before. On each agent a
workload (a task on the CNI network) and, where Docker's cluster store is on, a holder of a container serve for as long
as the run lasts; for each pair one probe on the client's agent takes the actions and tells how they went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from .model import TaskRef, TaskState

# Agents of a run: chosen by themselves, and at most if an operator names them.
USUAL_AGENTS = 10
MAX_AGENTS = 50
MIN_AGENTS = 2
# Probes at one time: each puts a policy in place, which every Felix of the cluster hears of.
MAX_PROBES = 4
# How long an agent may take to offer what a task needs; to start the task; and a probe to come to its end.
OFFER_TIMEOUT_S = 180.0
START_TIMEOUT_S = 180.0
PROBE_TIMEOUT_S = 240.0
# By itself, whatever becomes of the scheduler, everything that a run leaves on a host ends after so long.
LIFETIME_S = 3600.0

MESOS = "mesos"
DOCKER = "docker"
TESTS = (MESOS, DOCKER)
# What tells of a part that never came up, in the place of what would have been tried there.
START_ACTION = "start"


class Outcome(Enum):
    """How an action went."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not tested"


class TrialKind(Enum):
    """The tasks of a run, by the names that Mesos shows."""

    WORKLOAD = "connectivity-workload"
    CONTAINER = "connectivity-container"
    PROBE = "connectivity-probe"


@dataclass(frozen=True, slots=True)
class Result:
    """How one action between two peers went.

    Attributes:
        test: mesos or docker.
        action: its name, such as tcp.
        message: what was seen; of a failure the reason, with a remedy as far as one is known.
        rtt_ms: the round-trip time where one was measured.
        mtu: the largest packet that passed unfragmented, in bytes, where that was measured.
    """

    test: str
    action: str
    outcome: Outcome
    message: str
    rtt_ms: float | None = None
    mtu: int | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A task of a run.

    Attributes:
        since: when its state was entered.
        address: where its peer reaches it, empty as long as nobody told.
        reason: why it failed, in the installer's own words, empty if it did not say.
    """

    id: str
    agent_id: str
    launched_at: float
    state: TaskState = TaskState.LAUNCHED
    since: float = 0.0
    address: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """What of an agent is reached in one of the tests.

    Attributes:
        fault: why nothing can be reached there, empty as long as there is hope.
    """

    trial: Trial | None = None
    fault: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it runs, and where is known."""
        is_up = self.trial is not None and self.trial.state is TaskState.RUNNING and self.trial.address != ""
        return is_up and not self.fault

    @property
    def is_settled(self) -> bool:
        """Whether it is known how it came out: it serves, or it never will."""
        return self.is_ready or self.fault != ""


@dataclass(frozen=True, slots=True)
class Stand:
    """An agent's part in a run: for each test its server.

    Attributes:
        asked_since: since when an offer for the next task has been waited for.
        shortfall: what its offers lack, empty if nothing.
    """

    agent_key: str
    workload: Server = field(default_factory=Server)
    container: Server = field(default_factory=Server)
    asked_since: float = 0.0
    shortfall: str = ""

    def get_server(self, test: str) -> Server:
        """Its server in a test."""
        return self.workload if test == MESOS else self.container

    def with_server(self, test: str, server: Server) -> Stand:
        """The stand with another server in a test."""
        return replace(self, workload=server) if test == MESOS else replace(self, container=server)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two agents of which one reaches for the other, and what came of it.

    Attributes:
        is_told: whether the probe has told its last result.
        ended_at: None until it is known how all of it went.
    """

    client: str
    server: str
    probe: Trial | None = None
    results: tuple[Result, ...] = ()
    is_told: bool = False
    asked_since: float = 0.0
    ended_at: float | None = None

    @property
    def outcome(self) -> Outcome:
        """How the pair came out: one failure is enough, and nothing that passed is not tested."""
        outcomes = {result.outcome for result in self.results}
        if Outcome.FAILED in outcomes:
            return Outcome.FAILED
        return Outcome.PASSED if Outcome.PASSED in outcomes else Outcome.NOT_TESTED


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the test; the last one is kept with its results.

    Attributes:
        id: marks everything that it makes on hosts and in etcd.
        tests: what is tested, of TESTS.
        left_out: why a test is not part of it, by its name.
        settings: fingerprint of the wanted configuration at its start.
        ended_at: None until all pairs are through; its tasks may still be about to end.
        end_reason: why it ended before its time, empty if it did not.
    """

    id: str
    started_at: float
    who: str = ""
    reason: str = ""
    tests: tuple[str, ...] = (MESOS,)
    left_out: Mapping[str, str] = field(default_factory=dict)
    stands: tuple[Stand, ...] = ()
    pairs: tuple[Pair, ...] = ()
    ended_at: float | None = None
    end_reason: str = ""
    settings: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is tried."""
        return self.ended_at is not None

    @property
    def outcome(self) -> Outcome:
        """How the run came out: passed only if every pair did and nobody cut it short."""
        outcomes = {pair.outcome for pair in self.pairs}
        if Outcome.FAILED in outcomes:
            return Outcome.FAILED
        if self.end_reason or Outcome.NOT_TESTED in outcomes or not outcomes:
            return Outcome.NOT_TESTED
        return Outcome.PASSED

    def get_stand(self, agent_key: str) -> Stand | None:
        """An agent's part; None if it has none."""
        return next((stand for stand in self.stands if stand.agent_key == agent_key), None)

    def with_stand(self, stand: Stand) -> Run:
        """The run with the stand of one agent replaced."""
        stands = tuple(stand if one.agent_key == stand.agent_key else one for one in self.stands)
        return replace(self, stands=stands)

    def with_pair(self, pair: Pair) -> Run:
        """The run with one pair replaced."""
        return replace(self, pairs=tuple(pair if one.client == pair.client else one for one in self.pairs))

    def list_trials(self) -> Iterator[Trial]:
        """All its tasks."""
        servers = (server for stand in self.stands for server in (stand.workload, stand.container))
        tasks = (*(server.trial for server in servers), *(pair.probe for pair in self.pairs))
        return (task for task in tasks if task is not None)

    def find_trial(self, task_id: str) -> Trial | None:
        """A task of the run; None if it is none of it."""
        return next((trial for trial in self.list_trials() if trial.id == task_id), None)

    def find_ref(self, task_id: str) -> TaskRef | None:
        """What Mesos needs to find a task of the run; None if it is none of it."""
        trial = self.find_trial(task_id)
        return None if trial is None else TaskRef(trial.id, trial.agent_id)

    def with_trial(self, trial: Trial) -> Run:
        """The run with one of its tasks as it is now."""
        for stand in self.stands:
            for test in TESTS:
                server = stand.get_server(test)
                if server.trial is not None and server.trial.id == trial.id:
                    return self.with_stand(stand.with_server(test, replace(server, trial=trial)))
        for pair in self.pairs:
            if pair.probe is not None and pair.probe.id == trial.id:
                return self.with_pair(replace(pair, probe=trial))
        return self


@dataclass(frozen=True, slots=True)
class StartRun:
    """An operator wants the test run.

    Attributes:
        agents: keys of the agents; empty for those that are complete.
    """

    agents: tuple[str, ...] = ()
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopRun:
    """An operator wants the run ended."""

    who: str = ""
    reason: str = ""


RunCommand = StartRun | StopRun
