"""Takes over from a calico-node of somebody else's: notes it whole, switches off what starts it, and takes it away."""

from typing import Callable

from ..adoption import NOTE_FILE, Adopted, build_create_body, save_note
from ..docker_api import NoSuchObjectError, read_container
from ..facts.theirs import Theirs
from ..host import Host, ToolError
from ..steps.work import StepError
from .container import remove_container

UNIT_TIMEOUT_S = 120


def adopt(host: Host, theirs: Theirs, tell: Callable[[str], None]) -> None:
    """Take the container away; ours follows. Killed at any moment and run again, it goes on.

    Raises:
        StepError: what starts it cannot be switched off.
        DockerAwayError, FileError: it cannot be read, noted or removed.
    """
    unit = (theirs.starter or "").partition("unit ")[2]
    adopted = Adopted(theirs.container, theirs.name, theirs.address, theirs.as_number, unit)
    try:
        body = build_create_body(read_container(host, theirs.container))
    except NoSuchObjectError:
        return  # it went meanwhile
    save_note(host, adopted, body)
    tell("noted the calico-node that was here in {}".format(NOTE_FILE))
    if unit:
        _switch_off(host, unit)
        tell("switched off {}, which started it".format(unit))
    remove_container(host, theirs.container)
    tell("took container {} away; its name, address and AS number are kept".format(theirs.container))


def _switch_off(host: Host, unit: str) -> None:
    try:
        done = host.run(["systemctl", "disable", "--now", unit], UNIT_TIMEOUT_S)
    except ToolError as error:
        raise StepError("{} cannot be switched off: {}".format(unit, error)) from error
    if done.status != 0:
        raise StepError("{} cannot be switched off: {}".format(unit, done.output.strip()[-300:]))
