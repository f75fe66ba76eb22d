"""The command line that asks a running scheduler: what it prints, and the status with which it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from calico_dcos.__main__ import main
from calico_dcos.cli.tables import draw_preflight, draw_status
from calico_dcos.core.command import Command, Outcome, Unpin, Verdict
from calico_dcos.core.events import AnyCommand
from calico_dcos.core.model import Change, Inspection, Status
from calico_dcos.troubles import Source
from calico_dcos.web.operator import Hands
from tests.contract.web_scene import Scene, Site, build_server

TOKEN = "open-sesame"


class Obedient:
    """Takes commands, and says what it was told to say."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.unpinned: list[Unpin] = []
        self.outcome = Outcome.ACCEPTED

    def submit(self, command: AnyCommand) -> Future[Verdict]:
        answer: Future[Verdict] = Future()
        if isinstance(command, Unpin):
            self.unpinned.append(command)
            answer.set_result(Verdict(self.outcome, "it is taken back"))
            return answer
        assert isinstance(command, Command)
        self.commands.append(command)
        answer.set_result(Verdict(self.outcome, f"{command.name.value} is {self.outcome.name}"))
        return answer


@pytest.fixture
def hands() -> Obedient:
    return Obedient()


@pytest.fixture
def site(hands: Obedient) -> Iterator[Site]:
    scene = Scene()
    told = Hands(submit=hands.submit, find_trouble=lambda: None, read_audit=lambda: ({}, 0), token=TOKEN)
    server = build_server(scene, hands=told)
    server.start()
    yield Site(scene, server)
    server.stop()


def run(site: Site, *arguments: str, token: str = TOKEN) -> Result:
    environment = {"CALICO_DCOS_URL": site.url(""), "CALICO_DCOS_OPERATOR_TOKEN": token}
    return CliRunner().invoke(main, arguments, env=environment)


STATUS = """\
calico: IN_PROGRESS
1 of 2 agents complete, 0 working, 1 waiting, 0 failed
waiting: 1 because: <b>a2:5052</b>
"""
AGENTS = """\
a1       private  1.9.0    COMPLETE     <b>a1</b>
a2:5052  private  1.9.0    PENDING      <b>a2:5052</b>
"""
AGENT = """\
a2:5052: PENDING: <b>a2:5052</b>
Mesos agent a2:5052-S1 1.9.0, private, :5051
  inspect               PENDING
  etcd-proxy            PENDING
  docker-cluster-store  PENDING
  cni                   PENDING
  agent-restart         PENDING
  calico-node           PENDING
1970-01-01 00:13:20 UTC  first seen
"""


@pytest.mark.parametrize(
    ("arguments", "printed", "code"),
    [
        (("plan", "status"), STATUS, 3),
        (("agents",), AGENTS, 3),
        (("agents", "--waiting"), AGENTS.splitlines(keepends=True)[1], 3),
        (("agents", "--failed"), "", 3),
        (("agent", "a2"), AGENT, 3),
    ],
)
def test_in_a_pipe_it_prints_lines(site: Site, arguments: tuple[str, ...], printed: str, code: int) -> None:
    done = run(site, *arguments)
    assert (done.output, done.exit_code) == (printed, code)


def test_troubles_are_told_with_their_remedy(site: Site) -> None:
    site.scene.troubles.tell(Source.ROSTER, "the master refuses the list of agents: 403", "give it leave to read them")
    site.scene.revision += 1
    line = run(site, "plan", "status").output.splitlines()[2]
    assert line.startswith("trouble: roster, since 20")
    assert line.endswith("the master refuses the list of agents: 403; give it leave to read them")


def test_sums_of_downloads_are_listed_without_secrets_and_taken_back(site: Site, hands: Obedient) -> None:
    site.scene.pins = {"https://me:pw@a/calico?sig=1": "ab" * 32, "https://b/old": "cd" * 32}
    site.scene.downloads = {"cni": frozenset({"https://me:pw@a/calico?sig=1"})}
    site.scene.revision += 1

    assert run(site, "pins").output.splitlines() == [
        f"{'cd' * 32}  https://b/old  (no step fetches it any more)",
        f"{'ab' * 32}  https://***@a/calico?***  (cni)",
    ]
    assert run(site, "unpin", "ab" * 32, "--reason", "it moved").exit_code == 0
    assert hands.unpinned == [Unpin("ab" * 32, "127.0.0.1", "it moved")]
    assert run(site, "unpin", "").exit_code == 1


PREFLIGHT = """\
a1       nothing to do
a2:5052  changes docker-cluster-store (2), cni; restarts docker; refused: etcd-proxy: port 2379 is taken
2 of 2 agents inspected: 1 would change, 1 would restart Docker, 0 would restart the Mesos agent, 1 refused, \
0 unclear, 1 nothing to do
"""
PREFLIGHT_CSV = """\
agent,step,change,reason,impact,restarts,name,address\r
a1,,nothing to do,,,,,\r
a2:5052,docker-cluster-store,sets cluster-store,it is not set,3 containers stop,docker,,\r
a2:5052,docker-cluster-store,sets cluster-advertise,it is not set,3 containers stop,docker,,\r
a2:5052,cni,writes calico.conf,it is missing,none,,,\r
a2:5052,etcd-proxy,refused,port 2379 is taken,,,,\r
"""


def add_changes(scene: Scene, *, is_refused: bool = True) -> None:
    keys = ("cluster-store", "cluster-advertise")
    changes = {
        "docker-cluster-store": tuple(
            Change(f"sets {key}", "it is not set", "3 containers stop", "docker") for key in keys
        ),
        "cni": (Change("writes calico.conf", "it is missing", "none"),),
    }
    refusals = {"etcd-proxy": "port 2379 is taken"} if is_refused else {}
    scene.found = {"a2:5052": Inspection(900.0, "s", changes, refusals)}


def select_lines(*numbers: int) -> str:
    lines = PREFLIGHT.splitlines(keepends=True)
    return "".join(lines[number] for number in numbers)


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ((), PREFLIGHT),
        (("--changing",), select_lines(1, 2)),
        (("--restarting",), select_lines(1, 2)),
        (("--refused",), select_lines(1, 2)),
        (("--waiting",), select_lines(2)),
        (("--csv",), PREFLIGHT_CSV),
        (("--csv", "--waiting"), "agent,step,change,reason,impact,restarts,name,address\r\n"),
    ],
)
def test_preflight_prints_what_would_change_and_restart(site: Site, options: tuple[str, ...], printed: str) -> None:
    add_changes(site.scene)
    done = run(site, "preflight", *options)
    assert (done.stdout_bytes.decode(), done.exit_code) == (printed, 4)


def test_preflight_prints_json(site: Site) -> None:
    add_changes(site.scene)
    told = json.loads(run(site, "preflight", "--json", "--restarting").output)
    assert [agent["key"] for agent in told["agents"]] == ["a2:5052"]
    assert told["total"]["agents"] == 2


def test_the_exit_status_of_preflight_tells_what_is_left(site: Site) -> None:
    assert run(site, "preflight").exit_code == 0
    add_changes(site.scene, is_refused=False)
    site.scene.revision += 1
    assert run(site, "preflight").exit_code == 3


def test_preflight_takes_one_form_and_needs_a_scheduler(site: Site) -> None:
    assert run(site, "preflight", "--csv", "--json").exit_code == 2
    site.server.stop()
    assert run(site, "preflight", "--csv").exit_code == 5


def test_on_a_terminal_preflight_is_a_table(site: Site) -> None:
    add_changes(site.scene)
    console = Console(file=StringIO(), width=100, force_terminal=False)
    console.print(draw_preflight(site.get("/v1/preflight").json()))
    assert isinstance(console.file, StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == [
        "agent    would change                   would restart  refused                         unclear",
        "a1       nothing",
        "a2:5052  docker-cluster-store (2), cni  docker         etcd-proxy: port 2379 is taken",
        "2 of 2 agents inspected: 1 would change, 1 would restart Docker, 0 would restart the Mesos agent, 1",
        "refused, 0 unclear, 1 nothing to do",
    ]


@pytest.mark.parametrize(("status", "code"), [(Status.COMPLETE, 0), (Status.IN_PROGRESS, 3), (Status.ERROR, 4)])
def test_the_exit_status_tells_how_the_walk_is(site: Site, status: Status, code: int) -> None:
    site.scene.plan_status = status
    assert run(site, "plan", "status").exit_code == code


def test_json_is_what_the_scheduler_told(site: Site) -> None:
    assert json.loads(run(site, "plan", "status", "--json").output)["complete"] == 1
    assert [row["key"] for row in json.loads(run(site, "agents", "--json").output)["agents"]] == ["a1", "a2:5052"]
    assert json.loads(run(site, "agent", "a1", "--json").output)["facts"] == {"docker": {"version": "20.10"}}


def test_watching_ends_when_the_walk_does(site: Site) -> None:
    site.scene.plan_status = Status.COMPLETE
    done = run(site, "plan", "status", "--watch")
    assert (done.output.splitlines()[0], done.exit_code) == ("calico: COMPLETE", 0)


@pytest.mark.parametrize(
    ("arguments", "word", "agent", "step"),
    [
        (("plan", "pause", "--reason", "because"), "pause", "", None),
        (("plan", "resume", "--reason", "because"), "resume", "", None),
        (("plan", "force-restart", "--reason", "because"), "retry", "", None),
        (("plan", "pause", "--agent", "a2", "--reason", "because"), "pause", "a2:5052", None),
        (
            ("plan", "force-complete", "--phase", "a1", "--step", "cni", "--reason", "because"),
            "force-complete",
            "a1",
            "cni",
        ),
        (("plan", "skip", "--agent", "a1", "--reason", "because"), "skip", "a1", None),
        (("plan", "release-slot", "--agent", "a1", "--reason", "because"), "release-slot", "a1", None),
        (("plan", "forget", "--agent", "a1", "--reason", "because"), "forget", "a1", None),
    ],
)
def test_commands_are_passed_on_with_their_reason(
    site: Site, hands: Obedient, arguments: tuple[str, ...], word: str, agent: str, step: str | None
) -> None:
    done = run(site, *arguments)
    assert (done.output, done.exit_code) == (f"{word} is ACCEPTED\n", 0)
    (command,) = hands.commands
    told_step = None if command.step is None else command.step.value
    assert (command.name.value, command.agent_key, told_step, command.reason) == (word, agent, step, "because")


def test_a_command_that_had_its_effect_already_is_no_failure(site: Site, hands: Obedient) -> None:
    hands.outcome = Outcome.ALREADY
    assert run(site, "plan", "pause").exit_code == 0


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNKNOWN])
def test_a_command_that_is_refused_says_why(site: Site, hands: Obedient, outcome: Outcome) -> None:
    hands.outcome = outcome
    done = run(site, "plan", "pause")
    assert (done.output, done.exit_code) == (f"calico-dcos: pause is {outcome.name}\n", 1)


def test_a_wrong_token_and_an_unknown_agent_are_told_in_one_line(site: Site) -> None:
    done = run(site, "plan", "pause", token="wrong")
    assert (done.output, done.exit_code) == ("calico-dcos: this is not the operator token\n", 1)
    done = run(site, "agent", "a9")
    assert (done.output, done.exit_code) == ("calico-dcos: no agent a9\n", 1)


def test_a_scheduler_that_does_not_answer_is_told_in_one_line(site: Site) -> None:
    site.server.stop()
    done = run(site, "plan", "status")
    assert done.exit_code == 5
    assert done.output.startswith(f"calico-dcos: {site.url('/v1/agents')}: nothing answers")
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("force-complete", "--step", "cni"), ("force-complete", "--all", "--agent", "a1"), ("skip",)]
)
def test_wrong_usage_has_a_status_of_its_own(site: Site, hands: Obedient, arguments: tuple[str, ...]) -> None:
    assert (run(site, "plan", *arguments).exit_code, hands.commands) == (2, [])


def test_the_whole_plan_is_forced_only_if_that_is_said(site: Site, hands: Obedient) -> None:
    assert run(site, "plan", "force-complete", "--all").exit_code == 0
    assert [(command.name.value, command.agent_key) for command in hands.commands] == [("force-complete", "")]


@pytest.mark.parametrize("arguments", [("plan", "status"), ("plan", "pause"), ("agents",), ("agent",)])
def test_the_help_tells_the_exit_statuses(arguments: tuple[str, ...]) -> None:
    told = " ".join(CliRunner().invoke(main, [*arguments, "--help"]).output.split())
    assert "3 in progress" in told
    assert "CALICO_DCOS_URL" in told or "--url" in told


def test_on_a_terminal_it_draws_a_bar_and_the_agents_at_work(site: Site) -> None:
    listing: dict[str, Any] = site.get("/v1/agents").json()
    listing["summary"] |= {"active": [listing["agents"][1]], "left_s": 180.0}
    console = Console(file=StringIO(), width=100, force_terminal=False)
    console.print(draw_status(listing))
    assert isinstance(console.file, StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == [
        "calico IN_PROGRESS  1 of 2 agents complete, about 3 min left",
        "━━━━━━━━━━━━━━━━━━━━",
        "agent    Mesos  steps   status   step     reason",
        "a2:5052  1.9.0  ······  PENDING  inspect  <b>a2:5052</b>",
        "    1 <b>a2:5052</b>",
    ]
