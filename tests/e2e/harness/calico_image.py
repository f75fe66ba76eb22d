"""The image calico/node of the hosts' Docker: parts of the hosts' own Debian, and the program that stands in.

Python, BIRD, runit, iptables and iproute2 are the real ones, as Debian packages them with all that they depend on; nc
and ping are busybox', as in the real image.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import calico_dcos.sim.standins.calico_node as stand_in
from tests.e2e.harness.host import Host

CALICO_NODE_IMAGE = "calico/node:v1.0.0"

_PROGRAM_PLACE = "opt/stand-in"
_MODULE = "calico_dcos.sim.standins.calico_node.real"
_PACKAGES = ("bash", "bird", "coreutils", "dash", "iproute2", "iptables", "libc-bin", "python3", "runit", "sed")
_BUSYBOX = Path("/bin/busybox")
_NOT_FOLLOWED = frozenset(  # what packages need to be installed, not to run
    ("adduser", "debconf", "dpkg", "init-system-helpers", "perl-base", "python3-minimal", "runit-helper")
) | {"sysuser-helper", "ucf", "media-types", "base-files", "debianutils", "tar", "install-info", "gcc-12-base"}
_LEFT_OUT = ("/usr/share/", "/etc/init.d", "/etc/default", "/lib/systemd", "/etc/service")
_USR = ("bin", "sbin", "lib", "lib64")
_DIRECTORIES = ("dev", "etc", "opt", "proc", "root", "run", "sys", "tmp", "var", "var/log", "var/lib")
_LINKS = {
    "var/run": "/run",
    "usr/bin/nc": "busybox",
    "usr/bin/ping": "busybox",
    "usr/bin/sh": "dash",
    "usr/sbin/runsvdir": "../bin/runsvdir",
    "usr/bin/python3": "python3.11",
}
_START = f"#!/bin/bash\nexport PYTHONPATH=/{_PROGRAM_PLACE}\nexec /usr/bin/python3 -m {_MODULE} start\n"


def import_calico_node(host: Host, image: Path, reference: str = CALICO_NODE_IMAGE) -> None:
    """Give a host the image that it would pull; `image` is the root of the hosts."""
    changes = ["--change", 'CMD ["/sbin/start_runit"]', "--change", "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    archive = load_archive(image) + _build_own_part(reference)
    host.run(["docker", "import", *changes, "-", reference], stdin=archive, timeout_s=120)


def load_archive(image: Path) -> bytes:
    """Return the part of the archive that depends on the hosts' root alone, without an end; it is kept beside that."""
    recipe = hashlib.sha256(repr((_PACKAGES, sorted(_LINKS.items()), _LEFT_OUT)).encode()).hexdigest()[:8]
    kept = image.parent / f"{image.name}-calico-node-{recipe}.tar"
    if not kept.exists():
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _add_skeleton(archive)
            for path in sorted(set(_list_files(image))):
                archive.add(image / path, path, recursive=False)
            archive.add(_BUSYBOX.resolve(), "usr/bin/busybox")
            length = buffer.tell()
        unfinished = kept.with_suffix(".unfinished")
        unfinished.write_bytes(buffer.getvalue()[:length])
        unfinished.replace(kept)
    return kept.read_bytes()


def _add_skeleton(archive: tarfile.TarFile) -> None:
    for name in ("usr", *(f"usr/{name}" for name in _USR), *_DIRECTORIES):
        directory = tarfile.TarInfo(name)
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(directory)
    for name, target in {**{name: f"usr/{name}" for name in _USR}, **_LINKS}.items():
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, target
        archive.addfile(link)


def _build_own_part(reference: str) -> bytes:
    """Build the end of the archive: the program, and what the image is called."""
    package = Path(stand_in.__file__).parent
    root = package.parents[3]
    files = {f"{_PROGRAM_PLACE}/{path.relative_to(root)}": path.read_bytes() for path in package.glob("*.py")}
    for parent in list(package.relative_to(root).parents)[:-1]:
        files[f"{_PROGRAM_PLACE}/{parent}/__init__.py"] = b""
    files["etc/stand-in-image"] = f"{reference}\n".encode()
    files["etc/passwd"] = b"root:x:0:0:root:/root:/bin/bash\n"
    files["etc/group"] = b"root:x:0:\n"
    files["usr/sbin/start_runit"] = _START.encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755, len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _list_files(image: Path) -> Iterator[str]:
    """List what is taken of the hosts' root, as paths without a leading slash."""
    for package in _find_packages(image):
        for line in _read_list(image, package).splitlines():
            if line.startswith(_LEFT_OUT) or line == "/.":
                continue
            path = line.lstrip("/")
            path = f"usr/{path}" if path.split("/")[0] in _USR else path
            found = image / path
            if path in _LINKS or not (found.is_symlink() or found.is_file()):
                continue
            yield path
            compiled = found.parent / "__pycache__" / f"{found.stem}.cpython-311.pyc"
            if found.suffix == ".py" and compiled.exists():
                yield str(compiled.relative_to(image))


def _find_packages(image: Path) -> set[str]:
    """Find the packages, and all that they depend on."""
    needs = {}
    for entry in (image / "var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
        name = re.search(r"^Package: (\S+)", entry, re.MULTILINE)
        depends = re.findall(r"^(?:Pre-)?Depends: (.+)", entry, re.MULTILINE)
        if name:
            needs[name[1]] = re.findall(r"(?:^|, )([a-z0-9.+-]+)", ", ".join(depends))
    found: set[str] = set()
    unvisited = [*_PACKAGES, "python3.11-minimal", "libpython3.11-minimal"]
    while unvisited:
        package = unvisited.pop()
        if package not in found | _NOT_FOLLOWED and package in needs:
            found.add(package)
            unvisited += needs[package]
    return found


def _read_list(image: Path, package: str) -> str:
    directory = image / "var/lib/dpkg/info"
    (path,) = [*directory.glob(f"{package}.list"), *directory.glob(f"{package}:*.list")]
    return path.read_text(encoding="utf-8")
