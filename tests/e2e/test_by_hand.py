"""The guide to installing by hand, followed to the letter on a real host, leaves the installer nothing to do."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.config import build_wanted, read_config
from tests.e2e.harness import cluster, servers, sight
from tests.e2e.harness.cluster import REPOSITORY, REPOSITORY_ON_HOSTS, AgentSpec
from tests.e2e.harness.host import Host, HostSpec
from tests.e2e.harness.servers import ETCD_URL
from tests.e2e.harness.site import ADDRESS, Site, open_site
from tests.e2e.harness.stand_ins import CALICO_NODE_IMAGE, Download, import_calico_node

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

AGENT = AgentSpec(HostSpec("by-hand", "10.77.0.31"), mesos_version="1.9.0", dcos_version="2.0.0")
GUIDE = REPOSITORY / "docs/custom-install.md"
BLOCK = re.compile(r"^ *```sh on-agent\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
RELEASE = "https://github.com/projectcalico/calico-cni/releases/download/v1.5.5"
FOREIGN = "somebody-elses"


@pytest.fixture(scope="module")
def site(cache: Path) -> Iterator[Site]:
    with open_site(cache) as site:
        yield site


@pytest.fixture(scope="module")
def downloads(site: Site) -> Mapping[str, Download]:
    return servers.start_all(site)


@pytest.fixture(scope="module")
def host(site: Site, image: Path, downloads: Mapping[str, Download]) -> Host:
    """A host that an operator has set up with the guide, its etcd elsewhere."""
    assert downloads
    cluster.start_master(site, mesos_version="1.9.0")
    host = cluster.boot_agent(site, image, AGENT)
    import_calico_node(host)
    host.run(["docker", "run", "--detach", "--name", FOREIGN, CALICO_NODE_IMAGE])
    cluster.start_agent(site, host, AGENT)
    return host


def read_blocks() -> list[str]:
    """Read the commands of the guide, with the addresses of this site in place of those of the world."""
    blocks = [textwrap.dedent(block) for block in BLOCK.findall(GUIDE.read_text(encoding="utf-8"))]
    return [block.replace(RELEASE, servers.FILES_URL).replace("localhost:2379", f"{ADDRESS}:2379") for block in blocks]


def inspect(host: Host) -> Mapping[str, Any]:
    environment = {"CALICO_DCOS_ETCD_RUN_PROXY": "false", "CALICO_DCOS_ETCD_ENDPOINTS": ETCD_URL}
    wanted = json.dumps(build_wanted(read_config(environment)))
    command = ["env", f"PYTHONPATH={REPOSITORY_ON_HOSTS}", f"CALICO_DCOS_WANTED={wanted}"]
    said = host.run([*command, "python3", "-m", "calico_dcos.installer", "inspect"])
    inspection: Mapping[str, Any] = json.loads(said)
    return inspection


def test_installer_finds_nothing_left_after_the_guide_and_no_container_was_touched(host: Host) -> None:
    before = sight.read_container(host, FOREIGN), sight.read_unit(host, "docker.service")
    left = inspect(host)["changes"]
    assert left["docker-cluster-store"]
    assert left["cni"]

    for block in read_blocks():
        host.run(["sh", "-euc", block])

    left = inspect(host)
    assert left["changes"]["docker-cluster-store"] == []
    assert left["changes"]["cni"] == []
    assert left["changes"]["agent-restart"] == []
    assert not left["refusals"].get("docker-cluster-store")
    assert sight.read_docker(host, "/info")["ClusterStore"] == f"etcd://{ADDRESS}:2379"
    assert (sight.read_container(host, FOREIGN), sight.read_unit(host, "docker.service")) == before
