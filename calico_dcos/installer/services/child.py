"""A program that runs as our child: its last lines are kept, and it never outlives us."""

import ctypes
import signal
import subprocess
import threading
from collections import deque
from functools import partial
from typing import Dict, List, Optional, TextIO

from ..redaction import hide_secrets

TAIL_LINES = 20
LINE_MAX_BYTES = 1 << 14
GRACE_S = 5
# The kernel ends the child when its parent is gone, killed or not: it would keep the port.
PR_SET_PDEATHSIG = 1


class Child:
    """Starts the program with its construction; OSError if it cannot be started."""

    def __init__(self, argv: List[str], environment: Dict[str, str], log: TextIO) -> None:
        self._process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Loaded before the fork, after which it only calls: no lock is taken in the child.
            preexec_fn=partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),  # noqa: PLW1509
        )
        self._tail = deque(maxlen=TAIL_LINES)  # type: deque[str]
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()

    @property
    def status(self) -> Optional[int]:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def tail(self) -> str:
        """Return its last lines."""
        self._reader.join(timeout=1)
        return "\n".join(self._tail)

    def stop(self) -> None:
        """End it, by force after a while, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, log: TextIO) -> None:
        stdout = self._process.stdout
        for line in iter(lambda: stdout.readline(LINE_MAX_BYTES) if stdout is not None else b"", b""):
            text = hide_secrets(line.decode("utf-8", "replace").rstrip("\n"))
            self._tail.append(text)
            log.write(text + "\n")
