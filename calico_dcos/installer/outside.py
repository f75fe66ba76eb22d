"""Runs a command of this program outside of the task that it was started in: as a transient unit of the host's systemd.

A task ends with its agent, has a limit of memory, and from DC/OS 1.9 on a PID namespace of its own, in which systemctl
fails and /proc shows the task alone. `systemd-run --wait --pipe` runs a command where none of this holds, and passes
its output and its exit status back. The unit does not end with the task: what it has begun, it brings to an end, under
the host's lock.

What it is told comes over its standard input, a socket: a unit's environment and command line are shown to anyone, and
a file would be left behind by a run that is killed. Over the same socket it answers that it has begun. What never did
may be done in place; and where nobody waits for that answer any more, it does nothing.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
import time
import zipfile
from typing import Dict, List, Optional, TextIO

from . import systemd
from .host import Host, ToolError
from .pid_namespace import TASK_VARIABLES, is_task, sees_host_processes
from .wanted import Wanted

# --wait is of systemd 232, --pipe of 235; --collect is of 236: without it, each run that fails stays a failed unit.
FIRST_VERSION = 236
QUERY_TIMEOUT_S = 10
START_TIMEOUT_S = 60
POLL_S = 0.1
ORDER_MAX_BYTES = 4 << 20
BEGUN = b"1"
# A look asks each part of a host for some seconds.
LOOK_LIMIT_S = 300
# Downloads, and all that is not counted in the limits of Docker and the agent; each of these is waited for at most so
# often: for its restart, for what it shows, and for both once more when that is rolled back.
WORK_LIMIT_S, WAITS = 1800, 6
# How long systemd may take to end a unit that is at its limit.
END_S = 150
# What Python itself needs to start; DC/OS' Python finds its libraries by the first.
NEEDED_BY_PYTHON = ("LD_LIBRARY_PATH", "PYTHONPATH")
EXIT_FAILED = 1


class NotBegunError(Exception):
    """Nothing was begun outside: why."""


class OrderError(Exception):
    """What was to be done is not told, or nobody waits for it any more."""


class Place:
    """Where the commands of one run of this program are carried out: outside of its task, or where it is.

    Where it is, is the one way back: for a host whose systemd cannot run them outside.
    """

    def __init__(self, host: Host, err: TextIO, *, is_outside: bool) -> None:
        sees_all = sees_host_processes(host)
        self._is_good = is_outside or (sees_all and not is_task(host))
        self._err = err
        # Asked over the bus, systemd answers in a PID namespace too (known by 235; RHEL 7's 219 does so anyway).
        self.host = host if sees_all else host.with_variable("SYSTEMCTL_FORCE_BUS", "1")

    def run_outside(self, arguments: List[str], limit_s: int) -> Optional[int]:
        """Run this program with these arguments outside; None where it is to be done here."""
        if self._is_good:
            return None
        try:
            return run_outside(self.host, arguments, limit_s)
        except NotBegunError as error:
            self._err.write("done inside of this task, as it cannot be done outside: {}\n".format(error))
            return None


def compute_work_limit_s(wanted: Optional[Wanted]) -> int:
    """Compute how long a run may work on this host, in seconds: far above what any takes, so others wait as long."""
    waits_s = 0.0 if wanted is None else wanted.cluster_store.timeout_s + wanted.agent_restart.timeout_s
    return int(WORK_LIMIT_S + WAITS * waits_s)


def compute_limit_s(wanted: Optional[Wanted]) -> int:
    """Compute after which time systemd ends a run: it may have waited for another one."""
    return 2 * compute_work_limit_s(wanted)


def run_outside(host: Host, arguments: List[str], limit_s: int) -> int:
    """Run this program with these arguments outside, to its end, and return its exit status; its output is ours.

    Raises:
        NotBegunError: that is not possible here.
    """
    _check_systemd(host)
    ours, its = socket.socketpair()
    with ours:
        with its:
            command = build_command(host, arguments, limit_s)
            process = subprocess.Popen(command, env=host.build_tool_environment(), stdin=its.fileno())
        try:
            _hand_over(process, ours, build_order(host))
            return process.wait(limit_s + END_S)
        except subprocess.TimeoutExpired:
            sys.stderr.write("the run outside of this task does not end: it is left alone\n")
            return EXIT_FAILED
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _check_systemd(host: Host) -> None:
    if not systemd.runs(host):
        raise NotBegunError("systemd does not run this host")
    try:
        version = parse_version(host.run(["systemd-run", "--version"], QUERY_TIMEOUT_S).output)
    except ToolError as error:
        raise NotBegunError(str(error)) from error
    if version < FIRST_VERSION:
        raise NotBegunError("systemd {} is older than {}".format(version, FIRST_VERSION))


def parse_version(text: str) -> int:
    """Read the version in ``systemd 252 (252.39-1~deb12u1)``; 0 for none."""
    match = re.match(r"systemd (\d+)", text)
    return int(match.group(1)) if match else 0


def build_command(host: Host, arguments: List[str], limit_s: int) -> List[str]:
    """Build the command line: this program again, in the archive that it came in, or its package.

    Raises:
        NotBegunError: the host has no systemd-run.
    """
    archive = os.path.abspath(sys.argv[0])
    program = [archive] if zipfile.is_zipfile(archive) else ["-m", __name__.rpartition(".")[0]]
    variables = host.variables()
    try:
        tool = host.find_tool("systemd-run")
    except ToolError as error:
        raise NotBegunError(str(error)) from error
    return [
        *(tool, "--wait", "--pipe", "--quiet", "--collect"),
        "--description=calico-dcos: {}".format(" ".join(arguments)),
        "--property=RuntimeMaxSec={:d}".format(limit_s),
        *("--setenv={}={}".format(name, variables[name]) for name in NEEDED_BY_PYTHON if name in variables),
        *("--", sys.executable, *program, "--outside", *arguments),
    ]


def build_order(host: Host) -> bytes:
    """Build what the run is told: this program's whole environment, but for what makes it a task."""
    variables = {name: value for name, value in host.variables().items() if name not in TASK_VARIABLES}
    return json.dumps(variables).encode("ascii")


def _hand_over(process: "subprocess.Popen[bytes]", channel: socket.socket, order: bytes) -> None:
    """Send the order, and wait until it is taken; NotBegunError if it is not."""
    channel.settimeout(START_TIMEOUT_S)
    try:
        channel.sendall(order)
        channel.shutdown(socket.SHUT_WR)
    except OSError as error:
        raise NotBegunError("systemd-run takes no order ({})".format(error)) from error
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        # Looked at before the channel: what has ended after it had begun, has said so.
        has_ended = process.poll() is not None
        if select.select([channel], [], [], 0 if has_ended else POLL_S)[0] and channel.recv(1) == BEGUN:
            return
        if has_ended:
            raise NotBegunError("systemd-run ended with status {}".format(process.returncode))
    raise NotBegunError("systemd-run did not start it within {} s".format(START_TIMEOUT_S))


def take_order() -> Dict[str, str]:
    """Take the order of a run that was started outside, from its standard input, and say that it is begun.

    Raises:
        OrderError: there is none, or nobody waits for it any more.
    """
    try:
        with socket.fromfd(0, socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(START_TIMEOUT_S)
            order = parse_order(_receive(channel))
            channel.sendall(BEGUN)
    except OSError as error:
        raise OrderError("the order cannot be taken from standard input: {}".format(error)) from error
    return order


def _receive(channel: socket.socket) -> bytes:
    received = b""
    while len(received) <= ORDER_MAX_BYTES:
        part = channel.recv(1 << 16)
        if not part:
            return received
        received += part
    raise OrderError("the order is longer than {} bytes".format(ORDER_MAX_BYTES))


def parse_order(content: bytes) -> Dict[str, str]:
    """Read the variables of an order.

    Raises:
        OrderError: it is not understood.
    """
    try:
        return {str(name): str(value) for name, value in json.loads(content.decode("ascii")).items()}
    except (ValueError, AttributeError) as error:
        raise OrderError("the order is not understood: {}".format(error)) from error
