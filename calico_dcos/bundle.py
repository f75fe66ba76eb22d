"""Downloads that the image carries for clusters without Internet: the scheduler serves them in place of their URLs."""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from .artifacts import Artifact, Download, map_downloads, publish

MANIFEST = "manifest.json"
TIMEOUT_S = 300
# Where the image keeps them; elsewhere there is none, and nothing is carried.
PLACE = Path(sysconfig.get_path("data")) / "share" / "calico-dcos" / "bundle"


class BundleError(Exception):
    """A bundle cannot be made or read; its text is one line."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One download, and the URL that it came from."""

    url: str
    artifact: Artifact


def write_bundle(directory: Path, urls: Iterable[str]) -> tuple[Carried, ...]:
    """Fetch downloads into a directory, and note where each is from.

    Raises:
        BundleError: one of them cannot be had; the directory has no manifest then.
    """
    carried = tuple(_fetch(directory, url) for url in urls)
    entries = {entry.url: str(entry.artifact.path.relative_to(directory)) for entry in carried}
    (directory / MANIFEST).write_text(f"{json.dumps(entries, indent=2)}\n", encoding="utf-8")
    return carried


def _fetch(directory: Path, url: str) -> Carried:
    # Two downloads may have one name, as "calico" of two releases.
    path = directory / hashlib.sha256(url.encode()).hexdigest()[:12] / urlsplit(url).path.rpartition("/")[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        answer = requests.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise BundleError(f"{url}: {error}") from error
    path.write_bytes(answer.content)
    return Carried(url, publish(path))


def load_bundle(directory: Path = PLACE) -> tuple[Carried, ...]:
    """Read what a directory carries: nothing if there is no manifest.

    Raises:
        BundleError: the manifest names a file that is not there, or is none.
    """
    manifest = directory / MANIFEST
    if not manifest.is_file():
        return ()
    try:
        entries: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
        return tuple(Carried(url, publish(directory / name)) for url, name in entries.items())
    except (OSError, ValueError) as error:
        raise BundleError(f"{manifest}: {error}") from error


def replace_downloads(wanted: Mapping[str, Any], bundle: Sequence[Carried], base_url: str) -> dict[str, Any]:
    """Let hosts fetch from the scheduler what it carries.

    A download whose given sum is another one stays as it is: the operator wants that file, and no other.
    """
    by_url = {entry.url: entry.artifact for entry in bundle}

    def replace(download: Download) -> Download:
        artifact = by_url.get(download["url"])
        if artifact is None or (download["sha256"] or artifact.sha256) != artifact.sha256:
            return download
        return {**download, "url": f"{base_url}/{artifact.url_path}", "sha256": artifact.sha256}

    replaced: dict[str, Any] = map_downloads(wanted, replace)
    return replaced
