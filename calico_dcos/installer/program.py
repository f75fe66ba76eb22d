"""Runs a program to its end or to its timeout, whatever its children do, and keeps of its output what can be read."""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, TypeVar

CHUNK_BYTES = 1 << 16
# Of a longer output, the first and the last half of this.
OUTPUT_MAX_BYTES = 2 << 20
LEFT_OUT = b"\n(... left out ...)\n"
# How often a program is looked at that says nothing.
POLL_S = 0.1
# A program that was killed is gone at once, unless the kernel holds it.
KILL_GRACE_S = 1.0

Kept = TypeVar("Kept")
Completed = NamedTuple("Completed", [("status", int), ("output", str)])


class ToolError(Exception):
    """A tool of the host is missing, could not be started, or did not end in time."""


def run_program(argv: List[str], environment: Dict[str, str], timeout_s: float) -> Completed:
    """Run a program to its end; its output is stdout and stderr together.

    It leads a session of its own. At the timeout that whole session is killed, and nobody is waited for who left it:
    a child that keeps the pipe open holds up neither the timeout nor the end of a program that has ended.

    Raises:
        ToolError: it cannot be started, or takes longer than timeout_s.
    """
    kept = bytearray()

    def keep(chunks: Iterable[bytes]) -> bytearray:
        for chunk in chunks:
            kept.extend(chunk)
            if len(kept) > 2 * OUTPUT_MAX_BYTES:
                _shorten(kept)
        return kept

    status, output = _run(argv, environment, timeout_s, keep)
    return Completed(status, output.decode("utf-8", "replace"))


def filter_program(
    argv: List[str], environment: Dict[str, str], timeout_s: float, keep: Callable[[Iterable[bytes]], Optional[Kept]]
) -> Tuple[int, Optional[Kept]]:
    """Run a program as above, and return its status with what keep makes of its lines; at None, the program is ended.

    Raises:
        ToolError: as above.
    """
    return _run(argv, environment, timeout_s, lambda chunks: keep(_split_lines(chunks)))


def _run(
    argv: List[str], environment: Dict[str, str], timeout_s: float, keep: Callable[[Iterable[bytes]], Kept]
) -> Tuple[int, Kept]:
    deadline = time.monotonic() + timeout_s
    try:
        process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError("{} cannot be run: {}".format(argv[0], error.strerror)) from error
    try:
        kept = keep(_read_chunks(process, deadline))
        status = -1 if kept is None else _wait(process, max(0.0, deadline - time.monotonic()))
    finally:
        _end(process)
    if status is None:
        raise ToolError("{} did not end within {:g} s".format(" ".join(argv), timeout_s))
    return status, kept


def _read_chunks(process: "subprocess.Popen[bytes]", deadline: float) -> Iterator[bytes]:
    """Read until everybody has closed the pipe, the program has ended and says no more, or the deadline."""
    if process.stdout is None:
        return
    descriptor = process.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        left_s = deadline - time.monotonic()
        has_ended = process.poll() is not None
        if left_s <= 0:
            return
        if not poll.poll(min(left_s, POLL_S) * 1000):
            if has_ended:
                return
            continue
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split into lines; one of very great length comes in pieces."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        yield from lines
        if len(rest) > OUTPUT_MAX_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def _shorten(kept: bytearray) -> None:
    half = OUTPUT_MAX_BYTES // 2
    kept[half:-half] = LEFT_OUT


def _wait(process: "subprocess.Popen[bytes]", timeout_s: float) -> Optional[int]:
    try:
        return process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what still runs, and wait only for so long as that takes."""
    if process.stdout is not None:
        process.stdout.close()
    if process.returncode is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        _wait(process, KILL_GRACE_S)
