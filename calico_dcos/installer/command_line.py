"""The command line: parses, builds, calls."""

import argparse
import os
from typing import TYPE_CHECKING, Dict, List, Optional, TextIO

from .host import Host
from .wanted import SERVICES, STEPS, Wanted, WantedError, parse_wanted

if TYPE_CHECKING:
    from .report import Reporter

ALL = "all"
PARTS = ("workload", "container", "probe")
EXIT_USAGE = 2


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; argparse ends wrong usage with status 2."""
    parser = argparse.ArgumentParser(prog="installer.pyz", description="Installs Calico on this host.")
    # What this program says to itself: see outside.py and services/supervise.py.
    parser.add_argument("--outside", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    inspect = commands.add_parser("inspect", help="report facts and what is still to do; changes nothing")
    apply_ = commands.add_parser("apply", help="do what is still to do for one step, and verify it")
    apply_.add_argument("step", choices=(*STEPS, ALL), help="services and all: with --dry-run only")
    apply_.add_argument("--dry-run", action="store_true", help="tell the changes, their reason and impact; do nothing")
    apply_.add_argument("--json", action="store_true", help="with --dry-run: tell them as JSON")
    supervise = commands.add_parser("supervise", help="run a service and watch over it")
    supervise.add_argument("service", choices=SERVICES)
    supervise.add_argument("--health", action="store_true", help="exit with 0 if it is healthy, with 1 if not")
    supervise.add_argument("--admission", action="store_true", help=argparse.SUPPRESS)
    remove = commands.add_parser("remove", help="undo all that was installed; files of others are left alone")
    remove.add_argument("--dry-run", action="store_true", help="tell what would be removed, and do nothing")
    remove.add_argument("--force", action="store_true", help="remove although containers use the networks")
    connectivity = commands.add_parser("connectivity", help="take part in a test between two hosts")
    connectivity.add_argument("part", choices=PARTS)
    for command in (inspect, apply_, supervise, remove, connectivity):
        command.add_argument("--root", metavar="DIR", help="work on the host whose root is DIR")
    return parser


def parse_arguments(arguments: List[str]) -> argparse.Namespace:
    """Parse the arguments, and what of them argparse cannot check: a service is supervised, not applied."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command == "apply" and not options.dry_run and options.step in (*SERVICES, ALL):
        parser.error("{} is applied with --dry-run only".format(options.step))
    if options.command == "apply" and options.json and not options.dry_run:
        parser.error("--json goes with --dry-run")
    return options


def run(arguments: List[str], out: TextIO, err: TextIO) -> int:
    """Run one command, and return its exit status.

    0: nothing is left to do, 1: failed, 2: wrong usage or wanted state, 3: refused, an operator must act.
    """
    options = parse_arguments(arguments)
    # Whoever starts this program: what it makes has the same modes, and nobody else may write to it.
    os.umask(0o022)
    if options.outside:
        from .outside import OrderError, take_order  # noqa: PLC0415

        try:
            # What systemd has set for the unit stays as it is.
            os.environ.update({**take_order(), **os.environ})
        except OrderError as error:
            err.write("{}\n".format(error))
            return EXIT_USAGE
    host = _build_host(options, dict(os.environ))
    if options.command == "remove":
        return _run(arguments, options, host, None, out, err)
    try:
        if options.command == "connectivity":
            return _test(options.part, host, out, err)
        wanted = parse_wanted(host.variable("CALICO_DCOS_WANTED") or "")
    except WantedError as error:
        err.write("CALICO_DCOS_WANTED: {}\n".format(error))
        return EXIT_USAGE
    if options.command == "supervise" and options.health:
        from .services.health import check_health  # noqa: PLC0415

        return check_health(options.service, host, wanted, err)
    return _run(arguments, options, host, wanted, out, err)


def _test(part: str, host: Host, out: TextIO, err: TextIO) -> int:
    """Take part in a connectivity test, in this very task; WantedError if what is wanted is malformed.

    Outside of its task a workload would be outside of its network, and the others need nothing that a task lacks.
    """
    from .connectivity.container import hold_container  # noqa: PLC0415
    from .connectivity.order import parse_container, parse_probe, parse_workload  # noqa: PLC0415
    from .connectivity.probe import probe  # noqa: PLC0415
    from .connectivity.workload import serve_workload  # noqa: PLC0415
    from .report import Reporter  # noqa: PLC0415

    text = host.variable("CALICO_DCOS_WANTED") or ""
    if part == "workload":
        # It has no way to the scheduler, and its host's files are all that it sees of its host.
        return serve_workload(host, parse_workload(text), out)
    wanted = parse_wanted(text)
    reporter = Reporter(host.variable("CALICO_DCOS_REPORT_URL"), host.variable("CALICO_DCOS_REPORT_TOKEN"), out, err)
    if part == "container":
        return hold_container(host, wanted, parse_container(text), reporter)
    return probe(host, wanted, parse_probe(text), reporter)


def _build_host(options: argparse.Namespace, environment: Dict[str, str]) -> Host:
    root = options.root or environment.get("CALICO_DCOS_ROOT") or "/"
    return Host(root, environment.get("CALICO_DCOS_LOOPBACK") or None, environment)


def _run(
    arguments: List[str], options: argparse.Namespace, host: Host, wanted: Optional[Wanted], out: TextIO, err: TextIO
) -> int:
    """Run the command outside of this task where that is called for and possible, else here."""
    from . import outside  # noqa: PLC0415  (not at once: a health check starts fast)
    from .report import Reporter  # noqa: PLC0415

    place = outside.Place(host, err, is_outside=options.outside)
    host = place.host
    reporter = Reporter(host.variable("CALICO_DCOS_REPORT_URL"), host.variable("CALICO_DCOS_REPORT_TOKEN"), out, err)
    if options.command == "supervise" and not options.admission and wanted is not None:
        from .services.supervise import supervise  # noqa: PLC0415

        return supervise(options.service, host, wanted, reporter, place)
    status = place.run_outside(arguments, outside.compute_limit_s(wanted))
    return _dispatch(options, host, wanted, reporter, out) if status is None else status


def _dispatch(
    options: argparse.Namespace, host: Host, wanted: Optional[Wanted], reporter: "Reporter", out: TextIO
) -> int:
    """Run a command that comes to its end; what it needs is imported here."""
    if wanted is None:
        from .removal import remove, show_removal  # noqa: PLC0415

        act = show_removal if options.dry_run else remove
        return act(host, reporter, is_forced=options.force)
    if options.command == "supervise":
        from .services.supervise import admit  # noqa: PLC0415

        return admit(options.service, host, wanted, reporter)
    if options.command == "apply" and options.dry_run:
        from .dry_run import show_plan  # noqa: PLC0415
        from .inspection import read_inspection  # noqa: PLC0415

        return show_plan(options.step, read_inspection(host, wanted), wanted, out, as_json=options.json)
    from . import steps  # noqa: PLC0415

    if options.command == "inspect":
        return steps.inspect(host, wanted, reporter)
    return steps.apply_step(options.step, host, wanted, reporter)
