"""Hosts whose systemd does not answer are one trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calico_dcos.buses import BusWatch
from calico_dcos.core.events import Event, Inspected, RosterRead, Ticked
from calico_dcos.core.model import Agent, Inspection, Step, StepName, Task, TaskState
from calico_dcos.core.state import State
from calico_dcos.scheduler import Turn
from calico_dcos.troubles import Source, Troubles
from tests.unit.walking import build_policy

MUTE = {"unknown": "systemctl show docker.service: Failed to connect to bus: No data available"}
UNIT = {"name": "docker.service"}


def build_facts(docker: Any = UNIT, mesos: Any = UNIT, init: str = "systemd") -> dict[str, Any]:
    return {"system": {"init": init}, "docker": {"unit": docker}, "mesos_agent": {"unit": mesos}}


def build_agent(number: int, facts: dict[str, Any]) -> Agent:
    look = Task(f"look-{number}", f"S{number}", 1.0, "s", TaskState.FINISHED)
    return Agent(
        key=f"node{number}",
        agent_id=f"S{number}",
        hostname=f"node{number}",
        steps={StepName.INSPECT: Step(look)},
        inspection=Inspection(at=1.0, settings="s", facts=facts),
    )


class Story:
    """What a watch tells of one state after another."""

    def __init__(self, *agents: Agent) -> None:
        self.now = 100.0
        self.troubles = Troubles(lambda: self.now)
        self.watch = BusWatch(self.troubles)
        self.state = State(policy=build_policy())
        self.turn(*agents)

    def turn(self, *agents: Agent, events: tuple[Event, ...] = (Ticked(0.0),)) -> None:
        before, self.state = self.state, self.state.with_agents(agents)
        self.watch.observe(Turn(self.now, events, (), before, self.state))

    def look(self, number: int, facts: dict[str, Any]) -> None:
        agent = build_agent(number, facts)
        assert agent.inspection is not None
        self.turn(agent, events=(Inspected(f"look-{number}", agent.inspection),))

    @property
    def words(self) -> str:
        trouble = self.troubles.find(Source.BUS)
        return "" if trouble is None else trouble.words


def test_hosts_whose_systemd_does_not_answer_are_one_trouble_with_their_number_and_the_first_names() -> None:
    story = Story(*(build_agent(number, build_facts()) for number in range(6)))
    assert story.words == ""

    for number in range(5):
        story.look(number, build_facts(MUTE, MUTE))
        story.now += 1.0

    assert story.words == f"systemd of 5 hosts do not answer (node0, node1, node2 and 2 more): {MUTE['unknown']}"
    trouble = story.troubles.find(Source.BUS)
    assert trouble is not None
    assert trouble.since == 100.0
    assert "by hand" in trouble.remedy
    assert story.troubles.find_stopping() is None


def test_the_trouble_ends_with_the_last_host_that_has_it() -> None:
    story = Story(*(build_agent(number, build_facts(MUTE, MUTE)) for number in range(3)))
    assert story.words.startswith("systemd of 3 hosts")

    story.look(0, build_facts())
    assert story.words.startswith("systemd of 2 hosts do not answer (node1, node2)")
    story.turn(replace(story.state.agents["node1"], absent_since=5.0), events=(RosterRead(()),))
    assert story.words.startswith("systemd of 1 host does not answer (node2)")
    before, story.state = story.state, story.state.without_agent("node2")
    story.watch.observe(Turn(story.now, (), (), before, story.state))
    assert story.troubles.list_all() == ()


@pytest.mark.parametrize(
    "facts",
    [
        build_facts(MUTE),
        build_facts(mesos=MUTE),
        build_facts(MUTE, MUTE, init="not systemd"),
        {"system": {"init": "systemd"}, "docker": {"unit": {"unknown": 7}}, "mesos_agent": 3},
        {},
    ],
)
def test_one_unit_that_is_not_known_and_a_host_without_systemd_are_no_such_trouble(facts: dict[str, Any]) -> None:
    assert Story(build_agent(0, facts)).words == ""
