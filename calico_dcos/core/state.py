"""Everything that the framework knows at one moment, in one immutable value with its indexes.

The maps are persistent (immutables.Map): an old state stays valid for whoever holds it, and a new one costs in
proportion to what changed. Indexes are kept in `with_agent` alone, so that nothing ever has to scan all agents.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from immutables import Map

from .command import AuditEntry, Controls, Word
from .connectivity import Run
from .events import Progressed
from .memory import Batch
from .model import UNTRIED, Agent, Backoff, Mark, Node, StepName, Task, TaskRef, TaskState
from .phase import advance
from .resources import Maintenance, Offer
from .standing import find_failure, find_next_step, is_repair, is_settled
from .steps import Policy, Rank

Value = TypeVar("Value")
# What a store takes in one turn without anybody noticing.
TOLD_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class HeldOffer:
    """An offer that is not answered yet.

    Attributes:
        number: the newest that had been given on its agent when it came.
    """

    offer: Offer
    received_at: float
    number: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A task whose state the master has to tell us.

    Attributes:
        backoff: of asking.
        is_after_offer: whether the task's agent was offered since the task was lost sight of, so that LOST means dead.
    """

    backoff: Backoff
    is_after_offer: bool = False


@dataclass(frozen=True, slots=True)
class BlockerAnswer:
    """What was said of restarts; `reason` is why there may be none, empty if there may."""

    asked_at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """One moment of the framework.

    Attributes:
        keys_by_id: agent key by Mesos agent id.
        tasks: (agent key, step) by task id, of each step's newest task.
        slots: when each holder took its slot, by agent key.
        restarts: since when each agent has had leave to restart something, by agent key.
        absent: since when the master has not known an agent, by key.
        failed: agents in ERROR, by key, with the step.
        halting: those of them that failed half-way, after a change: too many of them stop the walk.
        released: agents in ERROR which an operator lets the walk go past, by key.
        unsettled: keys of agents whose phase is not complete.
        queue: where each agent that could take a slot comes in the walk, by key.
        line: who comes next, the first as soon as a slot is free.
        line_since: since when the first of them has been waited for.
        line_causes: what the line was worked out from.
        passed: keys of agents that let their turn go by.
        complete_nodes: what Calico knows the hosts of complete agents as, by key.
        inspecting: the task by which an agent is being inspected, by agent key.
        repairs: keys of agents of which a service that was complete is lost.
        questions: open questions to the master, by task id.
        ask_at: before that moment, none of them is due.
        heard: ids of the tasks of which Mesos said anything since all of them were last asked for.
        strangers: Mesos agent id by task id, of running tasks of this framework that nobody remembers.
        has_free_slot: whether a slot was given back since offers were last revived.
        offered_at: when an agent was last offered, by agent key.
        maintenance: for when the maintenance of an agent's host is announced, by agent key.
        twins: ids of agents that go by one name, by the agent key that they share.
        shortfalls: since when an agent's offers are too small, and for what, by agent key.
        controls: what operators decided for the whole plan.
        audit: commands that were obeyed, by their place.
        audit_count: how many commands were ever obeyed.
        wants_offers: why offers that were declined are wanted now, empty if they are not.
        last_restart_at: when leave to restart something was last given to any agent.
        answer: what the one who is asked before each restart said last.
        untested: keys of complete agents that are to be tested before the walk goes on.
        tested: keys of complete agents of which the connectivity test passed under the settings of today.
        connectivity: the newest run of the connectivity test.
        deactivated: back-off of asking that an agent which we deactivated is offered again, by agent key.
        revives: back-off of asking for all offers on account of an agent that gets none, by agent key.
        words: what all agents were told, of which the store of some may not know yet; the oldest first.
        told: keys of agents that the store does not have as words to all of them made them.
        changed: keys of agents that the store does not have as they are: not in a list, which would be copied for each.
        unsaved: what else the store does not have yet.
        has_roster: whether the master's list of agents was read since it took us in: before, nobody knows who is who.
        wall_ahead_s: how much what clocks on walls show is ahead of the time that everything else goes by.
        is_subscribed: whether the master has taken us in.
        subscribed_at: when that was.
        reconciled_at: when all tasks that the master knows were last asked for, None until every question since the
            last subscription was answered.
    """

    policy: Policy
    revision: int = 0
    framework_id: str | None = None
    secret: str | None = None
    master: str = ""
    has_roster: bool = True
    wall_ahead_s: float = 0.0
    is_subscribed: bool = False
    subscribed_at: float = 0.0
    reconciled_at: float | None = None
    revived_at: float = 0.0
    has_free_slot: bool = False
    agents: Map[str, Agent] = field(default_factory=Map)
    keys_by_id: Map[str, str] = field(default_factory=Map)
    tasks: Map[str, tuple[str, StepName]] = field(default_factory=Map)
    offers: Map[str, HeldOffer] = field(default_factory=Map)
    slots: Map[str, float] = field(default_factory=Map)
    restarts: Map[str, float] = field(default_factory=Map)
    absent: Map[str, float] = field(default_factory=Map)
    failed: Map[str, StepName] = field(default_factory=Map)
    halting: Map[str, StepName] = field(default_factory=Map)
    released: Map[str, Mark] = field(default_factory=Map)
    unsettled: Map[str, bool] = field(default_factory=Map)
    queue: Map[str, Rank] = field(default_factory=Map)
    line: tuple[str, ...] = ()
    line_since: float = 0.0
    line_causes: tuple[object, ...] = ()
    passed: Map[str, None] = field(default_factory=Map)
    complete_nodes: Map[str, Node] = field(default_factory=Map)
    inspecting: Map[str, str] = field(default_factory=Map)
    repairs: Map[str, bool] = field(default_factory=Map)
    questions: Map[str, Question] = field(default_factory=Map)
    ask_at: float = 0.0
    heard: Map[str, None] = field(default_factory=Map)
    strangers: Map[str, str] = field(default_factory=Map)
    progress: Map[str, Progressed] = field(default_factory=Map)
    offered_at: Map[str, float] = field(default_factory=Map)
    maintenance: Map[str, Maintenance] = field(default_factory=Map)
    twins: Map[str, tuple[str, ...]] = field(default_factory=Map)
    shortfalls: Map[str, tuple[float, str]] = field(default_factory=Map)
    pins: Map[str, str] = field(default_factory=Map)
    controls: Controls = field(default_factory=Controls)
    audit: Map[int, AuditEntry] = field(default_factory=Map)
    audit_count: int = 0
    wants_offers: str = ""
    last_restart_at: float = 0.0
    answer: BlockerAnswer | None = None
    untested: Map[str, bool] = field(default_factory=Map)
    tested: Map[str, bool] = field(default_factory=Map)
    connectivity: Run | None = None
    deactivated: Map[str, Backoff] = field(default_factory=Map)
    revives: Map[str, Backoff] = field(default_factory=Map)
    words: tuple[Word, ...] = ()
    told: Map[str, None] = field(default_factory=Map)
    changed: Map[str, None] = field(default_factory=Map)
    unsaved: Batch = field(default_factory=Batch)

    def with_agent(self, agent: Agent) -> State:
        """The state with one agent added or replaced, its indexes kept, and the agent marked as unsaved."""
        return self.with_agents((agent,))

    def with_advanced(self, agent: Agent, now: float) -> State:
        """The state with one agent as facts and time make it."""
        return self.with_agent(advance(agent, self.policy, now))

    def with_agents(self, agents: Iterable[Agent]) -> State:
        """The state with many agents added or replaced, at a cost in proportion to their number."""
        heard = self.words[-1].number if self.words else 0
        fresh = {
            agent.key: agent if agent.heard >= heard else replace(agent, heard=heard)
            for agent in agents
            if self.agents.get(agent.key) is not agent
        }
        if not fresh:
            return self
        indexed = self
        for key, agent in fresh.items():
            indexed = indexed._index(self.agents.get(key), agent)
        forgotten = tuple(key for key in self.unsaved.forgotten if key not in fresh)
        return replace(
            indexed,
            changed=self.changed.update(dict.fromkeys(fresh)),
            unsaved=replace(self.unsaved, forgotten=forgotten),
            revision=self.revision + len(fresh),
        )

    def without_agent(self, key: str) -> State:
        """The state in which nothing is known of an agent: what still runs there is a stranger's, should it return."""
        agent = self.agents[key]
        names = {key, agent.agent_id, *(step.task.id for step in agent.steps.values() if step.task is not None)}
        left: dict[str, Any] = {}
        # Whatever is kept by its key, its id or its tasks goes with it.
        for part in fields(self):
            index = getattr(self, part.name)
            if isinstance(index, Map) and (lost := [name for name in names if name in index]):
                left[part.name] = functools.reduce(Map.delete, lost, index)
        unsaved = replace(self.unsaved, forgotten=(*self.unsaved.forgotten, key))
        has_free_slot = self.has_free_slot or key in self.slots
        return replace(self, **left, has_free_slot=has_free_slot, unsaved=unsaved, revision=self.revision + 1)

    def _index(self, known: Agent | None, agent: Agent) -> State:
        key, policy = agent.key, self.policy
        failure = find_failure(agent, policy)
        failed_step = None if failure is None or agent.release else failure.step
        next_step = find_next_step(agent, policy)
        is_complete, is_tested = is_settled(agent, policy), agent.tested_as == policy.settings
        is_deactivated = agent.deactivated_since is not None
        look = agent.get_step(StepName.INSPECT).task
        # What each index has of the agent, None where it is not in it.
        parts: dict[str, object] = {
            "agents": agent,
            "slots": agent.slot_since,
            "restarts": agent.restart_since,
            "absent": agent.absent_since,
            "failed": failed_step,
            "halting": failed_step if agent.has_begun else None,
            "deactivated": self.deactivated.get(key, UNTRIED) if is_deactivated else None,
            "released": agent.release,
            "unsettled": None if is_complete else True,
            "complete_nodes": self._find_complete_node(agent),
            "inspecting": look.id if look is not None and look.state.is_active else None,
            "untested": True if policy.pace.tests and is_complete and not is_tested else None,
            "tested": True if is_complete and is_tested else None,
            "queue": self._rank(known, agent) if failure is None else None,
            "repairs": True if next_step is not None and is_repair(agent, next_step, policy) else None,
        }
        kept: dict[str, Any] = {}
        for name, part in parts.items():
            index: Map[str, object] = getattr(self, name)
            if index.get(key) is not part:
                kept[name] = index.delete(key) if part is None else index.set(key, part)
        is_undone = known is not None and key not in self.unsettled and not is_complete
        return replace(
            self,
            **kept,
            keys_by_id=self.keys_by_id.set(agent.agent_id, key) if agent.agent_id else self.keys_by_id,
            tasks=_index_tasks(self.tasks, known, agent),
            has_free_slot=self.has_free_slot or (key in self.slots and agent.slot_since is None),
            last_restart_at=max(self.last_restart_at, agent.restarted_at),
            # An agent that had nothing to do may have declined its offers for an hour.
            wants_offers=self.wants_offers or (f"{key} is complete no more" if is_undone else ""),
        )

    def _rank(self, known: Agent | None, agent: Agent) -> Rank | None:
        """Where an agent comes in the walk; None if it could not take a slot now, whatever others do."""
        is_ready = agent.slot_since is None and agent.pause is None and agent.absent_since is None
        if not is_ready or is_settled(agent, self.policy):
            return None
        old = self.queue.get(agent.key)
        is_same = known is not None and (known.is_public, known.ip) == (agent.is_public, agent.ip)
        return old if old is not None and is_same else self.policy.rank(agent)

    def _find_complete_node(self, agent: Agent) -> Node | None:
        """What others should reach an agent's host as; None if they need not."""
        is_there = agent.absent_since is None and is_settled(agent, self.policy)
        return agent.inspection.node if is_there and agent.inspection is not None else None

    def with_controls(self, controls: Controls) -> State:
        """The state with other controls, marked as unsaved."""
        unsaved = replace(self.unsaved, controls=controls)
        return replace(self, controls=controls, unsaved=unsaved, revision=self.revision + 1)

    def with_word(self, word: Word, agents: Iterable[Agent]) -> State:
        """The state in which all agents heard a word, which made some of them what they are given as."""
        # Of two words of one kind, the newer one does all that the older one did.
        words = (*(one for one in self.words if one.kind != word.kind), word)
        told = replace(self, words=words, unsaved=replace(self.unsaved, words=words)).with_agents(agents)
        # The store has the word: what it does to each agent is stored little by little.
        fresh = dict.fromkeys(key for key in told.changed if key not in self.changed)
        return replace(told, changed=self.changed, told=self.told.update(fresh))

    def with_word_stored(self) -> State:
        """The state in which a few more agents are to be stored as words to all of them made them."""
        if not self.words:
            return self
        if not self.told and not self.changed:
            return replace(self, words=(), unsaved=replace(self.unsaved, words=()))
        return replace(self, changed=self.changed.update(dict.fromkeys(itertools.islice(self.told, TOLD_AT_ONCE))))

    def with_run(self, run: Run | None) -> State:
        """The state with the connectivity test as it is now, marked as unsaved."""
        if run is None or run == self.connectivity:
            return self
        unsaved = replace(self.unsaved, connectivity=run)
        return replace(self, connectivity=run, unsaved=unsaved, revision=self.revision + 1)

    def with_audit(self, at: float, who: str, command: str, *, effect: str, **about: str) -> State:
        """The state with one more line in its audit log; the line that is too old gives its place up."""
        entry = AuditEntry(self.audit_count, at, who, command, effect=effect, **about)
        unsaved = replace(self.unsaved, audit=(*self.unsaved.audit, entry))
        audit = self.audit.set(entry.place, entry)
        return replace(self, audit=audit, audit_count=entry.number + 1, unsaved=unsaved, revision=self.revision + 1)

    def build_batch(self) -> Batch:
        """Everything that the store does not have yet; what an agent gives back comes before another one takes it."""

        def order(agent: Agent) -> tuple[bool, bool, str]:
            return agent.slot_since is not None, agent.restart_since is not None, agent.key

        return replace(self.unsaved, agents=tuple(sorted((self.agents[key] for key in self.changed), key=order)))

    def saved(self) -> State:
        """The state after everything unsaved was stored."""
        if self.unsaved.is_empty and not self.changed:
            return self
        told = functools.reduce(_discard, self.changed, self.told) if self.told else self.told
        return replace(self, changed=Map(), told=told, unsaved=Batch())

    def get_agent_by_id(self, agent_id: str) -> Agent | None:
        """The agent that has this Mesos agent id now or had it before."""
        key = self.keys_by_id.get(agent_id)
        return None if key is None else self.agents.get(key)

    def get_task(self, task_id: str) -> tuple[Agent, StepName, Task] | None:
        """The task, its agent and its step; None if it is not the newest task of any step."""
        place = self.tasks.get(task_id)
        if place is None:
            return None
        agent = self.agents[place[0]]
        task = agent.get_step(place[1]).task
        return None if task is None else (agent, place[1], task)

    def find_ref(self, task_id: str) -> TaskRef | None:
        """What Mesos needs to find a task of a step or of the connectivity test; None if it is neither."""
        found = self.get_task(task_id)
        if found is not None:
            return TaskRef(task_id, found[2].agent_id)
        return None if self.connectivity is None else self.connectivity.find_ref(task_id)

    def without_offers(self, offer_ids: Iterable[str]) -> State:
        """The state without these offers: they were answered, or taken back."""
        offers = self.offers
        for offer_id in offer_ids:
            offers = _discard(offers, offer_id)
        return self if offers is self.offers else replace(self, offers=offers)

    def list_tasks(self) -> Iterator[tuple[str, TaskState]]:
        """The newest task of each step, and those of the connectivity test, by id."""
        for task_id, (key, name) in self.tasks.items():
            if (task := self.agents[key].get_step(name).task) is not None:
                yield task_id, task.state
        for trial in () if self.connectivity is None else self.connectivity.list_trials():
            yield trial.id, trial.state

    def with_questions(self, task_ids: Iterable[str], ask_at: float, *, is_after_offer: bool = False) -> State:
        """The state in which the master is to be asked after tasks, from a moment on."""
        asked = dict.fromkeys(task_ids, Question(Backoff(until=ask_at), is_after_offer))
        return replace(self, questions=self.questions.update(asked), ask_at=min(self.ask_at, ask_at))

    def without_question(self, task_id: str) -> State:
        """The state with this question answered."""
        return replace(self, questions=_discard(self.questions, task_id))

    def count_awaited(self) -> int:
        """How many agents the walk has yet to complete, without those that failed and those that are not there."""
        out_of_reach = {*self.failed, *self.released, *self.absent}
        return len(self.unsettled) - sum(key in self.unsettled for key in out_of_reach)

    @property
    def is_stopped(self) -> bool:
        """Whether so many agents failed after a change that no further agent may take a slot."""
        return len(self.halting) > self.policy.max_failed_agents


def _index_tasks(
    tasks: Map[str, tuple[str, StepName]], known: Agent | None, agent: Agent
) -> Map[str, tuple[str, StepName]]:
    for name in StepName:
        old = None if known is None else known.get_step(name).task
        new = agent.get_step(name).task
        if old is not None and (new is None or new.id != old.id):
            tasks = _discard(tasks, old.id)
        if new is not None:
            tasks = tasks.set(new.id, (agent.key, name))
    return tasks


def _discard(index: Map[str, Value], key: str) -> Map[str, Value]:
    return index.delete(key) if key in index else index
