"""Makes the kernel ready for calico-node, as ``calicoctl node run`` does, and puts back what was there before.

What was changed is noted first, with the boot in which it was: after another boot there is nothing to put back.
"""

import json
from typing import Any, Callable, Dict, List, Tuple

from .facts.kernel import (
    CONNTRACK_MAX,
    IPV4_FORWARDING,
    IPV6_FORWARDING,
    LOADABLE,
    LOADED,
    read_modules,
    read_setting,
)
from .facts.system import BOOT_ID_FILE, read_text
from .files import FileError, read_file, write_file
from .host import STATE_DIR, Host, ToolError
from .unknown import Unknown

NOTE_FILE = STATE_DIR + "/kernel.json"
CONNTRACK_MIN = 1000000
# What calicoctl sets, with whether calico-node is of no use without it. What is higher already is not lowered.
SETTINGS = ((IPV4_FORWARDING, 1, True), (IPV6_FORWARDING, 1, False), (CONNTRACK_MAX, CONNTRACK_MIN, False))
MODPROBE_TIMEOUT_S = 30

Note = Dict[str, Any]


class NotReadyError(Exception):
    """The kernel cannot be made ready; the message says why."""


def prepare_kernel(host: Host, tell: Callable[[str], None]) -> None:
    """Load the modules, and set what is not set yet.

    Raises:
        NotReadyError: the host cannot be made to forward.
    """
    _load_modules(host, tell)
    keep_settings(host, tell)


def keep_settings(host: Host, tell: Callable[[str], None]) -> None:
    """Set what is not set, or not any more; what calico-node can do without is told, and no more.

    Raises:
        NotReadyError: the host cannot be made to forward.
    """
    for path, wanted, is_needed in SETTINGS:
        current = read_setting(host, path)
        if isinstance(current, Unknown) or current >= wanted:
            continue  # the kernel has no such setting, or has it so already
        try:
            _set(host, path, current, wanted)
        except (FileError, OSError) as error:
            fault = "{} cannot be set to {}: {}".format(path, wanted, error)
            if is_needed:
                raise NotReadyError(fault) from error
            tell("warning: {}".format(fault))
            continue
        tell("set {} to {}, it was {}".format(path, wanted, current))


def _set(host: Host, path: str, current: int, wanted: int) -> None:
    note = _read_note(host)
    before = note["settings"].get(path, {}).get("before", current)
    note["settings"][path] = {"before": before, "set": wanted}
    _save_note(host, note)
    with open(host.path(path), "w", encoding="ascii") as file:
        file.write("{}\n".format(wanted))


def _load_modules(host: Host, tell: Callable[[str], None]) -> None:
    missing = [name for name, state in sorted(read_modules(host).items()) if state == LOADABLE]
    for name in missing:
        try:
            note = _read_note(host)
            _save_note(host, dict(note, modules=sorted({*note["modules"], name})))
            done = host.run(["modprobe", name], MODPROBE_TIMEOUT_S)
        except (ToolError, FileError, OSError) as error:
            tell("warning: module {} is not loaded: {}".format(name, error))
            continue
        told = "loaded module {}" if done.status == 0 else "warning: module {} is not loaded: {}"
        tell(told.format(name, done.output.strip()[:200]))


def plan_restoring(host: Host) -> List[Tuple[str, Callable[[], None]]]:
    """Plan what puts back what was there before; what somebody else has set since stays.

    Raises:
        FileError: the note cannot be read.
    """
    note = _read_note(host)
    deeds = []  # type: List[Tuple[str, Callable[[], None]]]
    for path, entry in sorted(note["settings"].items()):
        if read_setting(host, path) == entry["set"]:
            deeds.append(_plan_setting(host, path, entry["before"]))
    loaded = [name for name, state in read_modules(host).items() if state == LOADED]
    return deeds + [_plan_module(host, name) for name in note["modules"] if name in loaded]


def _plan_setting(host: Host, path: str, before: int) -> Tuple[str, Callable[[], None]]:
    def put_back() -> None:
        with open(host.path(path), "w", encoding="ascii") as file:
            file.write("{}\n".format(before))

    return "set {} to {}, as it was before".format(path, before), put_back


def _plan_module(host: Host, name: str) -> Tuple[str, Callable[[], None]]:
    def unload() -> None:
        try:
            host.run(["modprobe", "-r", name], MODPROBE_TIMEOUT_S)
        except ToolError:
            return  # it stays until the next boot, and is of no consequence

    return "unloaded module {}, unless something uses it".format(name), unload


def _read_note(host: Host) -> Note:
    """Read the note of this boot; FileError if it cannot be read."""
    boot = read_boot(host)
    try:
        note = json.loads((read_file(host.path(NOTE_FILE)) or b"{}").decode("utf-8"))
        if note.get("boot_id") != boot:
            return {"settings": {}, "modules": []}
        return {"settings": dict(note["settings"]), "modules": list(note["modules"])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError("{} is not understood: {!r}".format(NOTE_FILE, error)) from error


def _save_note(host: Host, note: Note) -> None:
    content = json.dumps(dict(note, boot_id=read_boot(host)), indent=2, sort_keys=True) + "\n"
    write_file(host, host.path(NOTE_FILE), content.encode("utf-8"))


def read_boot(host: Host) -> str:
    """Read which boot this is; empty where the kernel does not tell."""
    del host  # hosts that share a machine share its boots
    boot = read_text(BOOT_ID_FILE)
    return boot if isinstance(boot, str) else ""
