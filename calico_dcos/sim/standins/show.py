"""What `systemctl show` prints of a unit; pure."""

import os
import signal
import time
from collections.abc import Sequence

from calico_dcos.sim.standins.unit import Moment, UnitState
from calico_dcos.sim.standins.unit_file import UnitFile

_CODE_EXITED = 1  # CLD_EXITED
_CODE_KILLED = 2  # CLD_KILLED


def build_show(name: str, unit: tuple[UnitFile, UnitState] | None, *, wanted: Sequence[str], only_value: bool) -> str:
    """Build the lines for one unit; None for a unit that has no file.

    systemd prints properties in its own order, whatever the order in which they were asked for, and passes over those
    that it does not know.
    """
    properties = build_properties(*unit) if unit else build_missing(name)
    shown = {key: value for key, value in properties.items() if not wanted or key in wanted}
    return "".join(f"{value}\n" if only_value else f"{key}={value}\n" for key, value in shown.items())


def build_missing(name: str) -> dict[str, str]:
    """Build what systemd says of a unit that does not exist: it is no error."""
    return {
        "Restart": "no",
        "MainPID": "0",
        "Result": "success",
        "NRestarts": "0",
        **_build_times("ExecMainStartTimestamp", None),
        "Environment": "",
        "Id": name,
        "Names": name,
        "LoadState": "not-found",
        "ActiveState": "inactive",
        "SubState": "dead",
        "FragmentPath": "",
        **_build_times("ActiveEnterTimestamp", None),
        "CanReload": "no",
    }


def build_properties(file: UnitFile, state: UnitState) -> dict[str, str]:
    """Build the properties of a unit, in systemd's order."""
    active, sub = state.phase.value
    return {
        "Type": "notify" if file.waits_for_ready else "simple",
        "Restart": file.restart.value,
        "RestartUSec": format_span(file.restart_delay_s),
        "TimeoutStopUSec": format_span(file.stop_timeout_s),
        "MainPID": str(state.main_pid),
        "Result": state.result,
        "NRestarts": str(state.automatic_restarts),
        **_build_times("ExecMainStartTimestamp", state.started),
        **_build_times("ExecMainExitTimestamp", state.ended),
        "ExecMainPID": str(state.last_pid),
        "ExecMainCode": str(_get_exit_code(state)),
        "ExecMainStatus": str(_get_exit_status(state)),
        "ExecStart": _format_command(file.command, state),
        "Environment": " ".join(_quote(f"{name}={value}") for name, value in file.environment.items()),
        "KillMode": file.kill_mode.value,
        "Id": file.name,
        "Names": file.name,
        "LoadState": "loaded",
        "ActiveState": active,
        "SubState": sub,
        "FragmentPath": file.path,
        "UnitFileState": "enabled" if file.is_enabled else "static",
        **_build_times("ActiveEnterTimestamp", state.active_since),
        "CanReload": "yes" if file.reload_signal else "no",
        "StartLimitIntervalUSec": format_span(file.start_limit_interval_s),
        "StartLimitBurst": str(file.start_limit_burst),
        "InvocationID": state.invocation,
    }


def format_time(moment: Moment | None) -> str:
    """Format a time as systemd does: `Mon 2026-11-23 17:27:11 UTC`; empty for never."""
    return time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(moment.wall_s)) if moment else ""


def format_span(seconds: float) -> str:
    """Format a time span as systemd does: `1min 30s`, `100ms`, `0`."""
    minutes, rest_ms = divmod(round(seconds * 1000), 60_000)
    whole, ms = divmod(rest_ms, 1000)
    parts = [f"{minutes}min"] * bool(minutes) + [f"{whole}s"] * bool(whole) + [f"{ms}ms"] * bool(ms)
    return " ".join(parts) or "0"


def _build_times(name: str, moment: Moment | None) -> dict[str, str]:
    return {name: format_time(moment), f"{name}Monotonic": str(moment.monotonic_us if moment else 0)}


def _quote(word: str) -> str:
    """Quote a word that would not be one without; older versions of systemd escape its blanks instead."""
    return f'"{word}"' if " " in word else word


def _get_exit_code(state: UnitState) -> int:
    if state.ended is None:
        return 0
    return _CODE_KILLED if os.WIFSIGNALED(state.last_status) else _CODE_EXITED


def _get_exit_status(state: UnitState) -> int:
    status = state.last_status
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _format_command(command: Sequence[str], state: UnitState) -> str:
    return (
        f"{{ path={command[0]} ; argv[]={' '.join(command)} ; ignore_errors=no ; "
        f"start_time=[{format_time(state.started) or 'n/a'}] ; stop_time=[{format_time(state.ended) or 'n/a'}] ; "
        f"pid={state.last_pid} ; {_format_ending(state)} }}"
    )


def _format_ending(state: UnitState) -> str:
    status = _get_exit_status(state)
    match _get_exit_code(state):
        case 0:
            return "code=(null) ; status=0/0"
        case 1:
            return f"code=exited ; status={status}"
        case _:
            return f"code=killed ; status={status}/{signal.Signals(status).name.removeprefix('SIG')}"
