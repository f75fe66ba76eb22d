"""What a systemd unit file says, as far as the stand-in honours it; pure."""

import enum
import re
import shlex
import signal
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

UNIT_DIRECTORY = "etc/systemd/system"

_RELOAD_COMMAND = re.compile(r"/bin/kill -(?:s )?(?P<signal>[A-Z]+) \$MAINPID")
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0}


class Restart(enum.Enum):
    """When a unit is started again after its process ended by itself."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class KillMode(enum.Enum):
    """What a stop of the unit ends: its main process, or all that stems from it."""

    PROCESS = "process"
    CONTROL_GROUP = "control-group"


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A service unit."""

    name: str
    text: str
    command: tuple[str, ...]
    reload_signal: signal.Signals | None
    waits_for_ready: bool
    restart: Restart
    restart_delay_s: float
    start_limit_burst: int
    start_limit_interval_s: float
    stop_timeout_s: float
    kill_mode: KillMode
    environment: Mapping[str, str]
    is_enabled: bool

    @property
    def path(self) -> str:
        """Where the file lies, as the host sees it."""
        return f"/{UNIT_DIRECTORY}/{self.name}"

    @property
    def words(self) -> list[str]:
        """The command with `$NAME` replaced by the words of the unit's environment; an unset one is nothing."""
        return [
            part
            for word in self.command
            for part in (self.environment.get(word[1:], "").split() if word.startswith("$") else [word])
        ]


def parse_unit_file(name: str, text: str) -> UnitFile:
    """Read a unit file; what it does not set has systemd's default.

    Raises:
        ValueError: there is no ExecStart, or a setting has a form that the stand-in does not know.
    """
    settings = _parse_settings(text)

    def get(setting: str, default: str) -> str:
        return settings[setting][-1] if settings[setting] else default

    command = tuple(shlex.split(get("ExecStart", "")))
    if not command:
        raise ValueError(f"{name}: Service has no ExecStart= setting. Refusing.")
    return UnitFile(
        name=name,
        text=text,
        command=command,
        reload_signal=_parse_reload(get("ExecReload", "")),
        waits_for_ready=get("Type", "simple") == "notify",
        restart=Restart(get("Restart", "no")),
        restart_delay_s=parse_seconds(get("RestartSec", "100ms")),
        start_limit_burst=int(get("StartLimitBurst", "5")),
        start_limit_interval_s=parse_seconds(get("StartLimitIntervalSec", get("StartLimitInterval", "10s"))),
        stop_timeout_s=parse_seconds(get("TimeoutStopSec", "90s")),
        kill_mode=KillMode(get("KillMode", "control-group")),
        environment=dict(entry.partition("=")[::2] for line in settings["Environment"] for entry in shlex.split(line)),
        is_enabled=bool(settings["WantedBy"]),
    )


def parse_seconds(text: str) -> float:
    """Read a time span as unit files have it: `5`, `100ms`, `60s`, `2min`.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"([0-9.]+)\s*([a-z]*)", text)
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f"Invalid time span: {text}")
    return float(match[1]) * _SECONDS[match[2]]


def _parse_settings(text: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        if "=" in line and not line.startswith(("#", ";", "[")):
            setting, _, value = line.partition("=")
            settings[setting.strip()].append(value.strip())
    return settings


def _parse_reload(command: str) -> signal.Signals | None:
    if not command:
        return None
    match = _RELOAD_COMMAND.fullmatch(command)
    if match is None:
        raise ValueError(f"Unsupported ExecReload: {command}")
    return signal.Signals[f"SIG{match['signal']}"]
