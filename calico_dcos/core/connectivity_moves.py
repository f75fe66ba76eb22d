"""What the connectivity test wants done now: tasks launched on offers that the walk has no use for, and tasks ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .actions import Kill, LaunchTrial
from .connectivity import (
    DOCKER,
    LIFETIME_S,
    MESOS,
    PROBE_TIMEOUT_S,
    Pair,
    Run,
    Server,
    Stand,
    Trial,
    TrialKind,
)
from .connectivity_run import is_due, list_ready_tests
from .model import StepName, TaskRef, TaskState
from .resources import Offer, Shortfall, take
from .state import State

# Where a workload or a container waits for its peer: each has an address of its own, so nobody else has the port.
PORT = 9199
LABEL = "calico-dcos-connectivity"
# A probe that has told its last result ends by itself.
PROBE_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A task that the test wants on an agent."""

    kind: TrialKind
    reason: str
    order: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)


def is_awaited(state: State, agent_key: str) -> bool:
    """Whether the test may soon want an offer of the agent."""
    run = state.connectivity
    return run is not None and not run.is_over and run.get_stand(agent_key) is not None


def find_wish(run: Run, agent_key: str) -> Wish | None:
    """What the test wants on an agent at this moment, None if nothing."""
    stand = run.get_stand(agent_key)
    if run.is_over or stand is None:
        return None
    if MESOS in run.tests and _is_untried(stand.workload):
        order = {"id": run.id, "port": PORT, "lifetime_s": LIFETIME_S}
        return Wish(TrialKind.WORKLOAD, "a workload on the CNI network", order, build_label(run, stand))
    maker = run.stands[0]
    if DOCKER in run.tests and _is_untried(stand.container) and (stand is maker or maker.container.is_ready):
        return _wish_container(run, stand)
    pair = next((one for one in run.pairs if one.client == agent_key and is_due(run, one)), None)
    return None if pair is None else _wish_probe(run, stand, pair)


def _is_untried(server: Server) -> bool:
    return server.trial is None and not server.fault


def build_label(run: Run, stand: Stand) -> dict[str, str]:
    """The label by which a policy knows one workload of the run, and no other endpoint of the cluster."""
    return {LABEL: f"{run.id}-{run.stands.index(stand)}"}


def _wish_container(run: Run, stand: Stand) -> Wish:
    order = {
        "id": run.id,
        "agent": stand.agent_key,
        "port": PORT,
        "lifetime_s": LIFETIME_S,
        "makes_network": stand is run.stands[0],
        "made_by": run.stands[0].agent_key,
    }
    return Wish(TrialKind.CONTAINER, "a container on a Docker network", order)


def _wish_probe(run: Run, client: Stand, pair: Pair) -> Wish:
    server = run.get_stand(pair.server) or client
    ready = list_ready_tests(run, pair)
    order: dict[str, Any] = {
        "id": run.id,
        "client": pair.client,
        "server": pair.server,
        "port": PORT,
        "lifetime_s": PROBE_TIMEOUT_S,
        "mesos": None,
        "docker": None,
    }
    if MESOS in ready:
        (name, value), *_ = build_label(run, server).items()
        order["mesos"] = {
            "client_address": _get_address(client.workload),
            "server_address": _get_address(server.workload),
            "label": {"name": name, "value": value},
        }
    if DOCKER in ready:
        order["docker"] = {"server_address": _get_address(server.container)}
    return Wish(TrialKind.PROBE, f"reaches for {pair.server}", order)


def _get_address(server: Server) -> str:
    return "" if server.trial is None else server.trial.address


def launch_trial(
    state: State, agent_key: str, offer: Offer, now: float, new_task_id: Callable[[TrialKind], str]
) -> tuple[State, LaunchTrial | None]:
    """Use an offer for what the test wants on its agent; the offer is not answered where nothing is launched."""
    run = state.connectivity
    wish = None if run is None else find_wish(run, agent_key)
    stand = None if run is None else run.get_stand(agent_key)
    if run is None or wish is None or stand is None:
        return state, None
    resources = take(offer, state.policy.by_name[StepName.INSPECT])
    if isinstance(resources, Shortfall):
        return state.with_run(run.with_stand(replace(stand, shortfall=resources.text))), None
    trial = Trial(new_task_id(wish.kind), offer.agent_id, launched_at=now, since=now)
    state = state.with_run(_remember(run, stand, wish.kind, trial, now)).without_offers([offer.id])
    state = state.with_questions([trial.id], now + state.policy.answer_timeout_s)
    return state, LaunchTrial(
        offer_id=offer.id,
        task_id=trial.id,
        agent_id=offer.agent_id,
        agent_key=agent_key,
        kind=wish.kind,
        resources=resources,
        order=wish.order,
        reason=f"connectivity test: {wish.reason}",
        is_on_network=wish.kind is TrialKind.WORKLOAD,
        labels=wish.labels,
    )


def _remember(run: Run, stand: Stand, kind: TrialKind, trial: Trial, now: float) -> Run:
    served = replace(stand, asked_since=now, shortfall="")
    if kind is TrialKind.WORKLOAD:
        return run.with_stand(replace(served, workload=Server(trial)))
    if kind is TrialKind.CONTAINER:
        return run.with_stand(replace(served, container=Server(trial)))
    pair = next(one for one in run.pairs if one.client == stand.agent_key)
    return run.with_stand(served).with_pair(replace(pair, probe=trial))


def end_trials(state: State, now: float) -> tuple[State, tuple[Kill, ...]]:
    """End tasks of the test that serve nobody any more; each is asked after, and ended again if that got lost."""
    run = state.connectivity
    if run is None:
        return state, ()
    kills = tuple(
        Kill(TaskRef(trial.id, trial.agent_id), reason)
        for trial, reason in _list_needless(run, now)
        if not trial.state.is_ended and trial.state is not TaskState.KILLING and trial.id not in state.questions
    )
    return state.with_questions((kill.task.task_id for kill in kills), now + state.policy.answer_timeout_s), kills


def _list_needless(run: Run, now: float) -> Iterator[tuple[Trial, str]]:
    for stand in run.stands:
        for server in (stand.workload, stand.container):
            if server.trial is not None and (run.is_over or server.fault):
                yield server.trial, "the connectivity test is over" if run.is_over else server.fault
    for pair in run.pairs:
        if pair.probe is not None and pair.ended_at is not None and now - pair.ended_at > PROBE_GRACE_S:
            yield pair.probe, "its results are known, or not waited for any more"
