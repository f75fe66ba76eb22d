"""What holds whatever operators say in whatever order, while things go wrong, and the scheduler is killed."""

from __future__ import annotations

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from calico_dcos.core.actions import Action, Kill, Launch
from calico_dcos.core.command import Command, CommandName
from calico_dcos.core.events import Commanded
from calico_dcos.core.model import StepName
from calico_dcos.core.restoring import restore
from calico_dcos.core.standing import is_repair
from calico_dcos.core.state import State
from tests.unit.test_invariants import FAULTS, RESTARTING, Fault, Watched, make_it_happen
from tests.unit.walking import build_host, build_policy

# What leaves a host without its Calico by an operator's own wish is tested by examples.
WORDS = (CommandName.PAUSE, CommandName.RESUME, CommandName.RETRY, CommandName.RELEASE_SLOT)
COMMANDS = st.tuples(st.sampled_from(WORDS), st.integers(-1, 3), st.integers(0, 20))


class Commandable(Watched):
    """A cluster that checks at every decision that brakes hold."""

    def feed(self, *events: object) -> list[Action]:
        """Check what was decided against the brakes that were on."""
        actions = super().feed(*events)
        for action in actions:
            if isinstance(action, Launch):
                self._check_brakes(action)
            if isinstance(action, Kill):
                assert self.state.controls.pause is None
        return actions

    def _check_brakes(self, launch: Launch) -> None:
        agent = self.state.agents[launch.agent_key]
        assert agent.pause is None, "something starts on a paused agent"
        if self.state.controls.pause is not None:
            assert is_repair(agent, launch.step, self.state.policy), "something new starts while the plan is paused"

    def crash(self) -> None:
        """Start again from all that is stored."""
        state = self.state
        self.state: State = restore(state.policy, self.kept.load(), self.now)
        assert (self.state.controls, self.state.audit, self.state.audit_count) == (
            state.controls,
            state.audit,
            state.audit_count,
        )
        self.reconnect()

    def say(self, name: CommandName, key: str = "") -> None:
        """Give a command."""
        note(f"{self.now:.0f} {name.value} {key}")
        self._perform(self.feed(Commanded(Command(name, key, who="ann"), "T")))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(1, 4),
    slots=st.integers(1, 2),
    story=st.lists(st.one_of(FAULTS, COMMANDS), max_size=14),
    restarting=st.lists(st.sampled_from(RESTARTING), unique=True),
)
def test_brakes_hold_and_the_walk_completes_once_they_are_off(
    count: int,
    slots: int,
    story: list[Fault | tuple[CommandName, int, int]],
    restarting: list[StepName],
) -> None:
    hosts = [build_host(number, restarts=tuple(restarting)) for number in range(count)]
    policy = build_policy(max_concurrent_agents=slots, max_attempts=2, backoff_s=1.0, max_backoff_s=8.0)
    cluster = Commandable(hosts, policy)

    for part in story:
        if isinstance(part, Fault):
            for _ in range(part.after):
                cluster.step()
            make_it_happen(cluster, hosts, part)
            continue
        name, place, after = part
        for _ in range(after):
            cluster.step()
        cluster.say(name, "" if place < 0 else hosts[place % count].hostname)
    for host in hosts:
        host.is_offering = True
        host.outcomes.clear()
    cluster.say(CommandName.RESUME)
    for host in hosts:
        cluster.say(CommandName.RESUME, host.hostname)
    for _ in range(20):
        cluster.step()
    cluster.say(CommandName.RETRY)
    cluster.run_until(cluster.is_complete, max_steps=1500)

    for host in hosts:
        assert not host.todo
