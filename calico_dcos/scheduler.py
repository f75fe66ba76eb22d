"""The loop: one thread takes events from one queue, folds them, stores what changed, and acts."""

from __future__ import annotations

import logging
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from .core.actions import (
    Acknowledge,
    Action,
    Call,
    Deactivate,
    Decline,
    Exit,
    Kill,
    Launch,
    LaunchTrial,
    Reactivate,
    Reconcile,
    Reply,
    Revive,
    merge_declines,
)
from .core.command import Verdict
from .core.connectivity import TrialKind
from .core.connectivity_words import describe_progress
from .core.decide import decide
from .core.events import AnyCommand, Commanded, Event, OffersReceived, Ticked
from .core.fold import fold
from .core.memory import Batch, Memory
from .core.model import Agent, StepName
from .core.resources import Offer
from .core.restoring import restore
from .core.state import State
from .core.steps import Policy
from .mailbox import Mailbox
from .troubles import Source, Troubles

log = logging.getLogger(__name__)

# How often the walk is looked at when nothing happens: what waits for time alone waits at most so much longer.
TICK_S = 0.25
# How long one attempt to become the only scheduler lasts, and the pause before a store that is away is tried again.
ACQUIRE_S = 2.0
RETRY_S = 1.0
# Events folded before one decision and one write: bounds how long the first of them waits for its acknowledgement.
MAX_EVENTS = 200
_AWAY = "all decisions wait for the store"


class StoreError(Exception):
    """The store did not do what was asked; its text is one line that names the store and the remedy."""


class StoreHeldError(StoreError):
    """Another scheduler holds the store."""


class StoreRefusedError(StoreError):
    """The store is there, and does not take what it was given: it will not take it the next time either."""


class Store(Protocol):
    """What must outlive the process.

    Every method raises StoreError if the store cannot be reached, and nothing else.
    """

    def acquire(self, holder: str, timeout_s: float) -> None:
        """Become the only writer, waiting up to timeout_s for another holder to go.

        Raises:
            StoreHeldError: another holder is there still; the text names it.
        """

    def load(self) -> Memory:
        """Read everything."""

    def save(self, batch: Batch) -> None:
        """Write a batch durably, or raise: then some of its records may be there, each of them whole.

        Raises:
            StoreHeldError: this process is not the holder any more.
        """

    def close(self) -> None:
        """Give the store up; another scheduler may acquire it at once."""


class Driver(Protocol):
    """The way to Mesos. Calls are wishes: whether one had its effect shows in later events."""

    def start(self, framework_id: str | None) -> None:
        """Connect and subscribe, and go on doing so until stopped; events go to the queue."""

    def send(self, call: Call) -> None:
        """Pass a call to the master; one that cannot be delivered is logged and forgotten."""

    def stop(self) -> None:
        """Disconnect without a teardown."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the loop, for those who count and tell: it is stored already.

    Attributes:
        waiting: events in the queue when it ended.
        took_s: seconds from the first of its events to its end.
    """

    at: float
    events: tuple[Event, ...]
    actions: tuple[Action, ...]
    before: State
    state: State
    waiting: int = 0
    took_s: float = 0.0

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The offers that it brought."""
        return tuple(offer for event in self.events if isinstance(event, OffersReceived) for offer in event.offers)


def make_task_id(step: StepName | TrialKind) -> str:
    """Name a task: never used before, and readable in Mesos' own page."""
    return f"{step.value}.{uuid.uuid4()}"


class SteadyClock:
    """Seconds since the epoch: those of the start, counted on; nobody who sets the machine's clock moves it."""

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Read it."""
        return time.monotonic() + self._ahead_s


class Scheduler:
    """Owns the state: the only place where it is replaced is this thread's loop."""

    def __init__(  # noqa: PLR0913 - what is at its edges has many parts
        self,
        *,
        policy: Policy,
        store: Store,
        queue: Mailbox,
        read_clock: Callable[[], float] | None = None,
        read_wall_clock: Callable[[], float] = time.time,
        observers: Sequence[Callable[[Turn], None]] = (),
        troubles: Troubles | None = None,
    ) -> None:
        """Load what the store remembers.

        Args:
            policy: how to walk.
            store: acquired already.
            queue: where events come from.
            read_clock: seconds since the epoch, which go by whatever is done to the clock of the machine.
            read_wall_clock: seconds since the epoch as that clock shows them.
            observers: are told of each turn, in the loop's thread; they must not block.
            troubles: where a store that is away is told.
        """
        self._observers = tuple(observers)
        self._store = store
        self._queue = queue
        self.read_clock = read_clock or SteadyClock()
        self._read_wall_clock = read_wall_clock
        self._ticked_at = 0.0
        self._exit_reason: str | None = None
        self._beat_at = time.monotonic()
        self._troubles = troubles or Troubles(self.read_clock)
        self._asked: dict[str, Future[Verdict]] = {}
        self.state = State(policy=policy)

    def take_store(self, holder: str) -> bool:
        """Wait until this process is the only scheduler, and read what is remembered; nothing is decided before.

        Args:
            holder: who we are, for the operator of another scheduler that waits.

        Returns:
            Whether it is; False if its end was asked for while it waited.

        Raises:
            StoreError: the store cannot be reached at all, or what it holds cannot be read.
        """
        is_first_attempt = True
        while self._exit_reason is None:
            self._beat_at = time.monotonic()
            try:
                self._store.acquire(holder, ACQUIRE_S)
            except StoreHeldError as error:
                self._troubles.tell(Source.STORE, f"standby: another scheduler is at work, this one waits: {error}")
            except StoreError as error:
                if is_first_attempt:
                    raise
                self._troubles.tell(Source.STORE, f"standby: waits for the store: {error}")
                time.sleep(RETRY_S)
            else:
                self._load()
                return True
            is_first_attempt = False
        return False

    def _load(self) -> None:
        memory = self._store.load()
        if memory.secret is None:
            self._store.save(Batch(secret=secrets.token_hex(32)))
            memory = self._store.load()
        self.state = restore(self.state.policy, memory, self.read_clock())
        self._troubles.end(Source.STORE)

    @property
    def exit_reason(self) -> str | None:
        """Why the scheduler ends, None while it is not to end."""
        return self._exit_reason

    def run(self, driver: Driver) -> str:
        """Take events until an exit is decided or asked for; the store must have been taken.

        Args:
            driver: not started yet; its events go to the queue.

        Returns:
            The reason for the end.

        Raises:
            StoreHeldError: another scheduler took the store over.
        """
        agents = len(self.state.agents)
        log.info("starts with %d known agents, framework id %s", agents, self.state.framework_id or "none yet")
        driver.start(self.state.framework_id or None)
        try:
            while self._exit_reason is None:
                for call in merge_declines(self._handle(self._take_events())):
                    driver.send(call)
        finally:
            driver.stop()
        return self._exit_reason

    def stop(self, reason: str) -> None:
        """Ask the loop to end; from any thread or a signal handler."""
        self._exit_reason = reason

    def submit(self, command: AnyCommand) -> Future[Verdict]:
        """Pass an operator's command on; from any thread.

        Returns:
            Its answer, there once the command and its line in the audit log are stored. Until the loop takes the
            command up it can be cancelled, and is then as if never given.
        """
        ticket = uuid.uuid4().hex
        answer: Future[Verdict] = Future()
        self._asked[ticket] = answer
        self._queue.put(Commanded(command, ticket))
        return answer

    def describe_silence(self, max_silence_s: float = 60.0) -> str | None:
        """Say that the loop stands still, None if it turns: a part of what a health check asks."""
        silence_s = time.monotonic() - self._beat_at
        return f"the scheduler's loop has been silent for {silence_s:.0f} s" if silence_s > max_silence_s else None

    @property
    def trouble(self) -> str | None:
        """What keeps decisions waiting at present, in one line; None if nothing does."""
        trouble = self._troubles.find(Source.STORE)
        return None if trouble is None else trouble.line

    def _take_events(self) -> list[Event]:
        events = self._queue.take(TICK_S, MAX_EVENTS)
        now = self.read_clock()
        if now - self._ticked_at >= TICK_S:
            self._ticked_at = now
            events.append(Ticked(self._read_wall_clock()))
        return events

    def _handle(self, events: list[Event]) -> list[Call]:
        now = self.read_clock()
        self._beat_at = time.monotonic()
        before = state = self.state
        actions: list[Action] = []
        for event in events:
            if isinstance(event, Commanded) and not self._take_up(event):
                continue
            state, answers = fold(state, event, now)
            actions.extend(answers)
        decision = decide(state, now, make_task_id)
        batch = decision.state.build_batch()
        self._save(batch)
        self.state = decision.state.saved()
        for agent in batch.agents:
            _log_notes(before.agents.get(agent.key), agent)
        for line in describe_progress(before.connectivity, self.state.connectivity):
            log.info("%s", line)
        for key in decision.state.unsaved.forgotten:
            log.info("%s is forgotten: the Mesos master does not know it any more", key)
        calls: list[Call] = []
        self._tell_observers(Turn(now, tuple(events), (*actions, *decision.actions), before, self.state))
        for action in (*actions, *decision.actions):
            _log_action(action)
            match action:
                case Exit():
                    self._exit_reason = action.reason
                case Reply():
                    self._reply(action)
                case _:
                    calls.append(action)
        return calls

    def _take_up(self, event: Commanded) -> bool:
        """Whether whoever gave the command still waits for its answer."""
        answer = self._asked.get(event.ticket)
        if answer is None or answer.set_running_or_notify_cancel():
            return True
        del self._asked[event.ticket]
        return False

    def _reply(self, reply: Reply) -> None:
        answer = self._asked.pop(reply.ticket, None)
        if answer is not None:
            answer.set_result(reply.verdict)

    def _tell_observers(self, turn: Turn) -> None:
        told = replace(turn, waiting=len(self._queue), took_s=time.monotonic() - self._beat_at)
        for observe in self._observers:
            observe(told)

    def _save(self, batch: Batch) -> None:
        """Store a batch, waiting for as long as the store is away: nothing is decided on what may be lost."""
        while not batch.is_empty:
            try:
                self._store.save(batch)
            except StoreHeldError:
                raise
            except StoreError as error:
                if self._exit_reason is not None:
                    raise
                is_refusal = isinstance(error, StoreRefusedError)
                told = "the store refuses what is to be stored, and all decisions wait" if is_refusal else _AWAY
                self._troubles.tell(Source.STORE, f"{told}: {error}")
                self._beat_at = time.monotonic()
                time.sleep(RETRY_S)
            else:
                break
        if not batch.is_empty:
            self._troubles.end(Source.STORE)


def _log_action(action: Action) -> None:  # noqa: C901 - one case for each action
    match action:
        case Kill():
            log.info("kills %s: %s", action.task.task_id, action.reason)
        case Deactivate():
            log.info("deactivates %s: %s", action.agent_key, action.reason)
        case Reactivate():
            log.info("activates %s again: %s", action.agent_key, action.reason)
        case Revive():
            log.info("revives offers: %s", action.reason)
        case Reconcile():
            log.debug("reconciles %d tasks: %s", len(action.tasks), action.reason)
        case Decline():
            log.debug("declines for %g s: %s", action.refuse_s, action.reason)
        case Launch() | LaunchTrial():
            log.debug("launches %s on %s: %s", action.task_id, action.agent_key, action.reason)
        case Acknowledge():
            log.debug("acknowledges an update of %s", action.task_id)
        case Reply():
            log.info("a command is %s: %s", action.verdict.outcome.value, action.verdict.message)
        case Exit():
            log.warning("ends: %s", action.reason)
        case _:
            assert_never(action)


def _log_notes(before: Agent | None, after: Agent) -> None:
    known = () if before is None else before.history
    for note in after.history:
        if note not in known:
            log.info("%s: %s", after.key, note.text)
