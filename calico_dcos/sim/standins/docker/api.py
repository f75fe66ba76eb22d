"""The paths of Docker's API that are stood in for; each answers as Docker does, errors in its words."""

import json
import re
import secrets
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calico_dcos.sim.standins.deeds import record_deed
from calico_dcos.sim.standins.docker import answers
from calico_dcos.sim.standins.docker.attachments import build_settings
from calico_dcos.sim.standins.docker.calls import ApiError, Call, Reply
from calico_dcos.sim.standins.docker.containers import Container, Containers, has_namesake
from calico_dcos.sim.standins.docker.known_keys import Version
from calico_dcos.sim.standins.docker.mounts import find_missing_source
from calico_dcos.sim.standins.docker.networks import Networks
from calico_dcos.sim.standins.docker.programs import find_log
from calico_dcos.sim.standins.docker.settings import Settings, get_api_version, parse_version
from calico_dcos.sim.standins.docker.top import build_top
from calico_dcos.sim.standins.options import HostOptions


@dataclass(slots=True)
class Api:
    """The daemon's state and the calls on it."""

    root: Path
    options: HostOptions
    containers: Containers
    settings: Settings
    images: set[str] = field(default_factory=set)
    _never: threading.Event = field(default_factory=threading.Event)

    @property
    def version(self) -> Version:
        """Major and minor version of the daemon."""
        return parse_version(self.options.docker_version)

    @property
    def networks(self) -> Networks:
        """The networks, by way of the store that is in effect."""
        return Networks(self.root, self.options, self.settings.network_store)

    def answer(self, method: str, path: str, call: Call) -> Reply:
        """Answer a call; `path` may begin with the version of the API."""
        try:
            path = self._strip_version(path)
            for route_method, pattern, function in _ROUTES:
                match = pattern.fullmatch(path)
                if match and method == route_method:
                    return function(self, Call(match.groups(), call.query, call.body))
        except ApiError as error:
            return Reply(error.status, {"message": error.message})
        return Reply(404, {"message": "page not found"})

    def ping(self, _call: Call) -> Reply:
        """Answer that the daemon is there."""
        return Reply(200, b"OK", "text/plain; charset=utf-8")

    def get_version(self, _call: Call) -> Reply:
        """Tell the version."""
        self._wait_if_hung()
        return Reply(200, answers.build_version(self.options.docker_version, self.version))

    def get_info(self, _call: Call) -> Reply:
        """Tell the configuration in effect, or what Docker takes for it."""
        self._wait_if_hung()
        text, containers = self.options.docker_version, self.containers.list_all()
        info = answers.build_info(self.root.name, text, self.version, self.settings, containers, len(self.images))
        plugins = {"Volume": ["local"], "Network": self.networks.list_drivers(), "Authorization": None}
        return Reply(200, {**info, "Plugins": plugins})

    def list_containers(self, call: Call) -> Reply:
        """List the containers: those that run, or all."""
        filters = json.loads(call.query.get("filters") or "{}")
        shows_all = call.is_set("all") or "status" in filters
        listed = [
            answers.build_summary(container, time.time())
            for container in self.containers.list_all()
            if (shows_all or container.status in ("running", "restarting"))
            and answers.match_filters(container, filters)
        ]
        return Reply(200, listed)

    def inspect_container(self, call: Call) -> Reply:
        """Tell all about a container."""
        container = self._find(call)
        networks = build_settings(self.root, container.id, container.config)
        return Reply(200, {**answers.build_inspection(container), "NetworkSettings": networks})

    def create_container(self, call: Call) -> Reply:
        """Make a container; its image must be there."""
        self._wait_if_hung()
        image = answers.complete_reference(call.body.get("Image", ""))
        if image not in self.images:
            raise ApiError(404, f"No such image: {image}")
        self._check_host_config(call)
        container_id = secrets.token_hex(32)
        name = call.query.get("name", "").removeprefix("/") or f"nameless_{container_id[:8]}"
        if other := self.containers.find(name):
            raise ApiError(
                409,
                f'Conflict. The container name "/{name}" is already in use by container "{other.id}". You have to '
                "remove (or rename) that container to be able to reuse that name.",
            )
        self.containers.add(Container(id=container_id, name=name, config=call.body, created_s=time.time()))
        return Reply(201, {"Id": container_id, "Warnings": []})

    def start_container(self, call: Call) -> Reply:
        """Start a container."""
        self._wait_if_hung()
        container = self._find(call)
        if container.status == "running":
            return Reply(304)
        self._find_network(container)
        self.containers.start(container)
        return Reply(204)

    def stop_container(self, call: Call) -> Reply:
        """Stop a container."""
        container = self._find(call)
        if container.status == "exited":
            return Reply(304)
        self.containers.stop(container)
        return Reply(204)

    def restart_container(self, call: Call) -> Reply:
        """Stop a container and start it."""
        self.containers.stop(self._find(call))
        self.containers.start(self._find(call))
        return Reply(204)

    def remove_container(self, call: Call) -> Reply:
        """Remove a container; one that runs only by force."""
        container = self._find(call)
        if container.status in ("running", "restarting") and not call.is_set("force"):
            raise ApiError(
                409,
                f"You cannot remove a {container.status} container {container.id}. "
                "Stop the container before attempting removal or force remove",
            )
        self.containers.remove(container)
        return Reply(204)

    def get_logs(self, call: Call) -> Reply:
        """Tell what a container has said, line by line in the frames of a stream without a terminal."""
        container = self._find(call)
        try:
            lines = find_log(self.root, container.id).read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            lines = []  # it never ran
        tail = call.query.get("tail", "all")
        kept = lines[-int(tail) :] if tail.isdecimal() and int(tail) else [] if tail == "0" else lines
        frames = b"".join(struct.pack(">BxxxL", 1, len(line)) + line for line in kept)
        return Reply(200, frames, "application/vnd.docker.raw-stream")

    def list_processes(self, call: Call) -> Reply:
        """List the processes of a container."""
        return Reply(200, build_top(self._find(call), self.root, call.query.get("ps_args", "")))

    def list_networks(self, _call: Call) -> Reply:
        """List the networks."""
        return Reply(200, self.networks.list_all())

    def inspect_network(self, call: Call) -> Reply:
        """Tell all about a network."""
        return Reply(200, self.networks.find(call.arguments[0]))

    def create_network(self, call: Call) -> Reply:
        """Make a network."""
        self._wait_if_hung()
        network = self.networks.create(call.body)
        record_deed(self.root, tool="docker", argv=(), effect=f"created network {network['Name']}")
        return Reply(201, {"Id": network["Id"], "Warning": ""})

    def remove_network(self, call: Call) -> Reply:
        """Remove a network."""
        self.networks.remove(call.arguments[0])
        record_deed(self.root, tool="docker", argv=(), effect=f"removed network {call.arguments[0]}")
        return Reply(204)

    def list_images(self, _call: Call) -> Reply:
        """List the images."""
        return Reply(200, [answers.build_image(image) for image in sorted(self.images)])

    def inspect_image(self, call: Call) -> Reply:
        """Tell all about an image."""
        image = answers.complete_reference(call.arguments[0])
        if image not in self.images:
            raise ApiError(404, f"No such image: {image}")
        return Reply(200, answers.build_image(image))

    def pull_image(self, call: Call) -> Reply:
        """Pull an image: progress as one JSON object a line."""
        name, tag = call.query.get("fromImage", ""), call.query.get("tag", "")
        image = answers.complete_reference(f"{name}:{tag}" if tag else name)
        if image in self.options.missing_images:
            raise ApiError(404, f"pull access denied for {name}, repository does not exist or may require login")
        if image not in self.images:
            time.sleep(self.options.pull_s)
            self.images.add(image)
            record_deed(self.root, tool="docker", argv=(), effect=f"pulled image {image}")
        lines = [{"status": f"Pulling from {name}"}, {"status": f"Status: Image is up to date for {image}"}]
        return Reply(200, "".join(json.dumps(line) + "\r\n" for line in lines).encode())

    def _find(self, call: Call) -> Container:
        container = self.containers.find(call.arguments[0])
        if container is None:
            raise ApiError(404, f"No such container: {call.arguments[0]}")
        return container

    def _check_host_config(self, call: Call) -> None:
        """Refuse what Docker refuses when a container is made."""
        host_config = call.body.get("HostConfig") or {}
        if self.settings.userns_remap and host_config.get("UsernsMode") != "host":
            if host_config.get("Privileged"):
                raise ApiError(400, _PRIVILEGED_IN_USERNS)
            if host_config.get("NetworkMode") == "host":
                raise ApiError(400, "cannot share the host's network namespace when user namespaces are enabled")
        if source := find_missing_source(call.body, self.root):
            what = f"bind source path does not exist: {source}"
            raise ApiError(400, f'invalid mount config for type "bind": {what}')

    def _find_network(self, container: Container) -> None:
        """Make sure that the network of a container is known; ApiError if it is not."""
        mode = (container.config.get("HostConfig") or {}).get("NetworkMode") or "default"
        if mode != "default" and not mode.startswith("container:"):
            network = self.networks.find(mode)
            if network["Scope"] == "global" and has_namesake(self.root, container.name, mode):
                raise ApiError(403, f"endpoint with name {container.name} already exists in network {mode}")

    def _strip_version(self, path: str) -> str:
        match = re.match(r"/v(\d+)\.(\d+)(?=/)", path)
        if match is None:
            return path
        newest = get_api_version(self.version)
        if (int(match[1]), int(match[2])) > parse_version(newest):
            asked = f"{match[1]}.{match[2]}"
            raise ApiError(400, f"client version {asked} is too new. Maximum supported API version is {newest}")
        return path[match.end() :]

    def _wait_if_hung(self) -> None:
        if self.settings.hangs:
            self._never.wait()


_PRIVILEGED_IN_USERNS = (
    "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when "
    "running privileged mode"
)
_Route = tuple[str, re.Pattern[str], Callable[[Api, Call], Reply]]
_NAME = "/containers/([^/]+)"
_ROUTES: tuple[_Route, ...] = tuple(
    (method, re.compile(pattern), function)
    for method, pattern, function in (
        ("GET", "/_ping", Api.ping),
        ("HEAD", "/_ping", Api.ping),
        ("GET", "/version", Api.get_version),
        ("GET", "/info", Api.get_info),
        ("GET", "/containers/json", Api.list_containers),
        ("POST", "/containers/create", Api.create_container),
        ("GET", f"{_NAME}/json", Api.inspect_container),
        ("POST", f"{_NAME}/start", Api.start_container),
        ("POST", f"{_NAME}/stop", Api.stop_container),
        ("POST", f"{_NAME}/kill", Api.stop_container),
        ("POST", f"{_NAME}/restart", Api.restart_container),
        ("GET", f"{_NAME}/logs", Api.get_logs),
        ("GET", f"{_NAME}/top", Api.list_processes),
        ("DELETE", _NAME, Api.remove_container),
        ("GET", "/networks", Api.list_networks),
        ("POST", "/networks/create", Api.create_network),
        ("GET", "/networks/([^/]+)", Api.inspect_network),
        ("DELETE", "/networks/([^/]+)", Api.remove_network),
        ("GET", "/images/json", Api.list_images),
        ("POST", "/images/create", Api.pull_image),
        ("GET", "/images/(.+)/json", Api.inspect_image),
    )
)
