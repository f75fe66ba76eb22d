"""URIs of a task: fetched into its sandbox, made executable or unpacked."""

from __future__ import annotations

import shutil
import tarfile
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

TIMEOUT_S = 60
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class FetchError(Exception):
    """A URI that could not be fetched."""


def fetch_all(uris: list[dict[str, Any]], sandbox: Path) -> None:
    """Fetch every URI of a CommandInfo into a sandbox; raises FetchError at the first that fails."""
    for uri in uris:
        try:
            _fetch(uri, sandbox)
        except (OSError, HTTPException, ValueError, tarfile.TarError, shutil.ReadError) as error:
            msg = f"Failed to fetch '{uri['value']}': {error}"
            raise FetchError(msg) from error


def _fetch(uri: dict[str, Any], sandbox: Path) -> None:
    address: str = uri["value"]
    target = sandbox / (uri.get("output_file") or Path(urllib.parse.urlsplit(address).path).name)
    target.parent.mkdir(parents=True, exist_ok=True)
    _copy(address, target)
    if uri.get("executable", False):
        target.chmod(0o755)
    elif uri.get("extract", True):
        _extract(target, sandbox)


def _copy(address: str, target: Path) -> None:
    """Copy from a file or a web server; the address of a file may lack its scheme."""
    if address.startswith(("http://", "https://")):
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer, target.open("wb") as file:  # noqa: S310 - http
            shutil.copyfileobj(answer, file)
    else:
        shutil.copyfile(address.removeprefix("file://"), target)


def _extract(archive: Path, sandbox: Path) -> None:
    if archive.name.endswith(TAR_SUFFIXES):
        with tarfile.open(archive) as tar:
            tar.extractall(sandbox, filter="tar")
    elif archive.name.endswith(".zip"):
        shutil.unpack_archive(archive, sandbox, "zip")
