"""Restarts that did not work out and were rolled back: none is tried twice on the same host for the same wanted state.

Without this note every further attempt would restart the service again, and once more to get back: a loop of restarts.
An operator who retries the agent, or changes what is wanted, makes the note void. Times are not compared: the clocks of
the scheduler and of its agents differ.
"""

import hashlib
import json
from typing import List, NamedTuple, Optional

from .files import FileError, read_file, remove_file, write_file
from .host import STATE_DIR, Host
from .wanted import Wanted

ROLLBACK_FILE = STATE_DIR + "/rolled-back.json"
DOCKER, MESOS_AGENT = "docker", "mesos-agent"

# restarted: docker or mesos-agent; wanted: fingerprint of what it was to take; retry: the word of which it had leave.
Rollback = NamedTuple("Rollback", [("restarted", str), ("wanted", str), ("retry", str), ("reason", str)])


def read_rollbacks(host: Host) -> List[Rollback]:
    """Read the notes; a file that is not readable notes nothing."""
    try:
        entries = json.loads((read_file(host.path(ROLLBACK_FILE)) or b"[]").decode("utf-8"))
        return [Rollback(**entry) for entry in entries]
    except (FileError, ValueError, TypeError):
        return []


def save_rollback(host: Host, restarted: str, wanted: Wanted, reason: str) -> List[str]:
    """Note a roll-back; where that is not possible, return what to tell."""
    note = Rollback(restarted, compute_fingerprint(wanted, restarted), wanted.retry, reason)
    try:
        _write(host, [entry for entry in read_rollbacks(host) if entry.restarted != restarted] + [note])
    except FileError as error:
        return ["that it was rolled back cannot be noted: {}".format(error)]
    return []


def forget_rollback(host: Host, step: str) -> None:
    """Forget the note of a step that is verified; FileError if that is not possible."""
    restarted = {"docker-cluster-store": DOCKER, "agent-restart": MESOS_AGENT}.get(step)
    notes = read_rollbacks(host)
    left = [entry for entry in notes if entry.restarted != restarted]
    if left == notes:
        return
    if left:
        _write(host, left)
    else:
        remove_file(host.path(ROLLBACK_FILE))


def find_rollback(notes: List[Rollback], restarted: str, wanted: Wanted) -> Optional[Rollback]:
    """Find the note that forbids a restart under this wanted state."""
    fingerprint = compute_fingerprint(wanted, restarted)
    for note in notes:
        if (note.restarted, note.wanted, note.retry) == (restarted, fingerprint, wanted.retry):
            return note
    return None


def compute_fingerprint(wanted: Wanted, restarted: str) -> str:
    """Compute the mark of what the service was to take: another network, store or patience deserves another try."""
    cni, store = wanted.cni, wanted.cluster_store
    parts = {
        DOCKER: [store.url, store.timeout_s],
        MESOS_AGENT: [cni.config, cni.config_dir, cni.plugins_dir, wanted.agent_restart.timeout_s],
    }[restarted]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()[:16]


def _write(host: Host, notes: List[Rollback]) -> None:
    text = json.dumps([dict(note._asdict()) for note in notes], indent=4, sort_keys=True) + "\n"
    write_file(host, host.path(ROLLBACK_FILE), text.encode("utf-8"))
