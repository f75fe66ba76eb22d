"""The command executor: a process of its own that runs one task and tells its agent, even a restarted one.

It is started by path, with its orders as JSON on standard input, and uses no other module of this project: it must
be up within milliseconds. All it starts stays in its session, and ends with it. Where the agent gives each task a PID
namespace, the executor is the first process in it, and what leaves its session ends with it as well.
"""

from __future__ import annotations

import base64
import contextlib
import heapq
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
LINGER_S = 1.0
RECONNECT_INTERVAL_S = 0.1
CONNECT_TIMEOUT_S = 10.0
REAP_INTERVAL_S = 0.1  # how often libprocess looks for ended processes: so late is an end told


class Clock:
    """Things to do later, in the loop that calls `run_due`."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Have something done after a while."""
        heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._order), act))

    def until_next_ms(self) -> int | None:
        """How long nothing is due, rounded up; None if nothing ever is."""
        if not self._due:
            return None
        return max(0, int((self._due[0][0] - time.monotonic()) * 1000) + 1)

    def run_due(self) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()


class AgentLink:
    """The channel to the agent; updates are kept until the agent, or a restarted one, acknowledges them."""

    def __init__(self, orders: Json) -> None:
        self._address: tuple[str, int] = (orders["agent_ip"], orders["agent_port"])
        self._identity = {name: orders[name] for name in ("framework_id", "task_id", "container_id")}
        self._unacknowledged: list[Json] = []
        self._received = b""
        self.socket: socket.socket | None = None

    def connect(self) -> None:
        """Open the channel and register; raises OSError if there is no agent."""
        connection = socket.create_connection(self._address, timeout=CONNECT_TIMEOUT_S)
        head = f"POST /sim/executor HTTP/1.1\r\nHost: {self._address[0]}\r\nContent-Length: 0\r\n\r\n"
        try:
            connection.sendall(head.encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                part = connection.recv(4096)
                if not part:
                    raise ConnectionError("the agent closed the connection")
                answer += part
        except OSError:
            connection.close()
            raise
        self._received = answer.partition(b"\r\n\r\n")[2]
        self.socket = connection
        self._send({"type": "REGISTER", **self._identity, "unacknowledged": self._unacknowledged})

    def update(self, state: str, **fields: Any) -> None:
        """Tell the agent of a new status."""
        status = {
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "timestamp": time.time(),
            "uuid": base64.b64encode(os.urandom(16)).decode(),
            **fields,
        }
        self._unacknowledged.append(status)
        self._send({"type": "UPDATE", "status": status})

    def receive(self) -> list[Json] | None:
        """The messages that have arrived; None if the agent is gone."""
        assert self.socket is not None  # noqa: S101 - called when there is something to read
        try:
            part = self.socket.recv(1 << 16)
        except OSError:
            part = b""
        if not part:
            self.socket.close()
            self.socket = None
            return None
        *lines, self._received = (self._received + part).split(b"\n")
        return [json.loads(line) for line in lines]

    def acknowledged(self, update_uuid: str) -> None:
        """Forget an update that the agent has written down."""
        self._unacknowledged = [status for status in self._unacknowledged if status["uuid"] != update_uuid]

    def _send(self, message: Json) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.sendall(json.dumps(message).encode() + b"\n")


class HealthChecker:
    """Runs the command of a health check again and again, and tells what came out."""

    def __init__(self, check: Json, clock: Clock, told: Callable[[bool], None], failed: Callable[[], None]) -> None:
        self._command: str = check["command"]["value"]
        self._interval_s = float(check.get("interval_seconds", 10))
        self._timeout_s = float(check.get("timeout_seconds", 20))
        self._allowed_failures = int(check.get("consecutive_failures", 3))
        self._grace_ends = time.monotonic() + float(check.get("grace_period_seconds", 10))
        self._clock = clock
        self._told = told
        self._failed = failed
        self._failures = 0
        self._is_healthy: bool | None = None
        self._is_stopped = False
        clock.later(float(check.get("delay_seconds", 15)), self._start)

    def stop(self) -> None:
        """Check no more."""
        self._is_stopped = True

    def _start(self) -> None:
        if self._is_stopped:
            return
        process = subprocess.Popen(["/bin/sh", "-c", self._command], process_group=0)
        self._clock.later(0.01, lambda: self._look(process, time.monotonic() + self._timeout_s, 0.01))

    def _look(self, process: subprocess.Popen[bytes], deadline: float, pause_s: float) -> None:
        """See whether the check has ended, at growing intervals."""
        status = process.poll()
        if status is None and time.monotonic() < deadline:
            longer_s = min(2 * pause_s, 0.5)
            self._clock.later(longer_s, lambda: self._look(process, deadline, longer_s))
            return
        if status is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not self._is_stopped:
            self._clock.later(self._interval_s, self._start)
            self._judge(is_success=status == 0)

    def _judge(self, *, is_success: bool) -> None:
        if is_success:
            self._failures = 0
            if self._is_healthy is not True:
                self._is_healthy = True
                self._told(True)  # noqa: FBT003 - the one argument is what is told
            return
        if self._is_healthy is None and time.monotonic() < self._grace_ends:
            return
        self._is_healthy = False
        self._failures += 1
        self._told(False)  # noqa: FBT003 - the one argument is what is told
        if self._failures >= self._allowed_failures:
            self._failed()


class Executor:
    """One task from its start to its end."""

    def __init__(self, orders: Json) -> None:
        self._orders = orders
        self._clock = Clock()
        self._link = AgentLink(orders)
        self._task: subprocess.Popen[bytes] | None = None
        self._task_end: int | None = None
        self._health: HealthChecker | None = None
        self._is_killed = False
        self._is_unhealthy = False
        self._is_over = False
        self._away_since: float | None = None

    def run(self) -> None:
        """Run the task until it has ended and its end was told, or nobody is left to be told."""
        self._link.connect()
        if self._orders["tells_starting"]:
            self._link.update("TASK_STARTING")
        self._start_task()
        self._link.update("TASK_RUNNING")
        self._start_health_check()
        while not self._is_over:
            self._wait()
            self._clock.run_due()
        self._kill_all(signal.SIGKILL)

    def _start_task(self) -> None:
        command = self._orders["command"]
        if command.get("shell", True):
            arguments = ["/bin/sh", "-c", command["value"]]
        else:
            arguments = command.get("arguments") or [command["value"]]
        program = arguments[0] if command.get("shell", True) else command["value"]
        try:
            self._task = subprocess.Popen(arguments, executable=program, process_group=0)
        except OSError as error:
            print(f"Failed to execute {program}: {error}", file=sys.stderr, flush=True)
            self._task = subprocess.Popen(["/bin/sh", "-c", "exit 127"], process_group=0)
        self._task_end = os.pidfd_open(self._task.pid)

    def _start_health_check(self) -> None:
        check = self._orders["health_check"]
        if check is None:
            return
        if check.get("type", "COMMAND") != "COMMAND" or "command" not in check:
            print("Only command health checks are supported", file=sys.stderr, flush=True)
            return
        self._health = HealthChecker(check, self._clock, self._tell_health, self._fail_health)

    def _wait(self) -> None:
        """Wait for the task's end, a message, or the next thing that is due."""
        poll = select.poll()
        if self._task_end is not None:
            poll.register(self._task_end, select.POLLIN)
        if self._link.socket is not None:
            poll.register(self._link.socket, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._clock.until_next_ms())}
        if self._link.socket is not None and self._link.socket.fileno() in ready:
            self._take_messages()
        if self._task_end in ready:
            self._note_end()

    def _take_messages(self) -> None:
        messages = self._link.receive()
        if messages is None:
            return self._agent_gone()
        for message in messages:
            if message["type"] == "ACKNOWLEDGE":
                self._link.acknowledged(message["uuid"])
            else:
                self._kill(message["grace_s"])
        return None

    def _agent_gone(self) -> None:
        """Go on without the agent if checkpointing; else end with it."""
        if not self._orders["is_checkpointed"]:
            self._is_over = True
            return
        self._away_since = time.monotonic()
        self._clock.later(RECONNECT_INTERVAL_S, self._reconnect)

    def _reconnect(self) -> None:
        try:
            self._link.connect()
        except OSError:
            if time.monotonic() - (self._away_since or 0.0) > self._orders["recovery_timeout_s"]:
                self._is_over = True
            self._clock.later(RECONNECT_INTERVAL_S, self._reconnect)

    def _kill(self, grace_s: float) -> None:
        """Terminate the task, and kill it if it has not ended after the grace period."""
        if self._is_killed or self._task is None:
            return
        self._is_killed = True
        if self._health is not None:
            self._health.stop()
        if self._orders["tells_killing"]:
            self._link.update("TASK_KILLING")
        self._kill_all(signal.SIGTERM)
        self._clock.later(grace_s, lambda: self._kill_all(signal.SIGKILL))

    def _note_end(self) -> None:
        """Look no more for the end of the task; it is told as late as a real executor notices it."""
        assert self._task_end is not None  # noqa: S101 - it has just been read
        os.close(self._task_end)
        self._task_end = None
        self._clock.later(REAP_INTERVAL_S, self._end_task)

    def _end_task(self) -> None:
        assert self._task is not None  # noqa: S101 - it ends once
        status = self._task.wait()
        self._task = None
        if self._health is not None:
            self._health.stop()
        self._kill_all(signal.SIGKILL)
        self._link.update(
            self._state_after(status),
            message=_message_after(status),
            **({"healthy": False} if self._is_unhealthy else {}),
        )
        self._clock.later(LINGER_S, self._finish)

    def _finish(self) -> None:
        self._is_over = True

    def _state_after(self, status: int) -> str:
        if self._is_killed:
            return "TASK_KILLED"
        return "TASK_FINISHED" if status == 0 else "TASK_FAILED"

    def _tell_health(self, is_healthy: bool) -> None:  # noqa: FBT001 - the one argument is what is told
        reason = self._orders["health_reason"]
        self._link.update("TASK_RUNNING", healthy=is_healthy, **({"reason": reason} if reason else {}))

    def _fail_health(self) -> None:
        self._is_unhealthy = True
        self._kill(self._orders["kill_grace_s"])

    def _kill_all(self, number: signal.Signals) -> None:
        """Signal everything in this session but ourselves."""
        for path in Path("/proc").iterdir():
            if path.name.isdigit() and int(path.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if int((path / "stat").read_text().rpartition(")")[2].split()[3]) == os.getpid():
                        os.kill(int(path.name), number)


def settle_in() -> None:
    """Do what the first process of a PID namespace has to: lead a session in it, and end when told to.

    The kernel keeps signals that would end it from such a process, unless it asks for them.
    """
    if os.getpid() != 1:
        return
    os.setsid()
    Path("/proc/self/comm").write_text("mesos-container")
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


def _message_after(status: int) -> str:
    if status < 0:
        return f"Command terminated with signal {signal.strsignal(-status)}"
    return f"Command exited with status {status}"


if __name__ == "__main__":
    settle_in()
    Executor(json.load(sys.stdin)).run()
