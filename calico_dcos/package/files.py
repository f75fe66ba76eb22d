"""The package's files: where they are, and reading them."""

from __future__ import annotations

import json
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# From the source tree, and from an installation (setup.py puts them there).
PLACES = (
    Path(__file__).resolve().parents[2] / "universe",
    Path(sysconfig.get_path("data")) / "share" / "calico-dcos" / "universe",
)


class PackageError(Exception):
    """The package cannot be had; its text is one line and names the file."""


@dataclass(frozen=True, slots=True)
class Package:
    """The four files of a Universe package.

    Attributes:
        description: package.json.
        config: config.json, a JSON schema of options.
        resource: resource.json.
        template: marathon.json.mustache.
    """

    description: dict[str, Any]
    config: dict[str, Any]
    resource: dict[str, Any]
    template: str


def find_directory() -> Path:
    """Find the directory of the package's files.

    Raises:
        PackageError: neither the source tree nor the installation has it.
    """
    for place in PLACES:
        if (place / "package.json").is_file():
            return place
    raise PackageError(f"no package.json in {' or '.join(map(str, PLACES))}: give the directory of the package's files")


def load_package(directory: Path) -> Package:
    """Read the package's files.

    Raises:
        PackageError: one of them is missing, or no JSON.
    """
    return Package(
        description=_load_json(directory / "package.json"),
        config=_load_json(directory / "config.json"),
        resource=_load_json(directory / "resource.json"),
        template=_load_text(directory / "marathon.json.mustache"),
    )


def _load_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(_load_text(path))
    except ValueError as error:
        raise PackageError(f"{path}: {error}") from error
    return document


def _load_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PackageError(f"{path}: {error.strerror}") from error
