"""What systemctl answers: one function for each of its verbs, run by the host's init on its units."""

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from calico_dcos.sim.standins.deeds import record_deed
from calico_dcos.sim.standins.show import build_show
from calico_dcos.sim.standins.unit import JobResult, Phase, Unit

_NOT_RUNNING = 3  # systemctl's exit statuses, after those of LSB
_NOT_APPLICABLE = 3
_NOT_INSTALLED = 5


@dataclass(frozen=True, slots=True)
class Request:
    """A call of systemctl."""

    verb: str
    units: tuple[str, ...]
    argv: tuple[str, ...]
    properties: tuple[str, ...] = ()
    only_value: bool = False
    signal_name: str = "TERM"
    only_main: bool = False
    waits: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What systemctl prints and exits with."""

    out: str = ""
    err: str = ""
    status: int = 0


class Units(Protocol):
    """The units of a host."""

    root: Path

    def find(self, name: str) -> Unit | None:
        """Find a unit by its full name; None if it has no file."""

    def reload_files(self) -> None:
        """Read the unit files again."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The verbs, over the units of a host; each is called with the host's lock held."""

    units: Units
    verbs: Mapping[str, Callable[[Request, str], Answer]] = field(init=False)

    def __post_init__(self) -> None:
        verbs = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reload": self._reload,
            "kill": self._kill,
            "reset-failed": self._reset_failed,
            "is-active": self._is_active,
            "is-failed": self._is_failed,
            "cat": self._cat,
            "show": self._show,
        }
        object.__setattr__(self, "verbs", verbs)

    def run(self, request: Request) -> Answer:
        """Carry out a request, unit by unit, as systemctl does; the last failure is the exit status."""
        if request.verb == "daemon-reload":
            self.units.reload_files()
            return Answer()
        if request.verb == "show-environment":
            return Answer(out="LANG=C.UTF-8\n")
        if request.verb not in self.verbs:
            return Answer(err=f"Unknown command verb {request.verb}.\n", status=1)
        if not request.units:
            return Answer(err="Too few arguments.\n", status=1)
        answers = [self.verbs[request.verb](request, complete_name(name)) for name in request.units]
        separator = "\n" if request.verb in ("show", "cat") else ""
        return Answer(
            out=separator.join(answer.out for answer in answers),
            err="".join(answer.err for answer in answers),
            status=next((answer.status for answer in reversed(answers) if answer.status), 0),
        )

    def _start(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return _build_not_found("start", name)
        if unit.state.phase not in (Phase.RUNNING, Phase.STARTING):
            self._record(request, f"started {name}")
        return self._report_start(request, name, unit.start())

    def _stop(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return _build_not_found("stop", name)
        self._record(request, f"stopped {name}")
        unit.stop()
        return Answer()

    def _restart(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return _build_not_found("restart", name)
        self._record(request, f"restarted {name}")
        return self._report_start(request, name, unit.restart())

    def _reload(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return _build_not_found("reload", name)
        if unit.file.reload_signal is None:
            reason = f"Job type reload is not applicable for unit {name}."
            return Answer(err=f"Failed to reload {name}: {reason}\n", status=_NOT_APPLICABLE)
        if not unit.send(unit.file.reload_signal, only_main=True):
            return Answer(err=f"{name} is not active, cannot reload.\n", status=1)
        self._record(request, f"reloaded {name}")
        return Answer()

    def _kill(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return Answer(err=f"Failed to kill unit {name}: Unit {name} not loaded.\n", status=1)
        number = signal.Signals[f"SIG{request.signal_name.removeprefix('SIG')}"]
        if not unit.send(number, only_main=request.only_main):
            return Answer(err=f"Failed to kill unit {name}: No main process to kill\n", status=1)
        is_reload = number is signal.SIGHUP and request.only_main  # all that reload does
        self._record(request, f"reloaded {name}" if is_reload else f"sent {number.name} to {name}")
        return Answer()

    def _reset_failed(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return Answer(err=f"Failed to reset failed state of unit {name}: Unit {name} not loaded.\n", status=1)
        unit.reset_failed()
        self._record(request, f"cleared the start limit of {name}")
        return Answer()

    def _is_active(self, _request: Request, name: str) -> Answer:
        active = self._get_active_state(name)
        return Answer(out=f"{active}\n", status=0 if active == "active" else _NOT_RUNNING)

    def _is_failed(self, _request: Request, name: str) -> Answer:
        active = self._get_active_state(name)
        return Answer(out=f"{active}\n", status=0 if active == "failed" else 1)

    def _cat(self, _request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        if unit is None:
            return Answer(err=f"No files found for {name}.\n", status=1)
        return Answer(out=f"# {unit.file.path}\n{unit.file.text}")

    def _show(self, request: Request, name: str) -> Answer:
        unit = self.units.find(name)
        known = (unit.file, unit.state) if unit else None
        return Answer(out=build_show(name, known, wanted=request.properties, only_value=request.only_value))

    def _get_active_state(self, name: str) -> str:
        unit = self.units.find(name)
        return unit.state.phase.value[0] if unit else "inactive"

    def _report_start(self, request: Request, name: str, result: JobResult) -> Answer:
        if result is JobResult.DONE:
            return Answer()
        self._record(request, f"failed to start {name}")
        see = f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.\n'
        way_out = f'To force a start use "systemctl reset-failed {name}"\nfollowed by "systemctl start {name}" again.\n'
        explanation = see + (way_out if result is JobResult.LIMITED else "")
        return Answer(err=f"Job for {name} failed {result.value}.\n{explanation}", status=1)

    def _record(self, request: Request, effect: str) -> None:
        record_deed(self.units.root, tool="systemctl", argv=request.argv, effect=effect)


def complete_name(name: str) -> str:
    """Add the suffix that systemctl lets one leave out."""
    return name if "." in name else f"{name}.service"


def parse_request(line: str | bytes) -> Request:
    """Read a request as the systemctl stand-in sends it: one JSON object whose keys are those of Request."""
    fields: dict[str, Any] = json.loads(line)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Request(**values)


def _build_not_found(verb: str, name: str) -> Answer:
    return Answer(err=f"Failed to {verb} {name}: Unit {name} not found.\n", status=_NOT_INSTALLED)
