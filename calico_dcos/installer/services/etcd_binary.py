"""Gets the etcd binary, and builds the command line with which its version is a proxy."""

import os
import re
import shutil
import stat
import tarfile
from typing import List, NamedTuple, Optional

from ..files import CHUNK_BYTES, FileCopy, write_program
from ..host import STATE_DIR, Host, ToolError, run_program
from ..lock import CHANGES, hold_lock
from ..pins import Pin, read_pins, save_pin
from ..report import Reporter
from ..steps.download import check_program, download, tell_sum
from ..steps.work import StepError
from ..versions import parse_version
from ..wanted import Download, Proxy

PROGRAM = STATE_DIR + "/bin/etcd"
ARCHIVE = STATE_DIR + "/download/etcd.tar.gz"
UNPACKED = STATE_DIR + "/download/etcd"
PROXY_DATA = STATE_DIR + "/etcd-proxy"
PIN_NAME = "etcd"
VERSION_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 120
FIRST_WITH_GATEWAY = (3, 0)

Binary = NamedTuple("Binary", [("path", str), ("version", str)])


def install_etcd(host: Host, archive: Download, proxy: Proxy, reporter: Reporter) -> Binary:
    """Install etcd from its archive, unless the one from this archive is there already.

    Raises:
        StepError: it cannot be had, or does not run.
        LockedError: another run changes this host, for long.
    """
    path = host.path(PROGRAM)
    pin = read_pins(host).get(PIN_NAME)
    is_same = pin is not None and pin.url == archive.url and archive.sha256 in (None, pin.sha256)
    if not (is_same and os.path.exists(path)):
        with hold_lock(host, CHANGES, LOCK_TIMEOUT_S):
            _install(host, archive, path, proxy, reporter)
    return Binary(path, _ask_version(host, path))


def _install(host: Host, archive: Download, path: str, proxy: Proxy, reporter: Reporter) -> None:
    packed, unpacked = host.path(ARCHIVE), host.path(UNPACKED)
    os.makedirs(os.path.dirname(packed), exist_ok=True)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        sha256 = download(archive, packed, reporter, proxy)
        _unpack(packed, unpacked, archive.url)
        check_program(unpacked)
        os.chmod(unpacked, stat.S_IRWXU)
        _ask_version(host, unpacked)
        write_program(host, path, FileCopy(unpacked, ""))
    finally:
        for left in (packed, unpacked):
            if os.path.exists(left):
                os.unlink(left)
    save_pin(host, PIN_NAME, Pin(archive.url, sha256))
    tell_sum(archive, sha256, reporter)
    reporter.progress("installed {}".format(path))


def _ask_version(host: Host, path: str) -> str:
    try:
        output = run_program([path, "--version"], host.build_tool_environment(), VERSION_TIMEOUT_S).output
    except ToolError as error:
        raise StepError(str(error)) from error
    version = parse_etcd_output(output)
    if version is None:
        raise StepError("{} --version is not understood: {!r}".format(path, output[:200]))
    return version


def _unpack(packed: str, path: str, url: str) -> None:
    """Take etcd itself out of the archive; nothing else of it touches the disk."""
    try:
        with tarfile.open(packed) as archive:
            for member in archive:
                content = archive.extractfile(member) if os.path.basename(member.name) == "etcd" else None
                if content is None:
                    continue
                with open(path, "wb") as file:
                    shutil.copyfileobj(content, file, CHUNK_BYTES)
                return
    except (tarfile.TarError, OSError, EOFError) as error:
        raise StepError("{} is no archive: {}".format(url, error)) from error
    raise StepError("{} holds no etcd".format(url))


def parse_etcd_output(output: str) -> Optional[str]:
    """Read the version in the output of ``etcd --version``."""
    match = re.search(r"etcd [Vv]ersion:? (\d+\.\d+\S*)", output)
    return match.group(1) if match else None


def build_proxy_command(
    binary: Binary, listen: str, discovery_srv: str, members: List[str], data_dir: str
) -> List[str]:
    """Build the command of a proxy.

    From 3.0 on, a gateway, which passes the v2 and the v3 API alike. It is given the members that were found: looking
    for itself, it finds nothing where only the peers have an SRV record, and would not tell when members move. Before
    3.0, a v2 proxy, which looks for itself.
    """
    if (parse_version(binary.version) or FIRST_WITH_GATEWAY) >= FIRST_WITH_GATEWAY:
        endpoints = "--endpoints=" + ",".join(members)
        return [binary.path, "gateway", "start", "--listen-addr", listen, endpoints]
    url = "http://" + listen
    options = ["--listen-client-urls", url, "--discovery-srv", discovery_srv, "--data-dir", data_dir]
    return [binary.path, "--proxy", "on", *options]
