"""The commands: ask, show, and end with a status that scripts understand."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import Any, NoReturn

import click
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from calico_dcos.core.model import StepName

from .client import Client, ClientError, Json
from .tables import draw_agents, draw_preflight, draw_status
from .words import (
    EXIT_HELP,
    Exit,
    choose_exit,
    choose_preflight_exit,
    write_agent,
    write_agents,
    write_pins,
    write_preflight,
    write_status,
)

WATCH_S = 1.0
STEPS = tuple(name.value for name in StepName if name is not StepName.INSPECT)

Function = Callable[..., Any]


def _reaching(function: Function) -> Function:
    """Give a command the options that reach a scheduler, and a client that does."""

    def call(*, url: str, token: str, dcos_token: str, **options: Any) -> None:
        try:
            function(Client(url, token=token, dcos_token=dcos_token), **options)
        except ClientError as error:
            _fail(error)

    update_wrapper(call, function)
    call.__doc__ = f"{function.__doc__}\n\n    {EXIT_HELP}\n    "
    for option in (
        click.option(
            "--url", envvar="CALICO_DCOS_URL", default="http://127.0.0.1:8080", show_default=True, help="Status page."
        ),
        click.option("--token", envvar="CALICO_DCOS_OPERATOR_TOKEN", default="", help="Operator token, for commands."),
        click.option(
            "--dcos-token", envvar="DCOS_TOKEN", default="", help="DC/OS user's token, where the URL needs it."
        ),
        click.option("--json", "is_json", is_flag=True, help="Print JSON."),
    ):
        call = option(call)
    return call


def _fail(error: ClientError) -> NoReturn:
    click.echo(f"calico-dcos: {error}", err=True)
    sys.exit(Exit.REFUSED if error.is_refusal else Exit.UNREACHABLE)


def _show(document: Json, *, is_json: bool, lines: Iterator[str], drawing: RenderableType | None = None) -> None:
    """Show a document: as it is, as lines in a pipe, drawn on a terminal."""
    console = Console()
    if is_json:
        click.echo(json.dumps(document, indent=2, sort_keys=True))
    elif drawing is not None and console.is_terminal:
        console.print(drawing)
    else:
        for line in lines:
            click.echo(line)


@click.group()
def plan() -> None:
    """The whole walk: its state, and the brake."""


@plan.command()
@_reaching
@click.option("--watch", is_flag=True, help="Follow it until it is complete, or something failed.")
def status(client: Client, *, is_json: bool, watch: bool) -> None:
    """Show how far the walk is, what happens now, and what the others wait for."""
    listing = client.read_listing(limit="1")
    if watch:
        listing = _watch(client, listing, is_json=is_json)
    else:
        _show(
            listing["summary"] if is_json else listing,
            is_json=is_json,
            lines=write_status(listing),
            drawing=draw_status(listing),
        )
    sys.exit(choose_exit(listing["summary"]["status"]))


def _watch(client: Client, listing: Json, *, is_json: bool) -> Json:
    console = Console()
    if is_json or not console.is_terminal:
        return _watch_lines(client, listing, is_json=is_json)
    with Live(draw_status(listing), console=console, refresh_per_second=4) as live:
        while choose_exit(listing["summary"]["status"]) is Exit.IN_PROGRESS:
            time.sleep(WATCH_S)
            try:
                listing = client.read_listing(limit="1")
                live.update(draw_status(listing))
            except ClientError as error:
                live.update(Text(f"{error}: tries again", "yellow"))
    return listing


def _watch_lines(client: Client, listing: Json, *, is_json: bool) -> Json:
    shown = ""
    while True:
        summary = listing["summary"]
        text = json.dumps(summary, sort_keys=True) if is_json else "\n".join(write_status(listing))
        if text != shown:
            click.echo(text)
            shown = text
        if choose_exit(summary["status"]) is not Exit.IN_PROGRESS:
            return listing
        time.sleep(WATCH_S)
        listing = client.read_listing(limit="1")


# What is for an agent, and for all of them only if that is said.
_FOR_ALL_IF_SAID = frozenset({"force-complete"})


def _add_command(name: str, word: str, help_text: str, *, takes_step: bool, needs_agent: bool = False) -> None:
    """Add a command for operators: the SDK's name, and our word."""
    takes_all = word in _FOR_ALL_IF_SAID

    def call(client: Client, *, is_json: bool, agent: str, reason: str, step: str = "", is_all: bool = False) -> None:
        if takes_all and bool(agent) is is_all:
            raise click.UsageError("name an agent with --agent, or say --all")
        message = client.command(word, agent=agent, step=step, reason=reason)
        _show({"message": message}, is_json=is_json, lines=iter([message]))

    call.__doc__ = help_text
    told = "Key, Mesos id or hostname of an agent." + ("" if needs_agent else " The whole walk without it.")
    is_required = needs_agent and not takes_all
    default: dict[str, Any] = {} if is_required else {"default": ""}
    command = click.option("--agent", "--phase", required=is_required, help=told, **default)(call)
    if takes_all:
        command = click.option("--all", "is_all", is_flag=True, help="Every agent that is known now.")(command)
    command = click.option("--reason", default="", help="Kept in the audit log.")(command)
    if takes_step:
        command = click.option("--step", default="", type=click.Choice(["", *STEPS]), help="One of its steps.")(command)
    plan.command(name)(_reaching(command))


_COMMANDS = (
    ("pause", "pause", "Start and end nothing new; what runs goes on.", False, False),
    ("resume", "resume", "Go on after a pause.", False, False),
    ("force-restart", "retry", "Forget failures, and try again at once.", True, False),
    ("force-complete", "force-complete", "Let a step count as complete, whatever the host looks like.", True, True),
    ("skip", "skip", "Leave a step or a whole agent out.", True, True),
    ("release-slot", "release-slot", "Let the walk go on past an agent that failed.", False, True),
    ("forget", "forget", "Take an agent out of the plan that was taken out of the cluster.", False, True),
)
for _name, _word, _help, _takes_step, _needs_agent in _COMMANDS:
    _add_command(_name, _word, _help, takes_step=_takes_step, needs_agent=_needs_agent)


@click.command()
@_reaching
@click.option("--waiting", "groups", flag_value="waiting", help="Only agents that wait.")
@click.option("--failed", "groups", flag_value="failed", help="Only agents that failed.")
@click.option("--working", "groups", flag_value="working", help="Only agents at work.")
@click.option("--search", default="", help="Only agents with these words in name, address, version or reason.")
def agents(client: Client, *, is_json: bool, groups: str | None, search: str) -> None:
    """List agents, with what they do or wait for."""
    query = {"group": groups or "", "q": search}
    listing = client.read_listing(**{name: value for name, value in query.items() if value})
    rows = listing["agents"]
    _show({"agents": rows}, is_json=is_json, lines=write_agents(listing), drawing=draw_agents(listing))
    sys.exit(choose_exit(listing["summary"]["status"]))


@click.command()
@click.argument("host")
@_reaching
def agent(client: Client, *, is_json: bool, host: str) -> None:
    """Show all that is known of one agent: by its key, Mesos id or hostname."""
    found = client.read_agent(host)
    _show(found, is_json=is_json, lines=write_agent(found))
    sys.exit(choose_exit(found["status"]))


@click.command()
@_reaching
def pins(client: Client, *, is_json: bool) -> None:
    """List the sums that downloads have to have, where no setting gives one: the first agent's counts for all."""
    document = client.read_pins()
    _show(document, is_json=is_json, lines=write_pins(document))


@click.command()
@click.argument("pin")
@_reaching
@click.option("--reason", default="", help="Kept in the audit log.")
def unpin(client: Client, *, is_json: bool, pin: str, reason: str) -> None:
    """Take the sum of a download back, named by its URL or by the sum: the next one that is reported counts."""
    message = client.unpin(pin, reason)
    _show({"message": message}, is_json=is_json, lines=iter([message]))


@click.command()
@_reaching
@click.option("--csv", "is_csv", is_flag=True, help="Print CSV: a line for each change.")
@click.option("--changing", "outlook", flag_value="change", help="Only agents on which something would change.")
@click.option("--restarting", "outlook", flag_value="restart", help="Only agents on which something would restart.")
@click.option("--refused", "outlook", flag_value="refused", help="Only agents on which a step is refused.")
@click.option("--unclear", "outlook", flag_value="unclear", help="Only agents of which a step is unknown or of no use.")
@click.option("--waiting", "outlook", flag_value="unseen", help="Only agents that wait for their inspection.")
def preflight(client: Client, *, is_json: bool, is_csv: bool, outlook: str | None) -> None:
    """List what would change and restart on each agent, and in sum; during a walk, what is still to be done.

    Of a preflight, 0 means that nothing is left to do anywhere, 3 that something is, or that an agent was not inspected
    yet, and 4 that a step is refused on some agent; all agents count, whichever are listed.
    """
    if is_csv and is_json:
        raise click.UsageError("--csv and --json exclude each other")
    document = client.read_preflight(outlook or "")
    if is_csv:
        # The line ends are those of CSV already.
        click.echo(client.read_preflight_csv(outlook or ""), nl=False)
    else:
        _show(document, is_json=is_json, lines=write_preflight(document), drawing=draw_preflight(document))
    sys.exit(choose_preflight_exit(document))
