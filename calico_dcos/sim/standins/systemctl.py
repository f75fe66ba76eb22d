"""The systemctl stand-in: hands its call to the init of its host and prints the answer."""

import json
import os
import socket
import sys

_WITH_VALUE = {
    "-p": "properties", "--property": "properties",
    "-s": "signal_name", "--signal": "signal_name",
    "--kill-who": "only_main", "--kill-whom": "only_main",
}  # fmt: skip
_IGNORED = frozenset({"--no-pager", "--no-legend", "--quiet", "-q", "--full", "-l"})


def main(root: str) -> int:
    """Carry out the command line of this process on the host with this root."""
    request = parse_command_line(sys.argv[1:])
    if isinstance(request, str):
        print(request, file=sys.stderr)
        return 1
    try:
        answer = ask_init(root, request)
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
        OSError: the host is down.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.path.join(root, "run/stand-in/init.sock"))  # noqa: PTH118 - pathlib doubles the start-up time
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as lines:
            answer = json.loads(lines.readline())
    return answer["out"], answer["err"], answer["status"]
