"""Docker's cluster store: what its URL says, and what was noted of the Docker that took it first from us.

A Docker keeps its networks in the first store that it was ever given, until its next start. One that was given another
by a reload shows that in ``/info`` and does not use it: the note tells a store that is used from one that is shown.
"""

import json
import re
from typing import List, NamedTuple, Optional

from .files import FileError, read_file, write_file
from .host import STATE_DIR, Host
from .systemd import Unit

NOTE_FILE = STATE_DIR + "/docker-store.json"
PORT = "2379"

# prefix: of every key in it; begins with a slash where it is not empty.
Etcd = NamedTuple("Etcd", [("addresses", List[str]), ("prefix", str)])
# pid, started: of the very process of Docker that took it.
Note = NamedTuple("Note", [("store", str), ("pid", int), ("started", str)])


def parse_store(url: str) -> Optional[Etcd]:
    """Read the URL of a store in etcd, ``etcd://host:port,host:port/prefix``; None for another kind of store."""
    match = re.match(r"etcd://([^/]+)(/.*)?$", url)
    if match is None:
        return None
    addresses = [address if ":" in address else "{}:{}".format(address, PORT) for address in match.group(1).split(",")]
    return Etcd(addresses, (match.group(2) or "").rstrip("/"))


def read_note(host: Host) -> Optional[Note]:
    """Read the note; one that is not readable notes nothing."""
    try:
        return Note(**json.loads((read_file(host.path(NOTE_FILE)) or b"null").decode("utf-8")))
    except (FileError, ValueError, TypeError):
        return None


def save_note(host: Host, store: str, unit: Unit) -> None:
    """Note that this process of Docker took the store as its first; FileError if that is not possible."""
    text = json.dumps(dict(Note(store, unit.main_pid, unit.started)._asdict()), sort_keys=True) + "\n"
    write_file(host, host.path(NOTE_FILE), text.encode("utf-8"))
