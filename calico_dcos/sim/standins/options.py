"""How a simulated host behaves: read by its stand-ins from a file in its root."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "etc/stand-in.json"


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What of a simulated host can be chosen.

    Attributes:
        docker_version: of the daemon and the command line.
        is_hybrid: systemd tracks units in a way that Mesos cannot take its tasks out of the agent's unit; stopping
            the agent ends them all.
        systemd_version: decides what systemctl and systemd-run can do in a PID namespace of their own.
        pull_s: how long the pull of an image takes.
        missing_images: images that the registry does not have.
    """

    docker_version: str = "20.10.24"
    is_hybrid: bool = False
    systemd_version: int = 252
    pull_s: float = 0.1
    missing_images: tuple[str, ...] = ()


def read_options(root: Path) -> HostOptions:
    """Read the options of a host; the defaults where nothing was chosen."""
    try:
        fields = json.loads((root / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return HostOptions()
    return HostOptions(**{**fields, "missing_images": tuple(fields.get("missing_images", ()))})


def write_options(root: Path, options: HostOptions) -> None:
    """Write the options of a host, for its next boot."""
    (root / _FILE).write_text(json.dumps(asdict(options), indent=2) + "\n", encoding="utf-8")
