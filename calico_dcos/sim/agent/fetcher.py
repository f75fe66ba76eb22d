"""URIs of a task: fetched into its sandbox, made executable or unpacked.

By the agent's own environment, as Mesos' fetcher does, which is libcurl: through its HTTP proxy, but for what no_proxy
names.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
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
        proxy = choose_proxy(address, os.environ)
        proxies = {} if proxy is None else {"http": proxy, "https": proxy}
        opener = urllib.request.build_opener(_Direct(proxies))
        with opener.open(address, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    else:
        shutil.copyfile(address.removeprefix("file://"), target)


class _Direct(urllib.request.ProxyHandler):
    """Goes through the proxy that it is given, and makes no exceptions of its own."""

    def proxy_open(self, req: urllib.request.Request, proxy: str, type: str) -> None:  # noqa: A002 - its name there
        del type
        req.set_proxy(urllib.parse.urlsplit(proxy).netloc, "http")


def choose_proxy(address: str, environment: Mapping[str, str]) -> str | None:
    """Choose the proxy for an address as libcurl does: HTTP_PROXY in capitals does not count, no_proxy holds suffixes.

    An address in digits is covered by itself alone.
    """
    parts = urllib.parse.urlsplit(address)
    names = ("http_proxy",) if parts.scheme == "http" else ("https_proxy", "HTTPS_PROXY")
    proxies = [environment[name] for name in (*names, "all_proxy", "ALL_PROXY") if environment.get(name)]
    exceptions = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    host = (parts.hostname or "").lower()
    for exception in re.split(r"[,\s]+", exceptions.lower()):
        bare = exception.strip(".")
        if exception == "*" or (bare and (host == bare or host.endswith(f".{bare}"))):
            return None
    return proxies[0] if proxies else None


def _extract(archive: Path, sandbox: Path) -> None:
    if archive.name.endswith(TAR_SUFFIXES):
        with tarfile.open(archive) as tar:
            tar.extractall(sandbox, filter="tar")
    elif archive.name.endswith(".zip"):
        shutil.unpack_archive(archive, sandbox, "zip")
