"""What of the host is mounted into a container; sources that are missing are made, as Docker makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VOLUMES = "/var/lib/docker/volumes"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: where it is on the host and in the container, and its mode as it was asked for."""

    source: str
    destination: str
    mode: str = ""
    is_made: bool = True  # if its source is missing; else the container is refused

    def render(self) -> dict[str, Any]:
        """Build its JSON."""
        return {
            "Type": "bind",
            "Source": self.source,
            "Destination": self.destination,
            "Mode": self.mode,
            "RW": "ro" not in self.mode.split(","),
            "Propagation": "rprivate",
        }


def list_mounts(config: Mapping[str, Any]) -> list[Mount]:
    """List what the body of a create call asks for."""
    host_config = config.get("HostConfig") or {}
    mounts = []
    for bind in host_config.get("Binds") or ():
        source, destination, mode = [*bind.split(":", 2), ""][:3]
        is_path = source.startswith("/")
        mounts.append(Mount(source if is_path else f"{_VOLUMES}/{source}/_data", destination, mode))
    for mount in host_config.get("Mounts") or ():
        if mount.get("Type") == "bind":
            mode = "ro" if mount.get("ReadOnly") else ""
            mounts.append(Mount(mount["Source"], mount["Target"], mode, is_made=False))
    return mounts


def find_missing_source(config: Mapping[str, Any], root: Path) -> str:
    """Find the first source that must be there and is not; empty if there is none."""
    wanted = [mount.source for mount in list_mounts(config) if not mount.is_made]
    return next((source for source in wanted if not (root / source.lstrip("/")).exists()), "")


def make_sources(config: Mapping[str, Any], root: Path) -> None:
    """Make the directories that are mounted and missing."""
    for mount in list_mounts(config):
        path = root / mount.source.lstrip("/")
        if not path.exists():
            path.mkdir(parents=True)
