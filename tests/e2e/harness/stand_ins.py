"""Stand-ins for what cannot be had here: the CNI plugins, the files of DC/OS; and an image for others' containers."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness.host import Host, write_file, write_link

IDLE_IMAGE = "somebody-elses:1"
REPOSITORY_ON_HOSTS = "/opt/calico-dcos"

PLUGINS_DIR = "/opt/mesosphere/active/cni"
CNI_CONFIG_DIR = "/opt/mesosphere/etc/dcos/network/cni"
FOREIGN_CNI_CONFIG = f"{CNI_CONFIG_DIR}/dummy.cni"

_ETCD_RELEASE = "etcd-v3.4.23-linux-amd64"

_START_IDLE = """#!/bin/sh
trap 'exit 0' TERM
while :; do
    sleep 1000 &
    wait $!
done
"""

_CALICO = """#!/bin/sh
# Stand-in for the CNI plugin {name}; its real work is done by the program that the repository holds.
[ "$1" = -v ] && exec echo v1.5.5
[ "$CNI_COMMAND" = VERSION ] && exec echo '{{"cniVersion":"0.2.0"}}'
exec python3 -IS -c 'import sys
sys.path.insert(0, "{repository}")
from calico_dcos.sim.standins.calico_node.cni_plugin import main
sys.exit(main())'
"""

_PLUGIN = """#!/bin/sh
# Stand-in for the CNI plugin {name}.
[ "$CNI_COMMAND" = VERSION ] || exit 1
echo '{{"cniVersion": "0.2.0", "supportedVersions": ["0.1.0", "0.2.0"]}}'
"""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that the site serves."""

    url: str
    sha256: str


def write_downloads(directory: Path, *, url: str) -> Mapping[str, Download]:
    """Write what hosts download: `calico`, `calico-ipam` and `etcd`, an archive as etcd's releases are.

    `url` is where the directory is served.
    """
    directory.mkdir()
    plugins = ("calico", "calico-ipam")
    files = {name: (name, _CALICO.format(name=name, repository=REPOSITORY_ON_HOSTS).encode()) for name in plugins}
    etcd = build_archive({f"{_ETCD_RELEASE}/etcd": Path("/usr/bin/etcd").read_bytes()})
    files["etcd"] = (f"{_ETCD_RELEASE}.tar.gz", gzip.compress(etcd, compresslevel=1, mtime=0))
    for file_name, content in files.values():
        (directory / file_name).write_bytes(content)
    return {
        name: Download(f"{url}/{file_name}", hashlib.sha256(content).hexdigest())
        for name, (file_name, content) in files.items()
    }


def build_archive(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """Return a tar archive of executable files (name -> content) and symbolic links (name -> target)."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.SYMTYPE
            member.linkname = target
            tar.addfile(member)
    return archive.getvalue()


def import_idle_image(host: Host) -> None:
    """Give the host an image for a container of somebody else's: a busybox that stays."""
    archive = build_archive(
        {"bin/busybox": Path("/bin/busybox").read_bytes(), "sbin/start": _START_IDLE.encode()},
        links={f"bin/{tool}": "busybox" for tool in ("sh", "sleep")},
    )
    host.run(["docker", "import", "--change", 'CMD ["/sbin/start"]', "-", IDLE_IMAGE], stdin=archive)


def lay_out_dcos(root: Path, *, dcos_version: str) -> None:
    """Write what the installer finds on an agent of DC/OS: its version, a plugin directory and a foreign network."""
    write_file(root, "/opt/mesosphere/etc/dcos-version.json", json.dumps({"version": dcos_version}))
    write_file(root, "/opt/mesosphere/packages/cni--stand-in/noop", _PLUGIN.format(name="noop"), mode=0o755)
    write_link(root, PLUGINS_DIR, "../packages/cni--stand-in")
    write_file(root, FOREIGN_CNI_CONFIG, json.dumps({"name": "dummy", "type": "noop"}))
