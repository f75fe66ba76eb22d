"""Everything that the framework knows at one moment, in one immutable value with its indexes.

The maps are persistent (immutables.Map): an old state stays valid for whoever holds it, and a new one costs in
proportion to what changed. Indexes are kept in `with_agent` alone, so that nothing ever has to scan all agents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from immutables import Map

from .command import AuditEntry, Controls
from .connectivity import Run
from .events import BlockerAnswered, Progressed
from .memory import Batch, Memory
from .model import Agent, Maintenance, Node, Offer, StepName, Task, TaskRef
from .phase import advance
from .standing import find_failure, find_next_step, is_repair, is_settled
from .steps import Policy

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class HeldOffer:
    """An offer that is not answered yet."""

    offer: Offer
    received_at: float


@dataclass(frozen=True, slots=True)
class Question:
    """A task whose state the master has to tell us.

    Attributes:
        ask_at: when to ask, or to ask again.
        tries: how often it was asked.
        is_after_offer: whether the task's agent was offered since the task was lost sight of, so that LOST means dead.
    """

    agent_key: str
    ask_at: float
    tries: int = 0
    is_after_offer: bool = False


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
        halting: those of them that failed in their slots, after a change: too many of them stop the walk.
        released: agents in ERROR which an operator lets the walk go past, by key.
        unsettled: keys of agents whose phase is not complete.
        complete_nodes: what Calico knows the hosts of complete agents as, by key.
        inspecting: the task by which an agent is being inspected, by agent key.
        repairs: keys of agents of which a service that was complete is lost.
        questions: open questions to the master, by task id.
        heard_at: when Mesos last said anything of a task, by task id.
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
        deactivated: when to ask next that an agent which we deactivated is offered again, by agent key.
        changed: keys of agents that the store does not have as they are: not in a list, which would be copied for each.
        unsaved: what else the store does not have yet.
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
    released: Map[str, None] = field(default_factory=Map)
    unsettled: Map[str, None] = field(default_factory=Map)
    complete_nodes: Map[str, Node] = field(default_factory=Map)
    inspecting: Map[str, str] = field(default_factory=Map)
    repairs: Map[str, None] = field(default_factory=Map)
    questions: Map[str, Question] = field(default_factory=Map)
    heard_at: Map[str, float] = field(default_factory=Map)
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
    answer: BlockerAnswered | None = None
    untested: Map[str, None] = field(default_factory=Map)
    tested: Map[str, None] = field(default_factory=Map)
    connectivity: Run | None = None
    deactivated: Map[str, float] = field(default_factory=Map)
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
        fresh = {agent.key: agent for agent in agents if self.agents.get(agent.key) is not agent}
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
        tasks, questions, progress = self.tasks, self.questions, self.progress
        for step in agent.steps.values():
            if step.task is not None:
                tasks = _discard(tasks, step.task.id)
                questions = _discard(questions, step.task.id)
                progress = _discard(progress, step.task.id)
        return replace(
            self,
            agents=_discard(self.agents, key),
            slots=_discard(self.slots, key),
            restarts=_discard(self.restarts, key),
            absent=_discard(self.absent, key),
            failed=_discard(self.failed, key),
            halting=_discard(self.halting, key),
            released=_discard(self.released, key),
            unsettled=_discard(self.unsettled, key),
            untested=_discard(self.untested, key),
            tested=_discard(self.tested, key),
            complete_nodes=_discard(self.complete_nodes, key),
            repairs=_discard(self.repairs, key),
            offered_at=_discard(self.offered_at, key),
            maintenance=_discard(self.maintenance, key),
            twins=_discard(self.twins, key),
            shortfalls=_discard(self.shortfalls, key),
            deactivated=_discard(self.deactivated, key),
            keys_by_id=_discard(self.keys_by_id, agent.agent_id),
            tasks=tasks,
            questions=questions,
            progress=progress,
            has_free_slot=self.has_free_slot or key in self.slots,
            inspecting=_discard(self.inspecting, key),
            changed=_discard(self.changed, key),
            unsaved=replace(self.unsaved, forgotten=(*self.unsaved.forgotten, key)),
            revision=self.revision + 1,
        )

    def _index(self, known: Agent | None, agent: Agent) -> State:
        key = agent.key
        failure = find_failure(agent, self.policy)
        failed_step = None if failure is None or agent.release else failure.step
        next_step = find_next_step(agent, self.policy)
        is_lost = next_step is not None and is_repair(agent, next_step, self.policy)
        look = agent.get_step(StepName.INSPECT).task
        is_undone = known is not None and key not in self.unsettled and not is_settled(agent, self.policy)
        is_complete, is_tested = is_settled(agent, self.policy), agent.tested_as == self.policy.settings
        return replace(
            self,
            agents=self.agents.set(key, agent),
            keys_by_id=self.keys_by_id.set(agent.agent_id, key) if agent.agent_id else self.keys_by_id,
            tasks=_index_tasks(self.tasks, known, agent),
            slots=_keep(self.slots, key, agent.slot_since),
            has_free_slot=self.has_free_slot or (key in self.slots and agent.slot_since is None),
            restarts=_keep(self.restarts, key, agent.restart_since),
            absent=_keep(self.absent, key, agent.absent_since),
            failed=_keep(self.failed, key, failed_step),
            halting=_keep(self.halting, key, None if agent.slot_since is None else failed_step),
            deactivated=_keep(
                self.deactivated,
                key,
                None if agent.deactivated_since is None else self.deactivated.get(key, 0.0),
            ),
            last_restart_at=max(self.last_restart_at, agent.restarted_at),
            released=_discard(self.released, key) if agent.release is None else self.released.set(key, None),
            unsettled=_discard(self.unsettled, key)
            if is_settled(agent, self.policy)
            else self.unsettled.set(key, None),
            complete_nodes=_keep(self.complete_nodes, key, self._find_complete_node(agent)),
            inspecting=_keep(self.inspecting, key, look.id if look is not None and look.state.is_active else None),
            untested=_mark(self.untested, key, is_in=self.policy.pace.tests and is_complete and not is_tested),
            tested=_mark(self.tested, key, is_in=is_complete and is_tested),
            repairs=self.repairs.set(key, None) if is_lost else _discard(self.repairs, key),
            # An agent that had nothing to do may have declined its offers for an hour.
            wants_offers=self.wants_offers or (f"{key} is complete no more" if is_undone else ""),
        )

    def _find_complete_node(self, agent: Agent) -> Node | None:
        """What others should reach an agent's host as; None if they need not."""
        is_there = agent.absent_since is None and is_settled(agent, self.policy)
        return agent.inspection.node if is_there and agent.inspection is not None else None

    def with_controls(self, controls: Controls) -> State:
        """The state with other controls, marked as unsaved."""
        unsaved = replace(self.unsaved, controls=controls)
        return replace(self, controls=controls, unsaved=unsaved, revision=self.revision + 1)

    def with_run(self, run: Run | None) -> State:
        """The state with the connectivity test as it is now, marked as unsaved."""
        if run is None or run == self.connectivity:
            return self
        unsaved = replace(self.unsaved, connectivity=run)
        return replace(self, connectivity=run, unsaved=unsaved, revision=self.revision + 1)

    def with_audit(self, entry: AuditEntry) -> State:
        """The state with one more line in its audit log; the line that is too old gives its place up."""
        unsaved = replace(self.unsaved, audit=(*self.unsaved.audit, entry))
        audit = self.audit.set(entry.place, entry)
        return replace(self, audit=audit, audit_count=entry.number + 1, unsaved=unsaved, revision=self.revision + 1)

    def build_batch(self) -> Batch:
        """Everything that the store does not have yet."""
        return replace(self.unsaved, agents=tuple(self.agents[key] for key in sorted(self.changed)))

    def saved(self) -> State:
        """The state after everything unsaved was stored."""
        if self.unsaved.is_empty and not self.changed:
            return self
        return replace(self, changed=Map(), unsaved=Batch())

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


def restore(policy: Policy, memory: Memory) -> State:
    """Build the state that a scheduler starts with from what its store remembers."""
    state = State(
        policy=policy,
        framework_id=memory.framework_id,
        secret=memory.secret,
        pins=Map(memory.pins),
        controls=memory.controls,
        connectivity=memory.connectivity,
        audit=Map({entry.place: entry for entry in memory.audit}),
        audit_count=max((entry.number + 1 for entry in memory.audit), default=0),
    )
    return state.with_agents(memory.agents).saved()


def _index_tasks(
    tasks: Map[str, tuple[str, StepName]],
    known: Agent | None,
    agent: Agent,
) -> Map[str, tuple[str, StepName]]:
    for name in StepName:
        old = None if known is None else known.get_step(name).task
        new = agent.get_step(name).task
        if old is not None and (new is None or new.id != old.id):
            tasks = _discard(tasks, old.id)
        if new is not None:
            tasks = tasks.set(new.id, (agent.key, name))
    return tasks


def _keep(index: Map[str, Value], key: str, value: Value | None) -> Map[str, Value]:
    return _discard(index, key) if value is None else index.set(key, value)


def _mark(index: Map[str, None], key: str, *, is_in: bool) -> Map[str, None]:
    return index.set(key, None) if is_in else _discard(index, key)


def _discard(index: Map[str, Value], key: str) -> Map[str, Value]:
    return index.delete(key) if key in index else index
