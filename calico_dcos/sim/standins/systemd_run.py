"""The systemd-run stand-in: has its host's init run a command, with the caller's own input and outputs if asked for."""

import json
import os
import socket
import sys

from calico_dcos.sim.standins.systemctl import SOCKET as PRIVATE_SOCKET
from calico_dcos.sim.standins.systemctl import checks_peer, is_peer_unseen, read_systemd_version

BUS_SOCKET = "run/dbus/system_bus_socket"

# The first version of systemd that knows each option; those not named are older than any that counts.
_FLAGS = {"--wait": 232, "--pipe": 235, "--collect": 236, "--quiet": 0}
_WITH_VALUE = {"--description": "description", "--property": "properties", "--setenv": "environment", "--unit": "unit"}
_FDS = (0, 1, 2)


def main(root: str) -> int:
    """Carry out the command line of this process on the host with this root."""
    version = read_systemd_version(root)
    if sys.argv[1:] == ["--version"]:
        print(f"systemd {version} ({version}.1-stand-in)")
        return 0
    request = parse_command_line(sys.argv[1:], version)
    if isinstance(request, str):
        print(request, file=sys.stderr)
        return 1
    try:
        return _run(root, request)
    except OSError as error:
        print(f"Failed to connect to bus: {error.strerror}", file=sys.stderr)
        return 1


def parse_command_line(arguments: list[str], version: int) -> dict[str, object] | str:
    """Turn arguments into a request, or into what systemd-run of this version says of a wrong one."""
    lists: dict[str, list[str]] = {"properties": [], "environment": []}
    flags: set[str] = set()
    texts: dict[str, str] = {"description": "", "unit": ""}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        option, _, value = rest.pop(0).partition("=")
        if option in _WITH_VALUE:
            name = _WITH_VALUE[option]
            if name in lists:
                lists[name].append(value)
            else:
                texts[name] = value
        elif option in _FLAGS and _FLAGS[option] <= version:
            flags.add(option)
        else:
            return f"systemd-run: unrecognized option '{option}'"
    command = rest[1:] if rest[:1] == ["--"] else rest
    if not command:
        return "Command line to execute required."
    return {"argv": command, "waits": "--wait" in flags, "pipes": "--pipe" in flags, **lists, **texts}


def _run(root: str, request: dict[str, object]) -> int:
    """Have it run; with --wait over the bus, else over the private socket: systemd does so too."""
    if not request["waits"]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as private:
            private.connect(os.path.join(root, PRIVATE_SOCKET))  # noqa: PTH118 - pathlib doubles the start-up time
            if is_peer_unseen(private) and checks_peer(root):
                print("Failed to connect to bus: No data available", file=sys.stderr)
                return 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bus:
        bus.connect(os.path.join(root, BUS_SOCKET))  # noqa: PTH118 - pathlib doubles the start-up time
        line = json.dumps({**request, "tool_argv": ["systemd-run", *sys.argv[1:]]}).encode() + b"\n"
        sent = socket.send_fds(bus, [line], _FDS if request["pipes"] else ())
        bus.sendall(line[sent:])
        with bus.makefile() as answers:
            answer = json.loads(answers.readline())
    sys.stderr.write(answer["err"])
    status: int = answer["status"]
    return status
