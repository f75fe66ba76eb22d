"""A real host that Calico 2 would not work on: Docker's rules are in nftables, where Felix has none."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import calico_image, cluster, servers, sight
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.host import HostSpec, Iptables
from tests.e2e.harness.site import Site, open_site

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

NFT = AgentSpec(
    HostSpec("nft", "10.77.0.14", iptables=Iptables.NFT, has_spartan=True), mesos_version="1.9.0", dcos_version="2.0.0"
)
PATIENCE_S = 240


@pytest.fixture
def site(cache: Path) -> Iterator[Site]:
    with open_site(cache) as site:
        yield site


def test_a_host_with_dockers_rules_on_nftables_is_refused_before_its_first_change(site: Site, image: Path) -> None:
    downloads = servers.start_all(site)
    cluster.start_master(site, mesos_version="1.9.0")
    host = cluster.boot_agent(site, image, NFT)
    calico_image.import_calico_node(host, image)
    cluster.start_agent(site, host, NFT)
    before = sight.read_files(host)
    scheduler = cluster.start_scheduler(site, state=site.directory / "refused.db", downloads=downloads)

    def read_plan() -> dict[str, object]:
        try:
            return dict(json.loads(servers.fetch(site, f"{scheduler.url}/v1/agents")))
        except CommandError:
            return {}

    wait_until(lambda: '"ERROR"' in json.dumps(read_plan()), what="the agent is refused", timeout_s=PATIENCE_S)
    told = json.dumps(read_plan())
    assert '"refused"' in told
    assert "calico-node refused: " in told
    assert "nftables" in told
    assert sight.find_differences(before, sight.read_files(host)) == []
    assert not sight.read_docker(host, "/info").get("ClusterStore")
