"""Reads the options of `docker run -d` into the body of the call that creates the container; pure."""

from collections.abc import Sequence
from typing import Any

_SWITCHES = frozenset({"-d", "--detach", "--privileged"})
_SHORT = {"-e": "--env", "-v": "--volume", "-l": "--label"}
_WITH_VALUE = frozenset({"--name", "--restart", "--net", "--network", "--pid", "--env", "--volume", "--label"})


class UsageError(Exception):
    """Docker does not understand the options; the message is Docker's."""


def parse_run(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Read the words after `docker run`: the container's name, empty if it has none, and the body.

    Raises:
        UsageError: an option is unknown, lacks its value, or there is no image.
    """
    switches, values, rest = _split(arguments)
    if not rest:
        raise UsageError('"docker run" requires at least 1 argument.')
    if not switches & {"-d", "--detach"}:
        raise UsageError("the stand-in runs containers in the background only: docker run -d")
    policy, _, count = (values.get("--restart") or ["no"])[-1].partition(":")
    network = values.get("--net", []) + values.get("--network", [])
    body = {
        "Image": rest[0],
        "Cmd": rest[1:] or None,
        "Env": values.get("--env", []),
        "Labels": dict(label.partition("=")[::2] for label in values.get("--label", [])),
        "HostConfig": {
            "Binds": values.get("--volume"),
            "NetworkMode": network[-1] if network else "default",
            "PidMode": (values.get("--pid") or [""])[-1],
            "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(count or 0)},
            "Privileged": "--privileged" in switches,
        },
    }
    return (values.get("--name") or [""])[-1], body


def _split(arguments: Sequence[str]) -> tuple[set[str], dict[str, list[str]], list[str]]:
    """Split into switches, options with their values, and the rest, which begins with the image."""
    switches: set[str] = set()
    values: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option, has_value, value = rest.pop(0).partition("=")
        option = _SHORT.get(option, option)
        if option in _SWITCHES:
            switches.add(option)
        elif option not in _WITH_VALUE:
            raise UsageError(f"unknown flag: {option}")
        elif not has_value and not rest:
            raise UsageError(f"flag needs an argument: {option}")
        else:
            values.setdefault(option, []).append(value if has_value else rest.pop(0))
    return switches, values, rest
