"""Downloads a program, and checks it before anything can run it: its sum, its architecture."""

import hashlib
import os
import platform
import struct
import time
import urllib.error
import urllib.request
from typing import Any, BinaryIO, Dict, Optional, Tuple
from urllib.parse import urlsplit

try:
    import ssl
except ImportError:  # a Python that was built without it does everything else
    ssl = None  # type: ignore[assignment]

from ..report import Reporter
from ..wanted import NO_PROXY, Download, Proxy
from ..web import within
from .work import StepError

TIMEOUT_S = 30
# Until the body begins: a name, a proxy, redirects; each wait of it ends after the time above.
OPEN_TIMEOUT_S = 120
# For the whole of it, however slowly it comes; and more than any release needs.
WHOLE_TIMEOUT_S = 1800
MAX_BYTES = 512 << 20
CHUNK_BYTES = 1 << 16
TELL_EVERY_S = 2.0
# Where systems keep the certificates that they trust: Debian, Ubuntu and CoreOS; Red Hat and CentOS; SUSE; others.
TRUSTED = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
REMEDY = (
    "; add the authority that signs it to those that the host trusts (package ca-certificates), or have the scheduler "
    "serve the download (docs/without-internet.md)"
)
ELF_HEAD_BYTES = 20
ELF_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 21: "ppc64le", 22: "s390x"}


def download(
    source: Download, path: str, reporter: Reporter, proxy: Proxy = NO_PROXY, trusted: Tuple[str, ...] = TRUSTED
) -> str:
    """Download to path, synced to the disk, and return the sha256.

    Args:
        source: with the sum that it must have, if one is known.
        path: is written anew.
        reporter: hears of progress.
        proxy: what leads to the outside, and what needs it not; without one, what the environment says.
        trusted: files of certificates, of which the first that can be read counts.

    Raises:
        StepError: it cannot be had, is cut short, or has another sum than wanted.
    """
    try:
        context = build_context(trusted)
        opened = within(OPEN_TIMEOUT_S, lambda: _open(source.url, context, reporter, proxy))
        with opened as response, open(path, "wb") as file:
            sha256 = _copy(response, file, source.url, reporter)
    except (OSError, ValueError) as error:
        remedy = REMEDY if "CERTIFICATE_VERIFY_FAILED" in str(error) else tell_proxy(source.url, proxy)
        raise StepError("{} cannot be downloaded: {}{}".format(source.url, error, remedy)) from error
    if source.sha256 is not None and sha256 != source.sha256:
        raise StepError("{} has sha256 {}, not {}".format(source.url, sha256, source.sha256))
    return sha256


def tell_sum(source: Download, sha256: str, reporter: Reporter) -> None:
    """Tell the sum of a program that was checked, where none was given: what is no program is pinned on no host."""
    if source.sha256 is None:
        reporter.downloaded(source.url, sha256)


def build_context(bundles: Tuple[str, ...]) -> "Optional[ssl.SSLContext]":
    """Trust whom this machine trusts, besides whom Python trusts by itself.

    The Python of DC/OS trusts nobody: it asks the OpenSSL of DC/OS, which comes without certificates.

    Args:
        bundles: files of certificates; the first one that there is and that can be read counts.

    Returns:
        None where Python was built without TLS: downloads over HTTPS fail then, and say so.
    """
    if ssl is None:
        return None
    context = ssl.create_default_context()
    for bundle in bundles:
        try:
            context.load_verify_locations(cafile=bundle)
        except OSError:  # it is not there, or holds no certificate
            continue
        break
    return context


def _open(url: str, context: Any, reporter: Reporter, proxy: Proxy) -> Any:
    """Open a URL, through the proxy that leads there; never to the scheduler, as with reports."""
    proxies = {} if urlsplit(url).netloc == reporter.scheduler else choose_proxies(url, proxy)
    handlers = [] if context is None else [urllib.request.HTTPSHandler(context=context)]
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies), *handlers).open(url, timeout=TIMEOUT_S)


def choose_proxies(url: str, proxy: Proxy) -> Dict[str, str]:
    """Choose the proxies for a URL: those that are configured, else those of the environment; none where excepted."""
    host = urlsplit(url).hostname or ""
    if not proxy.url:
        return {} if urllib.request.proxy_bypass(host) else urllib.request.getproxies()
    if any(is_excepted(host, name.strip()) for name in proxy.exceptions.split(",")):
        return {}
    return {"http": proxy.url, "https": proxy.url}


def is_excepted(host: str, name: str) -> bool:
    """Whether a name of a list of exceptions covers a host: itself, and what lies below it."""
    bare = name.lstrip("*.").lower()
    return (bool(bare) and (host.lower() == bare or host.lower().endswith("." + bare))) or name == "*"


def tell_proxy(url: str, proxy: Proxy) -> str:
    """Tell through which proxy a download went; empty where through none."""
    through = choose_proxies(url, proxy).get(urlsplit(url).scheme)
    if through is None:
        return ""
    return " (through the proxy {}: see the options for the downloads' proxy and its exceptions)".format(through)


def _copy(response: Any, file: BinaryIO, url: str, reporter: Reporter) -> str:
    length = response.headers.get("Content-Length")
    total = int(length) if length and length.isdigit() else None  # type: Optional[int]
    digest, done, told_at = hashlib.sha256(), 0, time.monotonic()
    deadline = told_at + WHOLE_TIMEOUT_S
    # Each of these waits once at most: a read of a whole chunk would wait for each of its bytes.
    for chunk in iter(lambda: response.read1(CHUNK_BYTES), b""):
        file.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        if time.monotonic() > deadline or done > MAX_BYTES:
            limit = "{:d} s".format(WHOLE_TIMEOUT_S) if done <= MAX_BYTES else "{} MB".format(MAX_BYTES >> 20)
            raise StepError("{} has not ended after {} bytes, and the limit is {}".format(url, done, limit))
        if time.monotonic() - told_at >= TELL_EVERY_S:
            reporter.progress("downloading {}".format(url), done, total)
            told_at = time.monotonic()
    if total is not None and done != total:
        raise StepError("{} ended after {} of {} bytes".format(url, done, total))
    file.flush()
    os.fsync(file.fileno())
    reporter.progress("downloaded {}".format(url), done, total)
    return digest.hexdigest()


def check_program(path: str) -> None:
    """Check that a file is a program for this machine.

    Raises:
        StepError: it is not: another architecture, or an error page saved under its name.
    """
    with open(path, "rb") as file:
        fault = find_program_fault(file.read(ELF_HEAD_BYTES), platform.machine())
    if fault is not None:
        raise StepError("{} {}".format(os.path.basename(path), fault))


def find_program_fault(head: bytes, machine: str) -> Optional[str]:
    """Find in the first bytes of a file why it is no program for a machine of ``uname -m``; None when it is one."""
    if head.startswith(b"#!"):
        return None
    if not head.startswith(b"\x7fELF") or len(head) < ELF_HEAD_BYTES:
        return "is no program"
    order = "<" if head[5] == 1 else ">"
    built_for = ELF_MACHINES.get(struct.unpack(order + "H", head[18:20])[0], "an unknown machine")
    return None if built_for == machine else "is built for {}, and this machine is {}".format(built_for, machine)
