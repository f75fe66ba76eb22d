"""Facts: the operating system, its boot and its clock, and what is installed of DC/OS."""

import os
import platform
from typing import List, NamedTuple, Union

from .. import systemd
from ..documents import load_json
from ..host import Host, ToolError
from ..pid_namespace import sees_host_processes
from ..unknown import Unknown
from ..versions import parse_version

NATIVE_CALICO_DIR = "/opt/mesosphere/active/calico"
NATIVE_CALICO_UNIT = "dcos-calico-felix.service"
DCOS_VERSION_FILE = "/opt/mesosphere/etc/dcos-version.json"
FIRST_DCOS_WITH_CALICO = (2, 1)
BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"

System = NamedTuple(
    "System",
    [
        ("os", Union[str, Unknown]),
        ("kernel", str),
        ("architecture", str),
        ("init", str),
        ("cgroups", str),
        ("boot_id", Union[str, Unknown]),
        ("uptime_s", Union[float, Unknown]),
        ("sees_host_processes", bool),
    ],
)
Dcos = NamedTuple("Dcos", [("version", Union[str, None, Unknown]), ("native_calico", Union[List[str], Unknown])])


def read_system(host: Host) -> System:
    """Read what the host runs on."""
    kernel = platform.uname()
    os_release = read_text(host.path("/etc/os-release"))
    uptime = read_text("/proc/uptime")
    return System(
        os=os_release if isinstance(os_release, Unknown) else parse_os_name(os_release),
        kernel=kernel.release,
        architecture=kernel.machine,
        init="systemd" if systemd.runs(host) else "not systemd",
        cgroups=parse_cgroups(read_text("/proc/self/mountinfo")),
        boot_id=read_text(BOOT_ID_FILE),
        uptime_s=uptime if isinstance(uptime, Unknown) else float(uptime.split()[0]),
        sees_host_processes=sees_host_processes(host),
    )


def parse_os_name(text: str) -> str:
    """Read the name in /etc/os-release."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    return (values.get("PRETTY_NAME") or values.get("NAME") or "").strip("\"'")


def parse_cgroups(mountinfo: Union[str, Unknown]) -> str:
    """Read from the mounts how systemd tracks its units, which decides what a restart kills: v1, hybrid or unified."""
    if isinstance(mountinfo, Unknown):
        return "unknown"
    mounts = [line.partition(" - ")[::2] for line in mountinfo.splitlines() if " - " in line]
    paths = {before.split()[4]: after.split()[0] for before, after in mounts}
    if paths.get("/sys/fs/cgroup") == "cgroup2":
        return "unified"
    if paths.get("/sys/fs/cgroup/unified") == "cgroup2":
        return "hybrid"
    return "v1" if "cgroup" in paths.values() else "unknown"


def read_dcos(host: Host) -> Dcos:
    """Read the version of DC/OS, and every sign that it carries Calico itself (DC/OS 2.1 and later)."""
    version = read_dcos_version(host)
    signs = []
    if isinstance(version, str) and is_dcos_with_calico(version):
        signs.append("DC/OS {}".format(version))
    if os.path.lexists(host.path(NATIVE_CALICO_DIR)):
        signs.append(NATIVE_CALICO_DIR)
    has_unit = has_native_unit(host)
    if has_unit is True:
        signs.append(NATIVE_CALICO_UNIT)
    return Dcos(version, has_unit if isinstance(has_unit, Unknown) and not signs else signs)


def has_native_unit(host: Host) -> Union[bool, Unknown]:
    """Whether systemd knows the unit of DC/OS' own Calico; where systemd does not run the host, it knows none."""
    if not systemd.runs(host):
        return False
    try:
        return systemd.read_unit(host, NATIVE_CALICO_UNIT).load_state == "loaded"
    except ToolError as error:
        return Unknown(str(error))


def read_dcos_version(host: Host) -> Union[str, None, Unknown]:
    """Read the version of DC/OS; None on plain Mesos."""
    path = host.path(DCOS_VERSION_FILE)
    if not os.path.exists(path):
        return None
    text = read_text(path)
    if isinstance(text, Unknown):
        return text
    try:
        return str(load_json(text)["version"])
    except (ValueError, KeyError, TypeError) as error:
        return Unknown("{}: {!r}".format(path, error))


def is_dcos_with_calico(version: str) -> bool:
    """Whether this version of DC/OS ships Calico; a version that is no number counts by what else is found."""
    parsed = parse_version(version)
    return parsed is not None and parsed >= FIRST_DCOS_WITH_CALICO


def read_text(path: str) -> Union[str, Unknown]:
    """Read a small text file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError as error:
        return Unknown("{}: {}".format(path, error.strerror))
