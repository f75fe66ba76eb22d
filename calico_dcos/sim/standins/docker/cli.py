"""The docker stand-in: the commands of Docker's command line that change or show containers and images."""

import itertools
import json
import os
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from calico_dcos.sim.standins.docker.client import Client, DockerError, NotFoundError
from calico_dcos.sim.standins.docker.run_options import UsageError, parse_run

_RUN_FAILED = 125
_FRAME = struct.Struct(">BxxxL")  # before what a container said, without a terminal: stream and length


def main(root: str) -> int:
    """Carry out the command line of this process on the host with this root."""
    command, *arguments = sys.argv[1:] or ["help"]
    run = _COMMANDS.get(command)
    if run is None:
        print(f"docker: '{command}' is not a docker command.\nSee 'docker --help'", file=sys.stderr)
        return 1
    client = Client(os.path.join(root, "run/docker.sock"))  # noqa: PTH118 - pathlib is slow to import
    try:
        return run(client, arguments)
    except DockerError as error:
        print(error, file=sys.stderr)
        return error.status


def run_container(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker run -d`: pull the image if it is missing, create, start, print the id."""
    try:
        name, body = parse_run(arguments)
        container_id = _create_container(client, name, body)
        client.call("POST", f"/containers/{container_id}/start")
    except (DockerError, UsageError) as error:
        raise DockerError(f"docker: {error}\nSee 'docker run --help'.", _RUN_FAILED) from error
    print(container_id)
    return 0


def pull_image(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker pull`."""
    (image,) = _drop_options(arguments)
    for line in _pull(client, image):
        print(line)
    return 0


def list_containers(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker ps`."""
    names = [argument.removeprefix("name=") for argument in arguments if argument.startswith("name=")]
    query = {"all": "1"} if {"-a", "--all", "-aq"} & set(arguments) else {}
    entries = client.get("/containers/json", {**query, "filters": json.dumps({"name": names} if names else {})})
    if {"-q", "-aq"} & set(arguments):
        print(*(entry["Id"][:12] for entry in entries), sep="\n", end="\n" * bool(entries))
        return 0
    print("CONTAINER ID   IMAGE   COMMAND   STATUS   NAMES")
    for entry in entries:
        name = entry["Names"][0].removeprefix("/")
        print(entry["Id"][:12], entry["Image"], f'"{entry["Command"]}"', entry["Status"], name, sep="   ")
    return 0


def inspect(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker inspect` for containers and images."""
    status = 0
    found = []
    for name in _drop_options(arguments):
        try:
            found.append(client.get(f"/containers/{name}/json"))
        except NotFoundError:
            try:
                found.append(client.get(f"/images/{name}/json"))
            except NotFoundError:
                print(f"Error: No such object: {name}", file=sys.stderr)
                status = 1
    print(json.dumps(found, indent=4))
    return status


def show_logs(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker logs`."""
    (name,) = _drop_options(arguments, with_value=("--tail", "-n", "--since"))
    tails = [after for before, after in itertools.pairwise(arguments) if before in ("--tail", "-n")]
    query = {"stdout": "1", "stderr": "1", "tail": (tails or ["all"])[-1]}
    stream = client.call("GET", f"/containers/{name}/logs", query)
    while stream:
        _, length = _FRAME.unpack_from(stream)
        sys.stdout.write(stream[_FRAME.size : _FRAME.size + length].decode())
        stream = stream[_FRAME.size + length :]
    return 0


def show_processes(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker top`."""
    name, *ps_args = arguments
    answer = client.get(f"/containers/{name}/top", {"ps_args": " ".join(ps_args)} if ps_args else None)
    for row in (answer["Titles"], *answer["Processes"]):
        print(*(f"{word:<19}" for word in row))
    return 0


def manage_networks(client: Client, arguments: Sequence[str]) -> int:
    """Carry out `docker network create`, `ls`, `inspect` and `rm`."""
    verb, *rest = arguments or ["help"]
    words = _drop_options(rest, with_value=("--driver", "-d", "--ipam-driver", "--label"))
    options = dict(itertools.pairwise(rest))  # an option and the word after it
    match verb:
        case "create":
            driver = options.get("--driver") or options.get("-d") or "bridge"
            ipam = {"Driver": options.get("--ipam-driver", "default"), "Config": []}
            body = {"Name": words[0], "CheckDuplicate": True, "Driver": driver, "IPAM": ipam}
            print(json.loads(client.call("POST", "/networks/create", None, body))["Id"])
        case "ls":
            print("NETWORK ID     NAME      DRIVER    SCOPE")
            for network in client.get("/networks"):
                print(network["Id"][:12], network["Name"], network["Driver"], network["Scope"], sep="   ")
        case "inspect":
            print(json.dumps([client.get(f"/networks/{name}") for name in words], indent=4))
        case "rm":
            for name in words:
                client.call("DELETE", f"/networks/{name}")
                print(name)
        case _:
            print("the stand-in of docker network has create, ls, inspect and rm", file=sys.stderr)
            return 1
    return 0


def show_info(client: Client, _arguments: Sequence[str]) -> int:
    """Carry out `docker info`."""
    info = client.get("/info")
    print(f"Containers: {info['Containers']}\n Running: {info['ContainersRunning']}")
    print(f"Server Version: {info['ServerVersion']}\nName: {info['Name']}")
    if "ClusterStore" in info:
        print(f"Cluster Store: {info['ClusterStore']}")
    for warning in info.get("Warnings") or ():
        print(warning)
    return 0


def show_version(client: Client, _arguments: Sequence[str]) -> int:
    """Carry out `docker version`."""
    version = client.get("/version")
    print(f"Server:\n Version: {version['Version']}\n API version: {version['ApiVersion']}")
    return 0


def _build_act(method: str, path: str, query: dict[str, str]) -> Callable[[Client, Sequence[str]], int]:
    """Build a command that does one thing to each container and prints its name."""

    def act(client: Client, arguments: Sequence[str]) -> int:
        status = 0
        is_forced = {"-f", "--force", "-fv"} & set(arguments)
        for name in _drop_options(arguments, with_value=("-t", "--time")):
            try:
                client.call(method, path.format(name), {**query, "force": "1"} if is_forced else query)
                print(name)
            except NotFoundError as error:
                print(error, file=sys.stderr)
                status = 1  # from Docker 20.10 on, 0 if forced
        return status

    return act


_COMMANDS: dict[str, Callable[[Client, Sequence[str]], int]] = {
    "run": run_container,
    "pull": pull_image,
    "ps": list_containers,
    "inspect": inspect,
    "logs": show_logs,
    "top": show_processes,
    "network": manage_networks,
    "info": show_info,
    "version": show_version,
    "start": _build_act("POST", "/containers/{}/start", {}),
    "stop": _build_act("POST", "/containers/{}/stop", {}),
    "restart": _build_act("POST", "/containers/{}/restart", {}),
    "rm": _build_act("DELETE", "/containers/{}", {}),
}


def _create_container(client: Client, name: str, body: dict[str, Any]) -> str:
    query = {"name": name} if name else {}
    try:
        answer = client.call("POST", "/containers/create", query, body)
    except NotFoundError:
        print(f"Unable to find image '{body['Image']}' locally", file=sys.stderr)
        for line in _pull(client, body["Image"]):
            print(line, file=sys.stderr)
        answer = client.call("POST", "/containers/create", query, body)
    container_id: str = json.loads(answer)["Id"]
    return container_id


def _pull(client: Client, image: str) -> Iterator[str]:
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    progress = client.call("POST", "/images/create", {"fromImage": name, "tag": tag})
    return (json.loads(line)["status"] for line in progress.splitlines())


def _drop_options(arguments: Sequence[str], with_value: Sequence[str] = ()) -> list[str]:
    """Keep the words that are no options; `with_value` are the options that take the next word."""
    rest = iter(arguments)
    words = []
    for argument in rest:
        if argument in with_value:
            next(rest, None)
        elif not argument.startswith("-"):
            words.append(argument)
    return words
