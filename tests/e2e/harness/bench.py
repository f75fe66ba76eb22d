"""One host that tests change by hand, and the installer as an operator runs it there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness import by_hand, cluster, servers, sight, stand_ins
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.host import Host
from tests.e2e.harness.site import Site


@dataclass(frozen=True, slots=True)
class Bench:
    """The host, and what is wanted of it."""

    host: Host
    wanted: Mapping[str, Any]

    def sh(self, script: str, *, timeout_s: float = 90) -> str:
        return self.host.run(["sh", "-euc", script], timeout_s=timeout_s)

    def write(self, path: str, content: str) -> None:
        script = 'mkdir -p "$(dirname "$0")"; cat > "$0"'
        self.host.run(["sh", "-euc", script, path], stdin=content.encode())

    def apply(self, **store: object) -> by_hand.Ended:
        """Apply the step of Docker's store, with other values of it."""
        return self.apply_step("docker-cluster-store", docker_cluster_store=store)

    def apply_step(self, step: str, before: tuple[str, ...] = (), **parts: Mapping[str, object]) -> by_hand.Ended:
        """Apply a step, with other values in parts of what is wanted."""
        wanted = dict(self.wanted)
        for part, values in parts.items():
            wanted = by_hand.change(wanted, part, **values)
        return by_hand.run(self.host, wanted, "apply", step, before=before)

    def read_docker(self) -> tuple[str, str]:
        """The process of dockerd and that of the container: neither may change."""
        return self.sh("pgrep -x dockerd"), self.sh("docker inspect -f '{{.State.Pid}}' work")

    def await_docker(self) -> None:
        """Wait until Docker answers."""
        wait_until(self._does_docker_answer, what="Docker answers", timeout_s=60)

    def _does_docker_answer(self) -> bool:
        try:
            sight.read_docker(self.host, "/info")
        except CommandError:
            return False
        return True


def boot_bench(site: Site, image: Path, agent: AgentSpec, *, may_restart: bool = True) -> Bench:
    """Boot a host with its Mesos agent, and whatever the installer asks around it."""
    downloads = servers.start_all(site)
    cluster.start_master(site, mesos_version=agent.mesos_version)
    host = cluster.boot_agent(site, image, agent)
    stand_ins.import_idle_image(host)
    cluster.start_agent(site, host, agent)
    return Bench(host, dict(by_hand.build_wanted(downloads), may_restart=may_restart))
