"""A unit of a simulated host: its state, and the jobs that start, stop and reload its process."""

import contextlib
import enum
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calico_dcos.sim.standins.deeds import record_deed
from calico_dcos.sim.standins.journal import Journal
from calico_dcos.sim.standins.process_tree import has_in_environment, list_descendants, send_signal
from calico_dcos.sim.standins.unit_file import KillMode, Restart, UnitFile

RUN_DIRECTORY = "run/stand-in"
UNIT_VARIABLE = "STAND_IN_UNIT"  # in the environment of a unit's processes: stands for their control group

UNIT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# At their defaults, as systemd has them: a shell cannot trap what was ignored when it began, as SIGHUP is below nohup.
SIGNALS_AT_START = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
_CLEAN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE})
_EXEC_FAILED = 203  # systemd's status of a process that could not be executed


class Phase(enum.Enum):
    """ActiveState and SubState."""

    DEAD = ("inactive", "dead")
    STARTING = ("activating", "start")
    RUNNING = ("active", "running")
    STOPPING = ("deactivating", "stop-sigterm")
    AWAITING_RESTART = ("activating", "auto-restart")
    FAILED = ("failed", "failed")


class JobResult(enum.Enum):
    """How a start ended, in the words that systemctl has for it."""

    DONE = "done"
    EXITED = "because the control process exited with error code"
    LIMITED = "because start of the service was attempted too often"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time on both of systemd's clocks."""

    wall_s: float
    monotonic_us: int


@dataclass(frozen=True, slots=True)
class UnitState:
    """What `systemctl show` tells of a unit beyond its file."""

    phase: Phase = Phase.DEAD
    result: str = "success"
    main_pid: int = 0
    last_pid: int = 0
    last_status: int = 0  # as waitpid gives it
    automatic_restarts: int = 0
    invocation: str = ""
    started: Moment | None = None
    ended: Moment | None = None
    active_since: Moment | None = None


def read_now() -> Moment:
    """Read both clocks."""
    return Moment(time.time(), time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)


class Unit:
    """A unit. Every method is called with the host's lock held, and lets go of it only to wait."""

    def __init__(self, file: UnitFile, *, root: Path, lock: threading.Condition, is_hybrid: bool) -> None:
        self.file = file
        self.state = UnitState()
        self._root = root
        self._lock = lock
        self._journal = Journal(root)
        self._is_hybrid = is_hybrid
        self._has_job = False
        self._restart_timer: threading.Timer | None = None
        self._limit_window: tuple[float, int] = (0.0, 0)

    @property
    def notify_path(self) -> Path:
        """The socket on which the process of a Type=notify unit says that it is ready."""
        return self._root / RUN_DIRECTORY / f"{self.file.name}.notify"

    def start(self) -> JobResult:
        """Start the unit unless it runs; return when it is ready."""
        with self._job():
            return JobResult.DONE if self.state.phase is Phase.RUNNING else self._start()

    def stop(self) -> None:
        """Stop the unit; return when its process has ended."""
        with self._job():
            self._stop()

    def restart(self) -> JobResult:
        """Stop the unit and start it."""
        with self._job():
            self._stop()
            return self._start()

    def send(self, number: signal.Signals, *, only_main: bool) -> bool:
        """Signal the unit's processes; False if it has none."""
        members = [self.state.main_pid] if only_main else self._list_members()
        for pid in members:
            if pid:
                send_signal(pid, number)
        return any(members)

    def reset_failed(self) -> None:
        """Forget failures and the count of starts."""
        self._limit_window = (0.0, 0)
        is_failed = self.state.phase is Phase.FAILED
        phase = Phase.DEAD if is_failed else self.state.phase
        self._become(phase, result="success", automatic_restarts=0)

    def on_ready(self) -> None:
        """The process said that it is ready."""
        if self.state.phase is Phase.STARTING:
            self._become(Phase.RUNNING, active_since=read_now())
            self._log(f"Started {self.file.name}.")

    def on_exit(self, status: int) -> None:
        """The main process ended; `status` is as waitpid gives it."""
        was_stopped = self.state.phase is Phase.STOPPING
        is_failure = status != 0 and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) in _CLEAN_SIGNALS)
        self.state = replace(self.state, main_pid=0, last_status=status, ended=read_now())
        for pid in self._list_members():
            send_signal(pid, signal.SIGKILL)
        if was_stopped:
            self._become(Phase.DEAD, result="success")
            self._log(f"Stopped {self.file.name}.")
            return
        self._log(f"{self.file.name}: Main process exited, {describe_status(status)}")
        result = "success" if not is_failure else "signal" if os.WIFSIGNALED(status) else "exit-code"
        if self.file.restart is Restart.ALWAYS or (self.file.restart is Restart.ON_FAILURE and is_failure):
            self._become(Phase.AWAITING_RESTART, result=result)
            self._schedule_restart()
        else:
            self._become(Phase.FAILED if is_failure else Phase.DEAD, result=result)

    def _start(self) -> JobResult:
        self._cancel_restart()
        if not self._count_start():
            self._log(f"{self.file.name}: Start request repeated too quickly.")
            self._become(Phase.FAILED, result="start-limit-hit")
            return JobResult.LIMITED
        self._spawn()
        self._lock.wait_for(lambda: self.state.phase is not Phase.STARTING)
        has_started = self.state.phase is Phase.RUNNING or not self.file.waits_for_ready
        return JobResult.DONE if has_started else JobResult.EXITED

    def _stop(self) -> None:
        self._cancel_restart()
        if not self.state.main_pid:
            self._become(Phase.FAILED if self.state.phase is Phase.FAILED else Phase.DEAD)
            return
        self._become(Phase.STOPPING)
        self.send(signal.SIGTERM, only_main=False)
        if not self._lock.wait_for(lambda: not self.state.main_pid, timeout=self.file.stop_timeout_s):
            self._log(f"{self.file.name}: State 'stop-sigterm' timed out. Killing.")
            self.send(signal.SIGKILL, only_main=False)
            self._lock.wait_for(lambda: not self.state.main_pid)

    def _spawn(self) -> None:
        now, invocation = read_now(), uuid.uuid4().hex
        output, its_end = os.pipe()
        try:
            pid = self._execute(invocation, its_end)
        except OSError as error:
            os.close(output)
            self._log(f"{self.file.name}: Failed to execute {self.file.command[0]}: {error.strerror}")
            self._become(Phase.STARTING)
            self.on_exit(_EXEC_FAILED << 8)
            return
        finally:
            os.close(its_end)
        source = f"{Path(self.file.command[0]).name}[{pid}]"
        threading.Thread(target=self._journal.copy, args=(self.file.name, source, output), daemon=True).start()
        is_ready = not self.file.waits_for_ready
        self._become(
            Phase.RUNNING if is_ready else Phase.STARTING,
            result="success",
            main_pid=pid,
            last_pid=pid,
            invocation=invocation,
            started=now,
            ended=None,
            active_since=now if is_ready else None,
        )
        self._log(f"{'Started' if is_ready else 'Starting'} {self.file.name}.")

    def _execute(self, invocation: str, output: int) -> int:
        program, *arguments = self.file.words
        own = self._root / program.lstrip("/")
        path = str(own) if own.exists() else program
        return os.posix_spawn(
            path,
            [path, *arguments],
            self._build_environment(invocation),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=SIGNALS_AT_START,
        )

    def _build_environment(self, invocation: str) -> dict[str, str]:
        environment = {
            "PATH": UNIT_PATH,
            "LANG": "C.UTF-8",
            "INVOCATION_ID": invocation,
            UNIT_VARIABLE: self.file.name,
            **self.file.environment,
        }
        return environment | ({"NOTIFY_SOCKET": str(self.notify_path)} if self.file.waits_for_ready else {})

    def _list_members(self) -> list[int]:
        """List what a stop of the unit ends.

        Where systemd tracks units in cgroup v1, Mesos moves its tasks out of the agent's group, and a stop ends the
        agent alone; on a hybrid host they stay in it.
        """
        if not self._is_hybrid or self.file.kill_mode is KillMode.PROCESS:
            return [self.state.main_pid] if self.state.main_pid else []
        mark = f"{UNIT_VARIABLE}={self.file.name}"
        return [pid for pid in list_descendants(os.getpid()) if has_in_environment(pid, mark)]

    def _count_start(self) -> bool:
        """Count a start; False if there were too many in the unit's interval, which begins with the first."""
        begin, count = self._limit_window
        now = time.monotonic()
        if not count or now - begin > self.file.start_limit_interval_s:
            begin, count = now, 0
        is_within_limit = count < self.file.start_limit_burst or not self.file.start_limit_interval_s
        self._limit_window = (begin, count + is_within_limit)
        return is_within_limit

    def _schedule_restart(self) -> None:
        self._restart_timer = threading.Timer(self.file.restart_delay_s, self._restart_after_end)
        self._restart_timer.daemon = True
        self._restart_timer.start()

    def _cancel_restart(self) -> None:
        if self._restart_timer:
            self._restart_timer.cancel()

    def _restart_after_end(self) -> None:
        with self._lock, self._job():
            if self.state.phase is not Phase.AWAITING_RESTART:
                return
            self.state = replace(self.state, automatic_restarts=self.state.automatic_restarts + 1)
            effect = f"started {self.file.name} again after it ended"
            record_deed(self._root, tool="systemd", argv=(), effect=effect)
            self._start()

    @contextlib.contextmanager
    def _job(self) -> Iterator[None]:
        """One job at a time."""
        self._lock.wait_for(lambda: not self._has_job)
        self._has_job = True
        try:
            yield
        finally:
            self._has_job = False
            self._lock.notify_all()

    def _become(self, phase: Phase, **changes: Any) -> None:
        self.state = replace(self.state, phase=phase, **changes)
        self._lock.notify_all()

    def _log(self, message: str) -> None:
        self._journal.write(self.file.name, "systemd[1]", message)


def describe_status(status: int) -> str:
    """Say how a process ended as systemd does: `code=exited, status=1/FAILURE`; `status` is as waitpid gives it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"code=killed, status={number}/{signal.Signals(number).name.removeprefix('SIG')}"
    code = os.WEXITSTATUS(status)
    names = {0: "SUCCESS", 1: "FAILURE", _EXEC_FAILED: "EXEC"}
    return f"code=exited, status={code}/{names.get(code, 'n/a')}"
