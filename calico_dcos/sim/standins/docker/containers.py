"""The containers of the daemon: each is a process; they are remembered across restarts of the daemon."""

import contextlib
import json
import os
import select
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from calico_dcos.sim.standins.deeds import record_deed
from calico_dcos.sim.standins.docker.attachments import find_network, loosen, tie
from calico_dcos.sim.standins.docker.mounts import make_sources
from calico_dcos.sim.standins.docker.programs import build_program, find_log, make_files, remove_files
from calico_dcos.sim.standins.process_tree import has_in_environment, send_signal

_STORE = "var/lib/docker/stand-in.json"
_MARK = "STAND_IN_CONTAINER"  # in the environment of a container's process, to know it by after a restart
_LONGEST_DELAY_S = 60.0
_KILLED = 137  # the exit code of a process that somebody else buried

Status = Literal["created", "running", "restarting", "exited"]


@dataclass(frozen=True, slots=True)
class Container:
    """A container: as it was asked for (`config` is the body of the create call), and how it is."""

    id: str
    name: str
    config: dict[str, Any]
    created_s: float
    status: Status = "created"
    pid: int = 0
    exit_code: int = 0
    restarts: int = 0
    started_s: float = 0.0
    finished_s: float = 0.0
    was_stopped: bool = False  # by someone, not by the end of its process

    @property
    def restart_policy(self) -> str:
        """The name of the restart policy: no, always, unless-stopped, on-failure."""
        policy = self.config.get("HostConfig", {}).get("RestartPolicy") or {}
        return policy.get("Name") or "no"

    @property
    def restarts_after_end(self) -> bool:
        """Whether the policy starts it again when its process has ended by itself."""
        always = self.restart_policy in ("always", "unless-stopped")
        return not self.was_stopped and (always or (self.restart_policy == "on-failure" and self.exit_code != 0))

    @property
    def restarts_with_daemon(self) -> bool:
        """Whether the policy starts it when the daemon starts."""
        return self.restart_policy == "always" or (self.status == "running" and self.restarts_after_end)


@dataclass(slots=True)
class Containers:
    """All containers, by id; every method may be called from any thread."""

    root: Path
    _by_id: dict[str, Container] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    def load(self, *, live_restore: bool) -> None:
        """Take up what an earlier daemon left: keep what still runs if live-restore is on, end it if not."""
        with self._changed:
            for container in read_containers(self.root):
                self._by_id[container.id] = container
                is_alive = container.pid > 0 and has_in_environment(container.pid, f"{_MARK}={container.id}")
                if is_alive and live_restore:
                    self._watch(container)
                    continue
                if is_alive:
                    send_signal(container.pid, signal.SIGKILL)
                self._update(container, status="exited" if container.started_s else "created", pid=0)
                if container.restarts_with_daemon:
                    self._run(self._by_id[container.id], effect=f"started container {container.name} with the daemon")

    def list_all(self) -> list[Container]:
        """List the containers, newest first."""
        with self._changed:
            return sorted(self._by_id.values(), key=lambda container: container.created_s, reverse=True)

    def find(self, reference: str) -> Container | None:
        """Find a container by its name, its id or the beginning of its id."""
        wanted = reference.removeprefix("/")
        with self._changed:
            by_name = [container for container in self._by_id.values() if container.name == wanted]
            by_id = [container for container in self._by_id.values() if container.id.startswith(wanted)]
        return next(iter(by_name or by_id), None)

    def add(self, container: Container) -> None:
        """Take in a container that was made."""
        with self._changed:
            self._by_id[container.id] = container
            self._save()
        self._record(f"created container {container.name}")

    def start(self, container: Container) -> None:
        """Start its process."""
        with self._changed:
            self._run(replace(container, restarts=0), effect=f"started container {container.name}")

    def stop(self, container: Container, number: signal.Signals = signal.SIGTERM) -> None:
        """End its process, and do not start it again."""
        with self._changed:
            self._end(container, number)
        self._record(f"stopped container {container.name}")

    def remove(self, container: Container) -> None:
        """End its process and forget it."""
        with self._changed:
            self._end(container, signal.SIGKILL)
            del self._by_id[container.id]
            self._save()
            remove_files(self.root, container.id)
        self._record(f"removed container {container.name}")

    def shut_down(self) -> None:
        """End all processes, as a daemon without live-restore does before it exits; the policies stay in force."""
        with self._changed:
            for container in self.list_all():
                if container.status == "running":
                    self._end(container, signal.SIGTERM)
                    self._update(self._by_id[container.id], was_stopped=False, status="running")
                    self._record(f"stopped container {container.name} with the daemon")

    def _run(self, container: Container, *, effect: str) -> None:
        make_sources(container.config, self.root)
        make_files(self.root, container.id)
        pid = self._spawn(container)
        self._update(container, status="running", pid=pid, exit_code=0, started_s=time.time(), was_stopped=False)
        self._watch(self._by_id[container.id])
        self._record(effect)

    def _spawn(self, container: Container) -> int:
        program = build_program(container.id, container.config, self.root)
        log = str(find_log(self.root, container.id))
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        environment = {**program.environment, **tie(self.root, container.id, container.config), _MARK: container.id}
        return os.posix_spawn(
            program.argv[0], program.argv, environment, file_actions=actions, setsid=True, setsigmask=[]
        )

    def _end(self, container: Container, number: signal.Signals) -> None:
        is_running = container.status == "running"
        self._update(self._by_id[container.id], was_stopped=True, status="running" if is_running else "exited")
        if is_running:
            send_signal(container.pid, number)
            self._changed.wait_for(lambda: self._by_id[container.id].status != "running")

    def _watch(self, container: Container) -> None:
        try:
            process = os.pidfd_open(container.pid)
        except ProcessLookupError:  # it was not our child and has ended meanwhile
            self._on_end(container.id, _KILLED)
            return
        threading.Thread(target=self._wait_for_end, args=(container.id, process), daemon=True).start()

    def _wait_for_end(self, container_id: str, process: int) -> None:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        poll.poll()
        try:
            result = os.waitid(os.P_PIDFD, process, os.WEXITED)
        except ChildProcessError:  # the child of an earlier daemon
            result = None
        os.close(process)
        is_exit = result is not None and result.si_code == os.CLD_EXITED
        code = _KILLED if result is None else result.si_status if is_exit else 128 + result.si_status
        with self._changed:
            self._on_end(container_id, code)

    def _on_end(self, container_id: str, code: int) -> None:
        container = self._by_id[container_id]
        loosen(self.root, container_id)
        with contextlib.suppress(OSError):  # what it had started, if anything
            os.killpg(container.pid, signal.SIGKILL)
        ended = replace(container, exit_code=code)
        status: Status = "restarting" if ended.restarts_after_end else "exited"
        self._update(ended, status=status, pid=0, finished_s=time.time())
        if status == "restarting":
            delay_s = min(0.1 * 2**container.restarts, _LONGEST_DELAY_S)
            timer = threading.Timer(delay_s, self._restart_after_end, args=(container_id,))
            timer.daemon = True
            timer.start()

    def _restart_after_end(self, container_id: str) -> None:
        with self._changed:
            container = self._by_id.get(container_id)
            if container is None or container.status != "restarting" or container.was_stopped:
                return
            effect = f"started container {container.name} again after it ended"
            self._run(replace(container, restarts=container.restarts + 1), effect=effect)

    def _update(self, container: Container, **changes: Any) -> None:
        self._by_id[container.id] = replace(container, **changes)
        self._save()
        self._changed.notify_all()

    def _save(self) -> None:
        write_containers(self.root, self._by_id.values())

    def _record(self, effect: str) -> None:
        record_deed(self.root, tool="docker", argv=(), effect=effect)


def read_containers(root: Path) -> list[Container]:
    """Read the containers that the daemon of a host remembers; none if it never ran."""
    try:
        text = (root / _STORE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [Container(**fields) for fields in json.loads(text)]


def has_namesake(root: Path, name: str, network: str) -> bool:
    """Whether a container of this name runs on a network on another host: a network that all know takes it once."""
    roots = {store.parents[_STORE.count("/")] for store in root.parent.glob(f"*/{_STORE}")} - {root}
    others = (container for other in roots for container in read_containers(other))
    return any((one.name, one.status, find_network(one.config)) == (name, "running", network) for one in others)


def write_containers(root: Path, containers: Iterable[Container]) -> None:
    """Write the containers that the daemon of a host is to know when it starts next."""
    path = root / _STORE
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps([asdict(container) for container in containers]), encoding="utf-8")
    temporary.replace(path)
