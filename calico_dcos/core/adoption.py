"""Tasks of this framework that nobody remembers: a service that is wanted where it runs is adopted, the rest is ended.

A service's task carries in its id, as a label, what it was launched with: nothing else of a task comes back from Mesos.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from .actions import Kill
from .model import Agent, Task, TaskRef, TaskState
from .state import State
from .steps import SERVICES, Policy, StepSpec


def label(task_id: str, spec: StepSpec, policy: Policy) -> str:
    """Add to the id of a service's task what it is launched with."""
    return f"{task_id}.{_mark(spec.settings)}-{_mark(policy.settings)}" if spec.is_service else task_id


def _mark(settings: str) -> str:
    return sha256(settings.encode()).hexdigest()[:10]


def settle_strangers(state: State, now: float) -> tuple[State, tuple[Kill, ...]]:
    """Adopt or end the tasks that no step remembers, once Mesos was asked for all that are remembered.

    One on an agent that is not known yet, or that others have the name of, is left alone until that is settled.
    """
    kills: list[Kill] = []
    if state.reconciled_at is None or not state.has_roster:
        return state, ()
    for task_id, agent_id in sorted(state.strangers.items()):
        agent = state.get_agent_by_id(agent_id)
        if agent is None or agent.agent_id != agent_id or agent.key in state.twins:
            continue
        state = replace(state, strangers=state.strangers.delete(task_id))
        adopted = _adopt(agent, task_id, state.policy, now)
        if adopted is None:
            kills.append(Kill(TaskRef(task_id, agent_id), "runs for this framework, but no step remembers it"))
            continue
        # Asked after: how it is, its first update may not have said.
        state = state.with_advanced(adopted, now).with_questions([task_id], now)
    return state, tuple(kills)


def _adopt(agent: Agent, task_id: str, policy: Policy, now: float) -> Agent | None:
    """The agent with a stranger as the task of its step; None if that is not wanted there, or has a task."""
    spec = next((policy.by_name[name] for name in SERVICES if task_id.partition(".")[0] == name.value), None)
    if spec is None or not spec.is_enabled:
        return None
    step = agent.get_step(spec.name)
    if step.skip is not None or (step.task is not None and not step.task.state.is_ended):
        return None
    mark, _, of_all = task_id.rpartition(".")[2].partition("-")
    task = Task(
        task_id,
        agent.agent_id,
        launched_at=now,
        # Settings that nobody knows are wanted no more: it is ended in a slot, as any service with old ones.
        settings=spec.settings if mark == _mark(spec.settings) else "",
        state=TaskState.RUNNING,
        since=now,
        configuration=policy.settings if of_all == _mark(policy.settings) else "",
        number=agent.number + 1,
    )
    adopted = replace(agent.with_task(spec.name, task), number=task.number)
    return adopted.with_note(now, f"{spec.name.value} runs as {task_id}, which nobody remembered: adopted")
