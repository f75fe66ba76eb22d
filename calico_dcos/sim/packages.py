"""The stand-in downloads: the CNI plugins and etcd's release archive, served by HTTP with their sums."""

import functools
import hashlib
import io
import tarfile
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from calico_dcos.sim.standins.launcher import build_launcher

CNI_PLUGINS = ("calico", "calico-ipam")
ETCD_RELEASE = "etcd-v3.3.12-linux-amd64"
_PLUGIN = "calico_dcos.sim.standins.network.plugin"


@dataclass(frozen=True, slots=True)
class Package:
    """A download."""

    name: str
    url: str
    sha256: str


class PackageServer(ThreadingHTTPServer):
    """Serves the downloads."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], directory: Path) -> None:
        names = write_packages(directory)
        super().__init__(address, functools.partial(_QuietHandler, directory=str(directory)))
        base = f"http://{address[0]}:{self.server_port}"
        self.packages = {
            name: Package(name, f"{base}/{name}", hashlib.sha256((directory / name).read_bytes()).hexdigest())
            for name in names
        }


class _QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and does not log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def write_packages(directory: Path) -> tuple[str, ...]:
    """Write the downloads into a directory, and return their names: calico, calico-ipam, <etcd release>.tar.gz."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in CNI_PLUGINS:
        (directory / name).write_text(build_launcher(_PLUGIN, Path("/")), encoding="utf-8")
        (directory / name).chmod(0o755)
    archive = f"{ETCD_RELEASE}.tar.gz"
    (directory / archive).write_bytes(build_etcd_archive())
    return (*CNI_PLUGINS, archive)


def build_etcd_archive() -> bytes:
    """Build an archive laid out as etcd's releases are; its etcd runs this process's Python."""
    etcd = build_launcher("calico_dcos.sim.standins.etcd_gateway", Path("/")).encode()
    etcdctl = b"#!/bin/sh\necho 'the stand-in has no etcdctl' >&2\nexit 1\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        directory = tarfile.TarInfo(ETCD_RELEASE)
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(directory)
        for name, content in (("etcd", etcd), ("etcdctl", etcdctl), ("README.md", b"A stand-in.\n")):
            entry = tarfile.TarInfo(f"{ETCD_RELEASE}/{name}")
            entry.size, entry.mode = len(content), 0o755 if name != "README.md" else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
