"""The command connectivity-test: starts a run, follows it, and shows what came out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from enum import IntEnum

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .client import Client, ClientError, Json

POLL_S = 1.0
RUNNING = "running"
MARKS = {"passed": ("ok", "green"), "failed": ("failed", "bold red"), "not tested": ("not tested", "yellow")}


class Exit(IntEnum):
    """What the exit status tells a script."""

    PASSED = 0
    FAILED = 1
    NOT_POSSIBLE = 2
    RUNNING = 3
    UNREACHABLE = 5


EXIT_HELP = (
    "Exit status: 0 all passed; 1 something failed; 2 wrong usage, or the test is not possible, was cut short or could "
    "not test everything; 3 it runs (--no-wait); 5 the scheduler does not answer."
)


def choose_exit(run: Json | None) -> Exit:
    """Choose the exit status for a run."""
    if run is None:
        return Exit.NOT_POSSIBLE
    exits = {"passed": Exit.PASSED, "failed": Exit.FAILED, RUNNING: Exit.RUNNING}
    return exits.get(run["status"], Exit.NOT_POSSIBLE)


def describe_measure(result: Json) -> str:
    """Say what was measured: a round-trip time, an MTU."""
    told = [] if result["rtt_ms"] is None else [f"rtt {result['rtt_ms']:g} ms"]
    return ", ".join(told + ([] if result["mtu"] is None else [f"mtu {result['mtu']}"]))


def write_run(run: Json | None) -> Iterator[str]:
    """Write a line for each action, with all that is known of those that failed, and one for the run."""
    if run is None:
        yield "no connectivity test was run yet"
        return
    for pair in run["pairs"]:
        for result in pair["results"]:
            yield write_result(pair, result)
        if pair["message"]:
            yield f"{pair['client']} -> {pair['server']}: {pair['message']}"
    for test, reason in run["left_out"].items():
        yield f"not tested: {test}: {reason}"
    yield run["message"]


def write_result(pair: Json, result: Json) -> str:
    """Write how one action went."""
    place = f"{pair['client']} -> {pair['server']}: {result['test']} {result['action']}"
    measured = describe_measure(result)
    return f"{place}: {MARKS[result['outcome']][0]}: {result['message']}" + (f" ({measured})" if measured else "")


def draw_run(run: Json | None) -> RenderableType:
    """Draw a row for each pair, a column for each action, and below what failed."""
    if run is None:
        return Text("no connectivity test was run yet")
    names = list(dict.fromkeys((one["test"], one["action"]) for pair in run["pairs"] for one in pair["results"]))
    table = Table("from", "to", *(f"{test}\n{action}" for test, action in names), box=None, pad_edge=False)
    for pair in run["pairs"]:
        found = {(one["test"], one["action"]): one for one in pair["results"]}
        cells = [_draw_result(found.get(name)) for name in names]
        table.add_row(Text(pair["client"]), Text(pair["server"]), *cells)
    told = [
        Text(write_result(pair, result), "red" if result["outcome"] == "failed" else "yellow")
        for pair in run["pairs"]
        for result in pair["results"]
        if result["outcome"] != "passed"
    ]
    waiting = [
        Text(f"{pair['client']} -> {pair['server']}: {pair['message']}", "dim")
        for pair in run["pairs"]
        if pair["message"]
    ]
    left_out = [Text(f"not tested: {test}: {reason}", "dim") for test, reason in run["left_out"].items()]
    return Group(table, *told, *waiting, *left_out, Text(run["message"], "bold"))


def _draw_result(result: Json | None) -> Text:
    if result is None:
        return Text("")
    mark, style = MARKS[result["outcome"]]
    measured = describe_measure(result) if result["outcome"] == "passed" else ""
    return Text(measured.removeprefix("rtt ").removeprefix("mtu ") or mark, style)


@click.command("connectivity-test", epilog=EXIT_HELP)
@click.option(
    "--url", envvar="CALICO_DCOS_URL", default="http://127.0.0.1:8080", show_default=True, help="Status page."
)
@click.option("--token", envvar="CALICO_DCOS_OPERATOR_TOKEN", default="", help="Operator token.")
@click.option("--dcos-token", envvar="DCOS_TOKEN", default="", help="DC/OS user's token, where the URL needs it.")
@click.option("--agents", default="", help="Keys, Mesos ids or hostnames, separated by commas; else complete ones.")
@click.option("--reason", default="", help="Kept in the audit log.")
@click.option("--wait/--no-wait", "waits", default=True, help="Wait for the end, or only start it.")
@click.option("--last", "is_last", is_flag=True, help="Start nothing; show the last run.")
@click.option("--stop", "is_stop", is_flag=True, help="End the run that is going on.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def connectivity_test(  # noqa: PLR0913 - each is an option
    *,
    url: str,
    token: str,
    dcos_token: str,
    agents: str,
    reason: str,
    waits: bool,
    is_last: bool,
    is_stop: bool,
    is_json: bool,
) -> None:
    """Send packets between workloads on agents that are complete, and tell whether Calico works there.

    Two agents or more, each reaching for the next one: by TCP and ping, with its own address, whole packets of 1,400
    bytes, and not while a policy forbids it. Takes half a minute for a few agents, and leaves nothing behind.
    """
    if is_last and is_stop:
        raise click.UsageError("--last and --stop exclude each other")
    client = Client(url, token=token, dcos_token=dcos_token)
    try:
        if is_stop:
            click.echo(client.stop_connectivity(reason))
            return
        if not is_last:
            names = [name.strip() for name in agents.split(",") if name.strip()]
            message = client.start_connectivity(names, reason)
            if not is_json:
                click.echo(message)
        shown = _follow(client, is_json=is_json) if waits and not is_last else set()
        run = client.read_connectivity()["run"]
    except ClientError as error:
        click.echo(f"calico-dcos: {error}", err=True)
        sys.exit(Exit.NOT_POSSIBLE if error.is_refusal else Exit.UNREACHABLE)
    _show(run, shown, is_json=is_json)
    sys.exit(choose_exit(run))


def _follow(client: Client, *, is_json: bool) -> set[str]:
    """Wait for the end of the run; in a pipe each action is a line as soon as it is known: those are returned."""
    shown: set[str] = set()
    is_told = not is_json and not Console().is_terminal
    while True:
        run: Json = client.read_connectivity()["run"]
        if run["status"] != RUNNING:
            return shown
        for pair in run["pairs"] if is_told else ():
            for line in (write_result(pair, result) for result in pair["results"]):
                if line not in shown:
                    click.echo(line)
                shown.add(line)
        time.sleep(POLL_S)


def _show(run: Json | None, shown: set[str], *, is_json: bool) -> None:
    console = Console()
    if is_json:
        click.echo(json.dumps(run, indent=2, sort_keys=True))
    elif console.is_terminal:
        console.print(draw_run(run))
    else:
        for line in write_run(run):
            if line not in shown:
                click.echo(line)
