"""Facts: BIRD, Calico's BGP daemon, by its control socket: with whom it has sessions, and how far they are."""

import re
import socket
import time
from typing import List, NamedTuple, Tuple, Union

from ..host import Host
from ..unknown import Unknown
from ..web import connect_unix

BGP_PORT = 179
SOCKET = "/var/run/calico/bird.ctl"
COMMAND = b"show protocols\n"
TIMEOUT_S = 2
# A thousand sessions take some 80 KB.
REPLY_MAX_BYTES = 2 << 20
ESTABLISHED = "Established"
# In the words of BIRD 1.6.
STATES = (ESTABLISHED, "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Close", "Passive")
# So Calico's template names a session: after its kind, and the address of the other end.
NAME = re.compile(r"(Mesh|Global|Node)_(\d+)_(\d+)_(\d+)_(\d+)$")
# Name, protocol, table, state, since when (a time, a date, or both), and what the protocol adds.
ROW = re.compile(r"\s*(\S+)\s+BGP\s+\S+\s+(\S+)\s+(\S+(?: \d\d:\d\d:\d\d)?)\s*(.*)$")
# The last line of a reply: its code, and no hyphen after it.
LAST_LINE = re.compile(r"(\d{4})(?: (.*))?$")
FIRST_ERROR = "8000"

# kind: Mesh, Global or Node; detail: what BIRD adds, such as the last error.
Session = NamedTuple("Session", [("kind", str), ("peer", str), ("state", str), ("since", str), ("detail", str)])
# is_up: whether it answers; detail: its version, or why it does not.
Bird = NamedTuple("Bird", [("is_up", Union[bool, Unknown]), ("detail", str), ("sessions", List[Session])])


class NotBirdError(Exception):
    """What answers does not speak BIRD's protocol, or refuses."""


def read_bird(host: Host) -> Bird:
    """Ask BIRD for its sessions; what it is asked changes nothing."""
    try:
        greeting, rows = ask_bird(host.path(SOCKET))
    except socket.timeout:
        return Bird(Unknown("BIRD does not answer on {} within {} s".format(SOCKET, TIMEOUT_S)), "", [])
    except NotBirdError as error:
        return Bird(Unknown("BIRD's answer on {} is not understood: {}".format(SOCKET, error)), "", [])
    except OSError as error:
        return Bird(is_up=False, detail="{}: {}".format(SOCKET, error.strerror or error), sessions=[])
    return Bird(is_up=True, detail=greeting, sessions=parse_sessions(rows))


def ask_bird(path: str) -> Tuple[str, List[str]]:
    """Return BIRD's greeting, and the lines of its answer.

    Raises:
        OSError: there is no socket, nobody listens on it, or not in time.
        NotBirdError: what answers makes no sense.
    """
    with connect_unix(path, TIMEOUT_S) as channel:
        lines = _Lines(channel)
        greeting = lines.read_reply()[-1]
        channel.sendall(COMMAND)
        return greeting, lines.read_reply()


class _Lines:
    """Reads replies, line by line, bounded in time and size."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._deadline_s = time.monotonic() + TIMEOUT_S
        self._left_bytes = REPLY_MAX_BYTES
        self._buffer = b""

    def read_reply(self) -> List[str]:
        """Read up to the line that ends a reply; codes are left out."""
        texts = []
        while True:
            line = self._read_line()
            last = LAST_LINE.match(line)
            texts.append((last.group(2) or "").strip() if last else re.sub(r"^\d{4}-", "", line))
            if last is None:
                continue
            if last.group(1) >= FIRST_ERROR:
                raise NotBirdError(repr(line))
            return texts

    def _read_line(self) -> str:
        while b"\n" not in self._buffer:
            left_s = self._deadline_s - time.monotonic()
            if left_s <= 0:
                raise socket.timeout
            self._channel.settimeout(left_s)
            piece = self._channel.recv(1 << 16)
            self._left_bytes -= len(piece)
            if not piece or self._left_bytes < 0:
                raise NotBirdError("it ends with {!r}".format(self._buffer[-100:]) if not piece else "it has no end")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip()


def parse_sessions(rows: List[str]) -> List[Session]:
    """Read the sessions in the rows of ``show protocols``; those that Calico did not name are somebody else's."""
    found = []
    for row in rows:
        match = ROW.match(row)
        name = NAME.match(match.group(1)) if match else None
        if match is None or name is None:
            continue
        word, _, detail = match.group(4).partition(" ")
        # Without such a word it is switched off (down), or has not begun.
        state = word if word in STATES else match.group(2)
        detail = detail.strip() if word in STATES else match.group(4).strip()
        found.append(Session(name.group(1), ".".join(name.groups()[1:]), state, match.group(3), detail))
    return found
