"""The systemctl stand-in: hands its call to the init of its host and prints the answer."""

import json
import os
import socket
import struct
import sys

_WITH_VALUE = {
    "-p": "properties", "--property": "properties",
    "-s": "signal_name", "--signal": "signal_name",
    "--kill-who": "only_main", "--kill-whom": "only_main",
}  # fmt: skip
_IGNORED = frozenset({"--no-pager", "--no-legend", "--quiet", "-q", "--full", "-l"})


SOCKET = "run/systemd/private"

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_FIRST_THAT_CHECKS = 220  # RHEL 7's 219 does not
_FIRST_WITH_FORCE_BUS = 235  # or before: it is in the documentation of that version


class NoDataError(Exception):
    """The peer of the private socket is not seen: ENODATA, to systemctl."""


def main(root: str) -> int:
    """Carry out the command line of this process on the host with this root."""
    request = parse_command_line(sys.argv[1:])
    if isinstance(request, str):
        print(request, file=sys.stderr)
        return 1
    try:
        answer = ask_init(root, request)
    except NoDataError:
        print("Failed to connect to bus: No data available", file=sys.stderr)
        return 1
    except OSError:
        print("System has not been booted with systemd as init system (PID 1). Can't operate.", file=sys.stderr)
        print("Failed to connect to bus: Host is down", file=sys.stderr)
        return 1
    out, err, status = answer
    if "--quiet" not in sys.argv and "-q" not in sys.argv:
        sys.stdout.write(out)
    sys.stderr.write(err)
    return status


def parse_command_line(arguments: list[str]) -> dict[str, object] | str:
    """Turn arguments into a request, or into what systemctl says of a wrong one."""
    request: dict[str, object] = {"argv": ["systemctl", *arguments]}
    words: list[str] = []
    properties: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        option, has_value, value = argument.partition("=")
        if argument[:2] in ("-p", "-s") and len(argument) > len("-p"):
            option, has_value, value = argument[:2], "=", argument[2:]
        if not argument.startswith("-"):
            words.append(argument)
        elif option in _WITH_VALUE:
            value = value if has_value else next(rest, "")
            if _WITH_VALUE[option] == "properties":
                properties += value.split(",")
            else:
                request[_WITH_VALUE[option]] = value == "main" if "kill" in option else value
        elif argument == "--value":
            request["only_value"] = True
        elif argument == "--no-block":
            request["waits"] = False
        elif argument not in _IGNORED:
            return f"systemctl: unrecognized option '{argument}'"
    if not words:
        return "systemctl: the stand-in needs a verb"
    return {**request, "verb": words[0], "units": words[1:], "properties": properties}


def ask_init(root: str, request: dict[str, object]) -> tuple[str, str, int]:
    """Send a request to the host's init and wait for its answer: what to print, on stderr too, and the exit status.

    Raises:
        NoDataError: the host's init has no number in the PID namespace of this process.
        OSError: the host is down.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.path.join(root, SOCKET))  # noqa: PTH118 - pathlib doubles the start-up time
        if is_peer_unseen(connection) and checks_peer(root):
            raise NoDataError
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as lines:
            answer = json.loads(lines.readline())
    return answer["out"], answer["err"], answer["status"]


def is_peer_unseen(connection: socket.socket) -> bool:
    """Tell whether the process at the other end has no number in the PID namespace of this one."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(credentials)[0] == 0)


def checks_peer(root: str) -> bool:
    """Tell whether this systemctl minds that: told to talk over the bus instead, it has no need to."""
    version = read_systemd_version(root)
    is_forced = os.environ.get("SYSTEMCTL_FORCE_BUS") == "1" and version >= _FIRST_WITH_FORCE_BUS
    return version >= _FIRST_THAT_CHECKS and not is_forced


def read_systemd_version(root: str) -> int:
    """Read which systemd this host has."""
    with open(os.path.join(root, "etc/stand-in.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - pathlib doubles the start-up time
        version: int = json.load(file)["systemd_version"]
    return version
