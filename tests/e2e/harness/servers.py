"""The servers of a site: DNS that knows etcd.mesos, the etcd behind it, and files over HTTP."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.site import ADDRESS, Site
from tests.e2e.harness.stand_ins import Download, write_downloads

ETCD_DOMAIN = "etcd.mesos"
ETCD_MEMBER = f"member.{ETCD_DOMAIN}"
ETCD_URL = f"http://{ADDRESS}:2379"
FILES_URL = f"http://{ADDRESS}:8000"


def start_all(site: Site) -> Mapping[str, Download]:
    """Start every server of a site; return what hosts can download, by name."""
    start_dns(site)
    start_etcd(site)
    directory = site.directory / "files"
    downloads = write_downloads(directory, url=FILES_URL)
    start_files(site, directory)
    return downloads


def start_dns(site: Site) -> None:
    """Start a name server that answers for `.mesos` alone: SRV records of one etcd member and its address."""
    site.start(
        [
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
            "--no-hosts",
            "--no-resolv",
            "--bind-interfaces",
            f"--listen-address={ADDRESS}",
            "--local=/mesos/",  # "no such name" instead of a refusal for what is not listed here
            f"--host-record={ETCD_MEMBER},{ADDRESS}",
            f"--srv-host=_etcd-server._tcp.{ETCD_DOMAIN},{ETCD_MEMBER},2380",
            f"--srv-host=_etcd-client._tcp.{ETCD_DOMAIN},{ETCD_MEMBER},2379",
        ],
        log=site.directory / "dnsmasq.log",
    )


def start_etcd(site: Site) -> None:
    """Start an etcd of one member with the v2 and v3 APIs, and wait until it answers."""
    site.start(
        [
            "etcd",
            "--enable-v2",
            f"--data-dir={site.directory / 'etcd'}",
            f"--listen-client-urls={ETCD_URL}",
            f"--advertise-client-urls={ETCD_URL}",
            f"--listen-peer-urls=http://{ADDRESS}:2380",
            f"--initial-advertise-peer-urls=http://{ADDRESS}:2380",
            f"--initial-cluster=default=http://{ADDRESS}:2380",
        ],
        log=site.directory / "etcd.log",
    )
    wait_until(lambda: answers(site, f"{ETCD_URL}/health"), what="etcd answers", timeout_s=30)


def start_files(site: Site, directory: Path) -> None:
    """Start an HTTP server for the files of a directory."""
    site.start(
        [sys.executable, "-m", "http.server", "--bind", ADDRESS, "--directory", str(directory), "8000"],
        log=site.directory / "files.log",
    )
    wait_until(lambda: answers(site, FILES_URL), what="files are served", timeout_s=60)


def fetch(site: Site, url: str) -> str:
    """Fetch a URL from within the site.

    Raises:
        CommandError: nothing answers, or not with success.
    """
    return site.run(["curl", "--silent", "--show-error", "--fail", "--max-time", "10", url])


def answers(site: Site, url: str) -> bool:
    """Tell whether a URL can be fetched from within the site."""
    try:
        fetch(site, url)
    except CommandError:
        return False
    return True
