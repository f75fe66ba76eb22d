"""The dockerd stand-in: reads daemon.json, serves the API on the host's socket, reloads on SIGHUP."""

import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from calico_dcos.sim.standins.docker.answers import complete_reference
from calico_dcos.sim.standins.docker.api import Api
from calico_dcos.sim.standins.docker.calls import Call, Reply
from calico_dcos.sim.standins.docker.containers import Containers
from calico_dcos.sim.standins.docker.known_keys import Version, name_key
from calico_dcos.sim.standins.docker.settings import (
    CONFIG_FILE,
    LogLine,
    SettingsError,
    build_settings,
    get_api_version,
    parse_file,
    parse_version,
    reload_settings,
)
from calico_dcos.sim.standins.iptables.docker import write_rules
from calico_dcos.sim.standins.options import read_options

SOCKET = "run/docker.sock"
PID_FILE = "run/docker.pid"
_SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT}


class _Server(socketserver.ThreadingUnixStreamServer):
    """Serves the API."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, api: Api) -> None:
        self.api = api
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)
        path.chmod(0o660)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        """Read one call and answer it."""
        self.raw_requestline = self.rfile.readline()
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        is_json = body and "json" in (self.headers.get("Content-Type") or "")
        parts = urlsplit(self.path)
        call = Call((), dict(parse_qsl(parts.query)), json.loads(body) if is_json else {})
        self._send(self.server.api.answer(self.command, unquote(parts.path), call))

    def version_string(self) -> str:
        """Name the server."""
        return f"Docker/{self.server.api.options.docker_version} (linux)"

    def log_message(self, *_: object) -> None:
        """Docker does not log calls."""

    def _send(self, reply: Reply) -> None:
        content = reply.content
        raw = (
            content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode() + b"\n"
        )
        self.send_response(reply.status)
        self.send_header("Api-Version", get_api_version(self.server.api.version))
        self.send_header("Docker-Experimental", "false")
        self.send_header("Ostype", "linux")
        if raw:
            self.send_header("Content-Type", reply.content_type)
        if reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)


def main(root_path: str) -> int:
    """Run the daemon of the host with this root until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # inherited by all threads; the main one waits for them
    root = Path(root_path)
    options, flags = read_options(root), parse_flags(sys.argv[1:])
    version = parse_version(options.docker_version)
    try:
        config = read_config(root, flags, version)
        settings, lines = build_settings({**flags, **config}, version)
        check_plugins(root, {**flags, **config})
    except (SettingsError, MissingPluginError) as error:
        print(error, file=sys.stderr)
        return 1
    _log(lines)
    write_rules(root, options.iptables)
    containers = Containers(root)
    containers.load(live_restore=settings.live_restore)
    # The images of containers; one that was pulled and not used yet is pulled again after a restart.
    images = {complete_reference(container.config["Image"]) for container in containers.list_all()}
    api = Api(root, options, containers, settings, images)
    (root / PID_FILE).write_text(str(os.getpid()), encoding="utf-8")
    server = _Server(root / SOCKET, api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _notify_ready()
    _log([LogLine("info", f"API listen on /var/{SOCKET}")])
    while signal.sigwait(_SIGNALS) == signal.SIGHUP:
        try:
            reload(api, root, flags)
        except MissingPluginError as error:
            # As the real one: it is gone, without a word to its containers.
            _log([LogLine("fatal", f"Error validating authorization plugin: {error}")])
            os._exit(1)
    if not api.settings.live_restore:
        containers.shut_down()
    (root / SOCKET).unlink(missing_ok=True)
    (root / PID_FILE).unlink(missing_ok=True)
    return 0


def reload(api: Api, root: Path, flags: dict[str, str]) -> None:
    """Apply the file as SIGHUP does; what it applied is in the log, and it may be a lie."""
    _log([LogLine("info", f"Got signal to reload configuration, reloading from: {CONFIG_FILE}")])
    try:
        config = read_config(root, flags, api.version)
    except SettingsError as error:
        _log([LogLine("error", str(error))])
        return
    check_plugins(root, config)
    api.settings, lines = reload_settings(api.settings, config, api.version)
    _log(lines)


class MissingPluginError(Exception):
    """An authorization plugin is not there; the message is Docker's."""


def check_plugins(root: Path, config: Mapping[str, Any]) -> None:
    """Look for the authorization plugins where Docker does; on a reload those of the file alone.

    Raises:
        MissingPluginError: one is not there.
    """
    names = config.get("authorization-plugins", [])
    for name in [names] if isinstance(names, str) else names:
        places = [f"run/docker/plugins/{name}.sock", f"run/docker/plugins/{name}/{name}.sock"]
        for directory in ("etc/docker/plugins", "usr/lib/docker/plugins"):
            places += [f"{directory}/{name}.spec", f"{directory}/{name}.json"]
        if not any((root / place).exists() for place in places):
            raise MissingPluginError(f'plugin "{name}" not found')


def read_config(root: Path, flags: dict[str, str], version: Version) -> dict[str, Any]:
    """Read daemon.json.

    Raises:
        SettingsError: Docker refuses it.
    """
    try:
        text = (root / CONFIG_FILE.lstrip("/")).read_text(encoding="utf-8")
    except FileNotFoundError:
        text = None
    try:
        return parse_file(text, flags, version)
    except SettingsError as error:
        raise SettingsError(f"unable to configure the Docker daemon with file {CONFIG_FILE}: {error}") from error


def parse_flags(arguments: list[str]) -> dict[str, str]:
    """Read the daemon's flags, by the key that each has in the file: `--name=value`, `--name value`, `--name`, `-H`."""
    flags: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, has_value, value = rest.pop(0).partition("=")
        if not has_value:
            value = rest.pop(0) if rest and not rest[0].startswith("-") else "true"
        flags[name_key(name)] = value
    return flags


def _notify_ready() -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.sendto(b"READY=1", address)


def _log(lines: Sequence[LogLine]) -> None:
    for line in lines:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        print(
            f"time={json.dumps(stamp)} level={line.level} msg={json.dumps(line.message)}", file=sys.stderr, flush=True
        )
