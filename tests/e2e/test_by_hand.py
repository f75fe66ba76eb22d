"""The guide to installing by hand, followed to the letter on a real host, leaves the installer nothing to do."""

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.config import build_wanted, read_config
from tests.e2e.harness import cluster, servers, sight
from tests.e2e.harness.calico_image import import_calico_node
from tests.e2e.harness.cluster import REPOSITORY, AgentSpec
from tests.e2e.harness.host import Host, HostSpec
from tests.e2e.harness.servers import ETCD_URL
from tests.e2e.harness.site import ADDRESS, Site
from tests.e2e.harness.stand_ins import IDLE_IMAGE, REPOSITORY_ON_HOSTS, Download, import_idle_image

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

AGENT = AgentSpec(HostSpec("by-hand", "10.77.0.31"), mesos_version="1.9.0", dcos_version="2.0.0")
GUIDES = REPOSITORY / "docs"
BLOCK = re.compile(r"^ *```sh on-agent\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
RELEASE = "https://github.com/projectcalico/calico-cni/releases/download/v1.5.5"
FOREIGN = "somebody-elses"


@pytest.fixture(scope="module")
def downloads(site: Site) -> Mapping[str, Download]:
    return servers.start_all(site)


@pytest.fixture(scope="module")
def host(site: Site, image: Path, downloads: Mapping[str, Download]) -> Host:
    """A host that an operator has set up with the guide, its etcd elsewhere."""
    assert downloads
    cluster.start_master(site, mesos_version="1.9.0")
    host = cluster.boot_agent(site, image, AGENT)
    import_calico_node(host, image)
    import_idle_image(host)
    host.run(["docker", "run", "--detach", "--name", FOREIGN, IDLE_IMAGE])
    cluster.start_agent(site, host, AGENT)
    return host


def read_blocks(guide: str) -> list[str]:
    """Read the commands of a guide, with the addresses of this site in place of those of the world."""
    text = (GUIDES / guide).read_text(encoding="utf-8").replace(RELEASE, servers.FILES_URL)
    for etcd in ("localhost:2379", "10.0.0.11:2379"):
        text = text.replace(etcd, f"{ADDRESS}:2379")
    return [textwrap.dedent(block) for block in BLOCK.findall(text)]


def run_installer(host: Host, *arguments: str) -> str:
    environment = {"CALICO_DCOS_ETCD_RUN_PROXY": "false", "CALICO_DCOS_ETCD_ENDPOINTS": ETCD_URL}
    wanted = json.dumps(build_wanted(read_config(environment)))
    command = ["env", f"PYTHONPATH={REPOSITORY_ON_HOSTS}", f"CALICO_DCOS_WANTED={wanted}"]
    return host.run([*command, "python3", "-m", "calico_dcos.installer", *arguments], timeout_s=180)


def inspect(host: Host) -> Mapping[str, Any]:
    inspection: Mapping[str, Any] = json.loads(run_installer(host, "inspect"))
    return inspection


def test_installer_finds_nothing_left_after_the_guide_and_no_container_was_touched(host: Host) -> None:
    before = sight.read_container(host, FOREIGN), sight.read_unit(host, "docker.service")
    left = inspect(host)["changes"]
    assert left["docker-cluster-store"]
    assert left["cni"]

    for block in read_blocks("custom-install.md"):
        host.run(["sh", "-euc", block], timeout_s=180)

    left = inspect(host)
    assert left["changes"]["docker-cluster-store"] == []
    assert left["changes"]["cni"] == []
    assert left["changes"]["agent-restart"] == []
    assert not left["refusals"].get("docker-cluster-store")
    assert sight.read_docker(host, "/info")["ClusterStore"] == f"etcd://{ADDRESS}:2379"
    assert (sight.read_container(host, FOREIGN), sight.read_unit(host, "docker.service")) == before


def test_remove_leaves_alone_what_was_set_up_by_hand(host: Host) -> None:
    run_installer(host, "remove", "--dry-run")
    run_installer(host, "remove")

    left = inspect(host)["changes"]
    assert (left["docker-cluster-store"], left["cni"]) == ([], [])


def test_etcd_answers_as_its_guide_says(host: Host) -> None:
    (block,) = read_blocks("custom-etcd.md")

    said = host.run(["sh", "-euc", block])

    assert "etcdserver" in said
    assert '"action":"get"' in said


def test_agents_drop_in_makes_the_reverse_path_filter_strict(host: Host) -> None:
    show, drop_in = read_blocks("host-settings.md")
    host.run(["sh", "-euc", show])

    host.run(["sh", "-euc", drop_in])
    host.run(["systemctl", "restart", AGENT.unit], timeout_s=180)

    assert host.run(["sysctl", "--values", "net.ipv4.conf.all.rp_filter"]).strip() == "1"
