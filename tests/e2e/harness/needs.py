"""What the machine must offer before hosts can be booted on it."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = (
    "busybox-static",
    "curl",
    "debootstrap",
    "dnsmasq-base",
    "etcd-server",
    "iproute2",
    "systemd-container",
    "util-linux",
)
"""Debian packages whose programs the harness runs."""


def find_missing() -> list[str]:
    """Return what this machine lacks, one phrase each; empty if hosts can be booted."""
    if platform.system() != "Linux" or shutil.which("dpkg-query") is None:
        return ["Debian"]
    missing = []
    if os.geteuid() != 0:
        missing.append("root")
    if not Path("/sys/fs/cgroup/systemd/cgroup.procs").exists():
        missing.append("cgroup v1 under /sys/fs/cgroup, as the hosts of DC/OS have it")
    absent = sorted(set(PACKAGES) - _read_installed())
    if absent:
        missing.append(f"Debian packages: {' '.join(absent)}")
    return missing


def _read_installed() -> set[str]:
    asked = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout  # status 1: some are unknown
    return {package for package, status in map(str.split, answer.splitlines()) if status == "installed"}
