"""Which start of the Mesos agent was there before its CNI files changed, and so cannot have read them.

Clocks alone cannot tell: one that is set back makes an agent look older than the files it has read, which would be
restarted for the same change again and again, or younger than files it has never seen, which would never be restarted.
An agent that was started anew since is known by another time of start, whichever of the two is later.
"""

import json
from typing import NamedTuple, Optional

from .files import FileError, read_file, write_file
from .host import STATE_DIR, Host

UNREAD_FILE = STATE_DIR + "/unread.json"

Unread = NamedTuple("Unread", [("agent_start_epoch_s", float), ("files_changed_epoch_s", float)])


def read_unread(host: Host) -> Optional[Unread]:
    """Read the note; one that is not readable notes nothing."""
    try:
        return Unread(**json.loads((read_file(host.path(UNREAD_FILE)) or b"null").decode("utf-8")))
    except (FileError, ValueError, TypeError):
        return None


def save_unread(host: Host, unread: Unread) -> None:
    """Save the note; FileError if that is not possible."""
    text = json.dumps(dict(unread._asdict()), sort_keys=True) + "\n"
    write_file(host, host.path(UNREAD_FILE), text.encode("utf-8"))
