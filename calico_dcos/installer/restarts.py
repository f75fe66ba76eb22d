"""Which start of the Mesos agent is known to have read which files, where clocks alone would say that it has not.

A clock that is set back between a change and the restart leaves an agent that seems older than the files it has read.
Without this note it would be restarted for the same change again and again.
"""

import json
from typing import NamedTuple, Optional

from .files import FileError, read_file, write_file
from .host import STATE_DIR, Host

RESTART_FILE = STATE_DIR + "/agent-restart.json"

Restart = NamedTuple("Restart", [("agent_start_epoch_s", float), ("files_changed_epoch_s", float)])


def read_restart(host: Host) -> Optional[Restart]:
    """Read the note; one that is not readable notes nothing."""
    try:
        return Restart(**json.loads((read_file(host.path(RESTART_FILE)) or b"null").decode("utf-8")))
    except (FileError, ValueError, TypeError):
        return None


def save_restart(host: Host, restart: Restart) -> None:
    """Save the note; FileError if that is not possible."""
    text = json.dumps(dict(restart._asdict()), sort_keys=True) + "\n"
    write_file(host, host.path(RESTART_FILE), text.encode("utf-8"))
