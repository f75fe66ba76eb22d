"""Facts: the words that Docker's daemon is started with, known whole or not at all."""

import glob
from typing import Dict, List, Union

from .. import systemd
from ..dockerd_options import find_given
from ..host import Host, ToolError
from ..pid_namespace import sees_host_processes
from ..unit_words import expand_words, find_names, parse_environment_file, split_words
from ..unknown import Unknown
from .daemon_json import DEFAULT_PATH
from .system import read_text

DAEMON_NAMES = ("dockerd", "dockerd-current", "dockerd-latest", "dockerd-ce")
# The same program was Docker's command and its daemon before 1.12: with this as its first argument.
COMMAND_NAMES, DAEMON_COMMANDS = ("docker", "docker-current", "docker-latest"), ("daemon", "-d", "--daemon")
FILE_BYTES_MAX = 1 << 20


def read_flags(host: Host, unit: Union[systemd.Unit, Unknown]) -> Union[List[str], Unknown]:
    """Read the daemon's words: those of the unit, then those of its process where they are seen and differ.

    Both count: the unit may have been edited since the daemon started.
    """
    if isinstance(unit, Unknown):
        return unit
    if not is_daemon(unit.argv):
        return Unknown("{} starts {!r}, which is not dockerd".format(unit.name, " ".join(unit.argv[:1])))
    if unit.needs_daemon_reload:
        return Unknown("the files of {} were edited, and systemd has not read them yet".format(unit.name))
    try:
        words = expand_words(unit.argv, _read_environment(host, unit))
    except (ValueError, ToolError) as error:
        return Unknown(str(error))
    process = read_process_words(unit.main_pid) if sees_host_processes(host) else []
    return words if process in ([], words) else words + process[1:]


def is_daemon(words: List[str]) -> bool:
    """Whether these words start Docker's daemon itself: ``dockerd``, or ``docker daemon`` as it was before 1.12."""
    name = words[0].rpartition("/")[2] if words else ""
    return name in DAEMON_NAMES or (name in COMMAND_NAMES and any(word in DAEMON_COMMANDS for word in words[1:]))


def _read_environment(host: Host, unit: systemd.Unit) -> Dict[str, str]:
    """Read what the unit's words refer to: files win over the unit's own assignments, and these over the manager's.

    Raises:
        ValueError: what a name stands for is not known.
        ToolError: systemd does not tell.
    """
    if isinstance(unit.environment, Unknown):
        raise ValueError(unit.environment.reason)  # noqa: TRY004  (one error for all faults)
    values = dict(assignment.partition("=")[::2] for assignment in unit.environment)
    for path in unit.environment_files:
        values.update(_read_files(host, path))
    unset = [name for name in find_names(unit.argv) if name not in values]
    for name in unset:
        if "export {}".format(name) in values:
            raise ValueError("{} is set by `export {}=`, which systemd does not take".format(name, name))
    if unset:
        manager = dict(line.partition("=")[::2] for line in systemd.read_manager_environment(host))
        values.update({name: "".join(split_words(manager[name])) for name in unset if name in manager})
    return values


def _read_files(host: Host, pattern: str) -> Dict[str, str]:
    """Read the environment files that a pattern names; one that is not there sets nothing."""
    values = {}  # type: Dict[str, str]
    for here in sorted(glob.glob(host.path(pattern))):
        text = read_text(here)
        if isinstance(text, Unknown):
            raise ValueError(text.reason)  # noqa: TRY004  (as above)
        if len(text) > FILE_BYTES_MAX:
            raise ValueError("{} is too large".format(pattern))
        try:
            values.update(parse_environment_file(text))
        except ValueError as error:
            raise ValueError("{}: {}".format(pattern, error)) from error
    return values


def read_process_words(pid: int) -> List[str]:
    """Read the command line of the main process; empty where that is not Docker."""
    cmdline = read_text("/proc/{}/cmdline".format(pid)) if pid else ""
    words = [] if isinstance(cmdline, Unknown) else cmdline.strip("\0").split("\0")
    return words if is_daemon(words) else []


def find_config_path(flags: Union[List[str], Unknown]) -> str:
    """Find where the daemon reads its file; ``--config-file`` moves it."""
    given = [] if isinstance(flags, Unknown) else find_given(flags).get("config-file", [])
    return next((path for path in given if path), DEFAULT_PATH)


def find_cluster_flags(flags: List[str]) -> List[str]:
    """Find the ``cluster-*`` options among the daemon's words, as they are called in its file."""
    return sorted(key for key in find_given(flags) if key.startswith("cluster-"))
