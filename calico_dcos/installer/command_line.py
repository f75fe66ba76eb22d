"""The command line: parses, builds, calls."""

import argparse
import os
from typing import TYPE_CHECKING, List, TextIO

from .host import Host
from .wanted import Wanted, WantedError, parse_wanted

if TYPE_CHECKING:
    from .report import Reporter

STEPS = ("docker-cluster-store", "cni", "agent-restart")
ALL = "all"
SERVICES = ("etcd-proxy", "calico-node")
EXIT_USAGE = 2


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; argparse ends wrong usage with status 2."""
    parser = argparse.ArgumentParser(prog="installer.pyz", description="Installs Calico on this host.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    inspect = commands.add_parser("inspect", help="report facts and what is still to do; changes nothing")
    apply_ = commands.add_parser("apply", help="do what is still to do for one step, and verify it")
    apply_.add_argument("step", choices=(*STEPS, *SERVICES, ALL), help="services and all: with --dry-run only")
    apply_.add_argument("--dry-run", action="store_true", help="tell the changes, their reason and impact; do nothing")
    apply_.add_argument("--json", action="store_true", help="with --dry-run: tell them as JSON")
    # For a run of this program outside of the agent's unit: see steps/guard.py.
    apply_.add_argument("--order", metavar="FILE", help=argparse.SUPPRESS)
    supervise = commands.add_parser("supervise", help="run a service and watch over it")
    supervise.add_argument("service", choices=SERVICES)
    supervise.add_argument("--health", action="store_true", help="exit with 0 if it is healthy, with 1 if not")
    remove = commands.add_parser("remove", help="undo all that was installed; files of others are left alone")
    remove.add_argument("--dry-run", action="store_true", help="tell what would be removed, and do nothing")
    remove.add_argument("--force", action="store_true", help="remove although containers use the networks")
    for command in (inspect, apply_, supervise, remove):
        command.add_argument("--root", metavar="DIR", help="work on the host whose root is DIR")
    return parser


def parse_arguments(arguments: List[str]) -> argparse.Namespace:
    """Parse the arguments, and what of them argparse cannot check: a service is supervised, not applied."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command == "apply" and not options.dry_run and options.step not in STEPS:
        parser.error("{} is applied with --dry-run only".format(options.step))
    if options.command == "apply" and options.json and not options.dry_run:
        parser.error("--json goes with --dry-run")
    return options


def run(arguments: List[str], out: TextIO, err: TextIO) -> int:
    """Run one command, and return its exit status.

    0: nothing is left to do, 1: failed, 2: wrong usage or wanted state, 3: refused, an operator must act.
    """
    options = parse_arguments(arguments)
    environment = dict(os.environ)
    if options.command == "apply" and options.order is not None:
        from .steps.guard import read_order  # noqa: PLC0415

        environment.update(read_order(options.order))
    host = Host(
        options.root or environment.get("CALICO_DCOS_ROOT") or "/",
        environment.get("CALICO_DCOS_LOOPBACK") or None,
        environment,
    )
    if options.command == "remove":
        from .removal import remove, show_removal  # noqa: PLC0415

        act = show_removal if options.dry_run else remove
        return act(host, _build_reporter(host, out, err), is_forced=options.force)
    try:
        wanted = parse_wanted(environment.get("CALICO_DCOS_WANTED", ""))
    except WantedError as error:
        err.write("CALICO_DCOS_WANTED: {}\n".format(error))
        return EXIT_USAGE
    return _dispatch(options, host, wanted, out, err)


def _build_reporter(host: Host, out: TextIO, err: TextIO) -> "Reporter":
    from .report import Reporter  # noqa: PLC0415  (not at once: a health check starts fast)

    return Reporter(host.variable("CALICO_DCOS_REPORT_URL"), host.variable("CALICO_DCOS_REPORT_TOKEN"), out, err)


def _dispatch(options: argparse.Namespace, host: Host, wanted: Wanted, out: TextIO, err: TextIO) -> int:
    """Run the command; what it needs is imported here, so that a health check starts fast."""
    if options.command == "supervise" and options.health:
        from .services.health import check_health  # noqa: PLC0415

        return check_health(options.service, host, wanted, err)
    if options.command == "apply" and options.dry_run:
        from .dry_run import show_plan  # noqa: PLC0415
        from .inspection import read_inspection  # noqa: PLC0415

        return show_plan(options.step, read_inspection(host, wanted), wanted, out, as_json=options.json)
    from . import steps  # noqa: PLC0415

    reporter = _build_reporter(host, out, err)
    if options.command == "inspect":
        return steps.inspect(host, wanted, reporter)
    if options.command == "supervise":
        from .services.supervise import supervise  # noqa: PLC0415

        return supervise(options.service, host, wanted, reporter)
    return steps.apply_step(options.step, host, wanted, reporter)
