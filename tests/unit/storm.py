"""A stormy cluster: the core between a store and a Mesos in which everything can go wrong, and what must hold there."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NoReturn

from calico_dcos.core.actions import Acknowledge, Action, Decline, Exit, Kill, Launch, Reconcile, Revive
from calico_dcos.core.command import Command, CommandName
from calico_dcos.core.decide import decide
from calico_dcos.core.events import (
    Commanded,
    Disconnected,
    Event,
    OffersReceived,
    RosterAgent,
    RosterRead,
    Subscribed,
    TaskUpdated,
    Ticked,
)
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Batch, Memory
from calico_dcos.core.model import Agent, Status, StepName, TaskRef, TaskState
from calico_dcos.core.resources import Offer, Resource, ResourceKind
from calico_dcos.core.restoring import restore
from calico_dcos.core.standing import is_proven, is_settled
from calico_dcos.core.state import State
from calico_dcos.core.steps import SERVICES, Policy
from calico_dcos.core.words import is_seen
from tests.plans import build_phase, build_plan
from tests.unit.kept import Kept
from tests.unit.storm_hosts import HEALTHY, Host
from tests.unit.walking import ONE_SHOTS

CALM_S = 900
SETTLED_S = 8


class Storm:
    """A scheduler over a store that outlives it, a master, and hosts.

    Attributes:
        inbox: what is on its way to the scheduler.
        ahead_s: how much the clock of the scheduler is ahead.
        effects_left: how many more writes and calls the scheduler makes before it is killed; None for no end.
        saved_in_part: how many agents of the batch in whose course it is killed are written; None if nothing of it is.
        story: everything that happened, for people.
    """

    def __init__(self, *, hosts: int, policy: Policy, restarting: frozenset[StepName]) -> None:
        self.now = 100_000.0
        self.ahead_s = 0.0
        self._has_jumped = False
        self.story: list[str] = []
        self.inbox: list[Event] = []
        self.effects_left: int | None = None
        self.lost_calls = 0
        self._must_subscribe = False
        self._numbers = itertools.count(1)
        self._policy = policy
        self.saved_in_part: int | None = None
        self._half_saved: set[str] = set()
        self._kept = Kept(Memory(framework_id="F1", secret="s"))
        self._outstanding: dict[str, str] = {}
        self._answered: set[str] = set()
        self._forgotten_tasks: set[str] = set()
        self.hosts = [self._build_host(number, restarting) for number in range(hosts)]
        self.state: State = restore(policy, self._kept.load(), self.clock)
        self.tell(f"a cluster of {hosts} hosts; restarts are needed by {sorted(step.value for step in restarting)}")
        self.subscribe()

    @property
    def clock(self) -> float:
        """What the scheduler's clock shows; it may be set forth and back."""
        return self.now + self.ahead_s

    # What can happen

    def set_clock(self, ahead_s: float, *, is_failover: bool) -> None:
        """Set the clock of the scheduler, or start another scheduler on a host with another clock."""
        self.tell(f"the clock shows {ahead_s - self.ahead_s:+.0f} s")
        self.ahead_s = ahead_s
        self._has_jumped = not is_failover
        if is_failover:
            self.crash()

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass: offers go out, and what is due falls due."""
        self.now += seconds
        self.feed(Ticked())
        for host in self.hosts:
            has_offer = host.agent_id in self._outstanding.values()
            if host.is_talking and not has_offer and self.now >= host.refused_until:
                self._outstanding[offer_id := f"O{next(self._numbers)}"] = host.agent_id
                self.inbox.append(OffersReceived((self._build_offer(offer_id, host),)))

    def deliver(self, place: int) -> None:
        """Let one event arrive; the first, unless they are in disorder."""
        if self.inbox:
            self.feed(self.inbox.pop(place % len(self.inbox)))

    def repeat(self, place: int) -> None:
        """Let an event arrive that will arrive once more."""
        events = [event for event in self.inbox if not isinstance(event, OffersReceived)]
        if events:
            self.tell("repeated:")
            self.feed(events[place % len(events)])

    def drop(self, place: int) -> None:
        """Lose an event that somebody will repeat, or that may be lost without harm."""
        events = [event for event in self.inbox if not isinstance(event, OffersReceived)]
        events = [
            event for event in events if not isinstance(event, TaskUpdated) or event.uuid or event.is_reconciliation
        ]
        if events:
            lost = events[place % len(events)]
            self.inbox.remove(lost)
            self.tell(f"lost: {describe(lost)}")

    def crash(self) -> None:
        """Kill the scheduler; another one begins with what is stored."""
        self.tell("the scheduler is killed, and starts again")
        self.effects_left = None
        self.lost_calls = 0
        before = self.state
        self.state = restore(self._policy, self._kept.load(), self.clock)
        if before.policy == self._policy:
            self._check_memory(before)
        self.subscribe()

    def _check_memory(self, before: State) -> None:
        """What acts were based on is remembered, whatever of the batch was written in whose course it was killed."""
        for key, agent in before.agents.items():
            found = self.state.agents.get(key)
            if key in self._half_saved or found is None:
                self.check(key in self._half_saved, f"{key} is not remembered")
                continue
            is_same = describe_memory(agent) == describe_memory(found)
            self.check(is_same, f"{key} is remembered as {describe_memory(found)}, not {describe_memory(agent)}")
        self._half_saved = set()

    def change_options(self, *, services: bool, network: bool, proxy: bool) -> None:
        """Let an operator change what is wanted, which starts the scheduler anew.

        Args:
            services: whether the settings of the services change.
            network: whether those of the network do.
            proxy: whether the proxy is switched on, or off.
        """
        self.tell(f"options change: services {services}, network {network}; proxy {'on' if proxy else 'off'}")
        changed = (SERVICES if services else frozenset()) | (frozenset({StepName.CNI}) if network else frozenset())
        number = next(self._numbers)
        steps = tuple(
            replace(spec, settings=f"{spec.name.value}-{number}") if spec.name in changed else spec
            for spec in self._policy.steps
        )
        steps = tuple(replace(spec, is_enabled=proxy) if spec.name is StepName.ETCD_PROXY else spec for spec in steps)
        self._policy = replace(self._policy, steps=steps)
        self.crash()

    def subscribe(self) -> None:
        """End the stream, and begin a new one: what was on its way is lost, and so are offers."""
        self.inbox = [event for event in self.inbox if not isinstance(event, OffersReceived | TaskUpdated)]
        self._outstanding.clear()
        for host in self.hosts:
            host.refused_until = 0.0
        self._must_subscribe = False
        self.feed(Disconnected())
        self.feed(Subscribed(self.state.framework_id or "", "master:5050"))
        self.read_roster()

    def fail_over(self) -> None:
        """Let another master lead, which knows no agent until that registers again."""
        self.tell("another master leads")
        for host in self.hosts:
            host.is_registered = False
        self.subscribe()

    def cut_off(self, host: Host) -> None:
        """Let the master give an agent up."""
        if not host.is_talking:
            return
        self.tell(f"{host.name} is unreachable")
        host.is_unreachable = True
        self._void_offers(host)
        for task in host.get_live():
            self.inbox.append(TaskUpdated(task.id, host.agent_id, TaskState.UNREACHABLE))

    def stop_agent(self, host: Host) -> None:
        """Stop an agent; its tasks go on."""
        self.tell(f"the agent of {host.name} stops")
        host.is_up = False
        self._void_offers(host)

    def bring_back(self, host: Host, *, kills_tasks: bool = False) -> None:
        """Let an agent register again."""
        if host.is_talking or host.is_gone:
            return
        self.tell(f"{host.name} registers again{', without its tasks' if kills_tasks else ''}")
        was_unreachable = host.is_unreachable
        host.is_up = host.is_registered = True
        host.is_unreachable = False
        host.refused_until = 0.0
        if kills_tasks:
            for task in host.get_live():
                host.end(task, TaskState.FAILED, is_done=False, reason="REASON_EXECUTOR_TERMINATED")
        elif was_unreachable:
            for task in host.get_live():
                self.inbox.append(TaskUpdated(task.id, host.agent_id, task.state, is_reconciliation=True))
        host.send_again()

    def reboot(self, host: Host) -> None:
        """Let a host come back under a new id."""
        if host.is_gone:
            return
        self.tell(f"{host.name} reboots, and gets a new id")
        self._void_offers(host)
        host.reboot(f"S{next(self._numbers)}")

    def vanish(self, host: Host) -> None:
        """Take a host away for good; one always stays."""
        if len([other for other in self.hosts if not other.is_gone]) > 1:
            self.tell(f"the machine of {host.name} is no more")
            self._void_offers(host)
            host.vanish()

    def blind(self, host: Host, steps: set[StepName]) -> None:
        """Let an installer not be able to look at some steps of a host, and at these alone."""
        self.tell(f"{host.name}: nobody can look at {sorted(step.value for step in steps) or 'less than all'}")
        host.blind = set(steps)

    def make_useless(self, host: Host, steps: set[StepName]) -> None:
        """Let some steps of a host, and these alone, not serve their purpose."""
        self.tell(f"{host.name}: of no use is {sorted(step.value for step in steps) or 'nothing'}")
        host.useless = set(steps)

    def read_roster(self) -> None:
        """Let the master list its agents."""
        there = [host for host in self.hosts if host.is_registered and not host.is_unreachable]
        agents = tuple(
            RosterAgent(host.agent_id, host.name, "10.0.0.1", 5051, is_public=False, mesos_version="1.9.0")
            for host in there
        )
        self.inbox.append(RosterRead(agents))

    def retry_all(self) -> None:
        """Let an operator have everything tried again."""
        self.tell("an operator retries the plan")
        self.feed(Commanded(Command(CommandName.RETRY), "T"))

    def forget_the_dead(self) -> None:
        """Do what an operator does about machines that are no more, and hold a slot."""
        for host in self.hosts:
            if host.is_gone and host.name in self.state.absent:
                self.feed(Commanded(Command(CommandName.FORGET, host.name), "T"))

    def forget(self, host: Host) -> None:
        """Let an operator forget an agent that is away, and may come back with all that runs there."""
        if host.name in self.state.absent:
            self.tell(f"an operator forgets {host.name}")
            self.feed(Commanded(Command(CommandName.FORGET, host.name), "T"))

    def calm_down(self) -> None:
        """End all failures, and wait until everything is complete.

        Raises:
            AssertionError: it never is.
        """
        self.tell("failures end")
        self.effects_left = None
        self.lost_calls = 0
        if self._has_jumped:
            # The clock of decisions jumps from one start to the next only: else it must not do harm, but may delay.
            self.crash()
        for host in self.hosts:
            self.bring_back(host)
            host.blind, host.useless = set(), set()
        complete_for_s = 0
        for turn in range(CALM_S):
            # Not at the first moment: what happened last may not be known yet.
            complete_for_s = complete_for_s + 1 if self.is_complete() else 0
            if complete_for_s > SETTLED_S:
                break
            self.tick()
            for host in self.hosts:
                host.work()
                if turn % 10 == 0:
                    host.send_again()
            if turn % 10 == 0:
                self.read_roster()
                self.forget_the_dead()
            while self.inbox:
                self.deliver(0)
        else:
            self.violated("it is never complete")
        self.check_end()

    # What must hold

    def is_complete(self) -> bool:
        """Whether every agent is settled, and the plan says so."""
        there = [host for host in self.hosts if not host.is_gone]
        is_settled = len(self.state.agents) == len(there) and not self.state.unsettled and not self.state.repairs
        lives_on = any(
            task.id in self._forgotten_tasks and self.state.get_task(task.id) is None
            for host in there
            for task in host.get_live()
        )
        return is_settled and not lives_on and build_plan(self.state, self.clock).status is Status.COMPLETE

    def check_end(self) -> None:
        """Check what holds of a cluster that is complete."""
        for host in self.hosts:
            if host.is_gone:
                continue
            live = [task for task in host.get_live() if task.step in SERVICES]
            running = sorted((task.step.value, task.policy.by_name[task.step].settings) for task in live)
            wanted = [spec for spec in self._policy.steps if spec.is_service and spec.is_enabled]
            self.check(
                running == sorted((spec.name.value, spec.settings) for spec in wanted), f"{host.name} runs {running}"
            )
            todo = host.find_todo(self._policy)
            self.check(not todo, f"{host.name} is complete, but lacks {sorted(map(str, todo))}")

    def check(self, claim: object, text: str) -> None:
        """Fail with the story if something does not hold."""
        if not claim:
            self.violated(text)

    def violated(self, text: str) -> NoReturn:
        """Fail with the story."""
        raise AssertionError(f"{text}; the story:\n" + "\n".join(self.story))

    def say(self, event: Event) -> None:
        """Send the scheduler an event."""
        self.inbox.append(event)

    def tell(self, text: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{self.now:6.0f}  {text}")

    # The scheduler's shell, which may be killed between any two effects

    def feed(self, event: Event) -> None:
        """Take an event as the scheduler's loop does: fold, decide, store, then act."""
        if not isinstance(event, Ticked):
            self.tell(f"-> {describe(event)}")
        before = self.state
        try:
            state, answers = fold(before, event, self.clock)
            decision = decide(state, self.clock, lambda step: f"{step.value}.{next(self._numbers)}")
        except Exception as error:
            error.add_note("\n".join(self.story))
            raise
        batch = decision.state.build_batch()
        if self.effects_left == 0 and self.saved_in_part is not None:
            # A word to the whole plan is about agents that are not in the batch.
            told = decision.state.told if batch.words else ()
            self._half_saved = {agent.key for agent in batch.agents} | {*batch.forgotten, *told}
            self._save(batch, self.saved_in_part)
        if self._is_killed():
            return
        self._save(batch)
        self.state = decision.state.saved()
        self._check_decision(before, (*answers, *decision.actions))
        for action in (*answers, *decision.actions):
            if self._is_killed():
                return
            self._perform(action)
        if self._must_subscribe:
            self.subscribe()

    def _is_killed(self) -> bool:
        """Count an effect; kill the scheduler if it was to make no more."""
        if self.effects_left is None:
            return False
        self.effects_left -= 1
        if self.effects_left >= 0:
            return False
        self.crash()
        return True

    def _save(self, batch: Batch, agent_count: int | None = None) -> None:
        self._kept.save(batch, agent_count)
        for host in self.hosts:
            if host.name in batch.forgotten:
                self.tell(f"{host.name} is forgotten")
                self._forgotten_tasks |= host.tasks.keys()

    def _check_decision(self, before: State, actions: tuple[Action, ...]) -> None:
        state, policy = self.state, self._policy
        self.check(len(state.slots) <= policy.max_concurrent_agents, f"slots: {sorted(state.slots)}")
        self.check(len(state.restarts) <= policy.max_concurrent_restarts, f"restarts: {sorted(state.restarts)}")
        for action in actions:
            if isinstance(action, Kill):
                self.check(not self._is_wanted(state, action.task.task_id), f"{action} of a task that is wanted")
            if isinstance(action, Launch | Decline):
                offers = {action.offer_id} if isinstance(action, Launch) else set(action.offer_ids)
                self.check(not offers & self._answered, f"{offers} answered twice")
                self._answered |= offers
        for key, agent in state.agents.items():
            if is_settled(agent, policy) and not is_settled(before.agents.get(key, agent), policy):
                host = next(host for host in self.hosts if host.name == agent.hostname)
                todo = host.find_todo(policy)
                self.check(not todo, f"{key} is called complete, but has to do {sorted(map(str, todo))}")
                self.check(agent.inspection and agent.inspection.number >= agent.changed, f"{key} is not verified")
            phase = build_phase(state, agent, self.clock)
            self.check(phase.status is not Status.COMPLETE or is_proven(agent, policy), f"{key} lacks a proof")

    def _is_wanted(self, state: State, task_id: str) -> bool:
        found = state.get_task(task_id)
        if found is None:
            return False
        agent, step, task = found
        spec = self._policy.by_name[step]
        is_current = spec.is_enabled and task.settings == spec.settings
        # What is wanted no more is ended in a slot.
        return is_current or not spec.is_service or agent.slot_since is None

    # The master

    def _perform(self, action: Action) -> None:
        if self.lost_calls:
            self.lost_calls -= 1
            self.tell(f"lost call: {type(action).__name__}")
            # The driver subscribes anew where an answer to an offer was lost: else that would never be offered again.
            self._must_subscribe |= isinstance(action, Launch | Decline)
            return
        match action:
            case Launch():
                self._launch(action)
            case Decline():
                self._decline(action)
            case Acknowledge():
                self._acknowledge(action)
            case Kill():
                self._kill(action)
            case Reconcile():
                self._reconcile(action)
            case Revive():
                self._revive()
            case Exit():
                self.violated(f"unasked end: {action.reason}")

    def _decline(self, decline: Decline) -> None:
        agent_ids = {self._outstanding.pop(offer_id, "") for offer_id in decline.offer_ids}
        for host in self.hosts:
            if host.agent_id in agent_ids:
                host.refused_until = self.now + decline.refuse_s

    def _acknowledge(self, acknowledgement: Acknowledge) -> None:
        for host in self.hosts:
            if host.agent_id == acknowledgement.agent_id and host.is_talking:
                host.acknowledge(acknowledgement.task_id, acknowledgement.uuid)

    def _revive(self) -> None:
        for host in self.hosts:
            host.refused_until = 0.0

    def _launch(self, launch: Launch) -> None:
        self.tell(f"<- launch {launch.task_id} on {launch.agent_key}: {launch.reason}")
        host = next((host for host in self.hosts if host.agent_id == launch.agent_id), None)
        is_valid = self._outstanding.pop(launch.offer_id, None) is not None
        if host is None or not host.is_talking or not is_valid:
            self.inbox.append(TaskUpdated(launch.task_id, launch.agent_id, TaskState.DROPPED))
            return
        agent = self.state.agents[launch.agent_key]
        is_repair = agent.get_step(launch.step).completed_as == self._policy.by_name[launch.step].settings
        was_change = launch.step is not StepName.INSPECT and not is_repair
        self._check_launch(host, launch, was_change=was_change)
        host.launch(launch, self._policy, was_change=was_change)

    def _check_launch(self, host: Host, launch: Launch, *, was_change: bool) -> None:
        # What was forgotten with its agent is ended as a stranger, once Mesos tells of it.
        live = [task for task in host.get_live() if task.id not in self._forgotten_tasks]
        self.check(
            all(task.step is not launch.step for task in live), f"{launch.task_id} beside another one of its kind"
        )
        if launch.step in ONE_SHOTS:
            others = [task.id for task in live if task.step in ONE_SHOTS]
            self.check(not others, f"{launch.task_id} beside {others}: two installers at once on {host.name}")
        if launch.may_restart:
            self.check(
                launch.step in host.find_todo(self._policy), f"{launch.task_id} restarts what facts do not ask for"
            )
            # From the launch on: a task that was given leave may restart at any moment.
            restarting = [
                other.name
                for other in self.hosts
                if other is not host and any(task.may_restart and task.stage < 3 for task in other.get_live())
            ]
            self.check(len(restarting) < self._policy.max_concurrent_restarts, f"{restarting} may still restart")
        if was_change:
            changing = {
                other.name for other in self.hosts for task in other.get_live() if task.was_change and task.stage < 3
            }
            changing.add(host.name)
            self.check(len(changing) <= self._policy.max_concurrent_agents, f"changed at once: {sorted(changing)}")

    def _kill(self, kill: Kill) -> None:
        self.tell(f"<- kill {kill.task.task_id}: {kill.reason}")
        for host in self.hosts:
            task = host.tasks.get(kill.task.task_id)
            if task is not None and not task.is_over and host.is_talking:
                host.end(task, TaskState.KILLED, is_done=False)

    def _reconcile(self, reconcile: Reconcile) -> None:
        self.tell(f"<- reconcile {[ref.task_id for ref in reconcile.tasks] or 'everything'}")
        if not reconcile.tasks:
            for host in self.hosts:
                for task in host.get_live() if host.is_registered and not host.is_unreachable else ():
                    self._answer(TaskRef(task.id, host.agent_id), task.state)
        for ref in reconcile.tasks:
            asked = next((host for host in self.hosts if host.agent_id == ref.agent_id), None)
            if asked is None:
                self._answer(ref, TaskState.UNKNOWN)
            elif asked.is_unreachable:
                self._answer(ref, TaskState.UNREACHABLE)
            elif asked.is_registered and asked.is_up:
                known = asked.tasks.get(ref.task_id)
                is_up = known is not None and known.step in SERVICES and known.stage >= HEALTHY and not known.is_over
                self._answer(ref, TaskState.GONE if known is None else known.state, is_healthy=True if is_up else None)

    def _answer(self, ref: TaskRef, state: TaskState, *, is_healthy: bool | None = None) -> None:
        self.inbox.append(TaskUpdated(ref.task_id, ref.agent_id, state, is_reconciliation=True, is_healthy=is_healthy))

    def _void_offers(self, host: Host) -> None:
        self._outstanding = {offer: agent for offer, agent in self._outstanding.items() if agent != host.agent_id}

    # How it is made

    def _build_host(self, number: int, restarting: frozenset[StepName]) -> Host:
        return Host(f"h{number}.test", f"S-h{number}", restarting, say=self.say, tell=self.tell)

    def _build_offer(self, offer_id: str, host: Host) -> Offer:
        resources = tuple(Resource(name, ResourceKind.SCALAR, "*", amount=4096.0) for name in ("cpus", "mem"))
        return Offer(offer_id, host.agent_id, host.name, "10.0.0.1", 5051, is_public=False, resources=resources)


def describe_memory(agent: Agent) -> str:
    """Say what of an agent must never be lost: whatever follows from it may have been done."""
    steps = [
        (name.value, step.task and (step.task.id, step.task.state.value), step.backoff.tries)
        for name in StepName
        if (step := agent.get_step(name)).task is not None or step.backoff.tries
    ]
    return f"{agent.agent_id} {steps} settled as {agent.settled_as!r}, looked at {is_seen(agent)}"


def describe(event: Event) -> str:
    """Say in one line what happened."""
    match event:
        case TaskUpdated():
            extra = " (reconciliation)" if event.is_reconciliation else f" {event.uuid}"
            return f"{event.task_id} {event.state.value}{extra}{'' if event.is_healthy is None else ' healthy'}"
        case OffersReceived():
            return f"offers {[(offer.id, offer.hostname, offer.agent_id) for offer in event.offers]}"
        case _:
            return f"{type(event).__name__} {getattr(event, 'task_id', '')}"
