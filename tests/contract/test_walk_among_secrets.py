"""A whole walk on a host with secrets in its files: none comes to a page, a log, the stored state or a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from calico_dcos.sim.cluster import Cluster
from calico_dcos.sim.cluster_plan import AgentPlan
from calico_dcos.sim.host import DOCKER_UNIT
from tests.contract.scheduler_process import build_scheduler

MARK = "5eCreTmArK"
STATE = "state.db"
DROP_IN = f"""[Service]
Environment=HTTP_PROXY=http://bob:{MARK}@proxy.example.com:3128 REGISTRY_TOKEN={MARK}
"""
PAGES = ("/v1/agents", "/v1/agents/agent-1", "/v1/plans/deploy", "/v1/preflight", "/v1/metrics", "/v1/audit", "/health")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    plan = AgentPlan(
        number=1,
        mesos_version="1.9.0",
        docker_version="20.10.24",
        daemon_json={"log-driver": "json-file", "log-opts": {"env": f"API_KEY={MARK}"}},
    )
    with Cluster([plan]) as running:
        host = running.hosts[0]
        drop_in = host.root / f"etc/systemd/system/{DOCKER_UNIT}.d/proxy.conf"
        drop_in.parent.mkdir(parents=True)
        drop_in.write_text(DROP_IN, encoding="utf-8")
        for words in (["daemon-reload"], ["restart", DOCKER_UNIT]):
            answer = host.run("systemctl", *words)
            assert answer.returncode == 0, answer.stderr
        yield running


def test_no_secret_of_a_host_or_of_an_agent_is_told_or_kept(cluster: Cluster, tmp_path: Path) -> None:
    scheduler = build_scheduler(
        cluster, tmp_path, LOG_LEVEL="DEBUG", AGENT_LOGIN=f"reader:{MARK}", NODE_ENVIRONMENT=f"ETCD_PASSWORD={MARK}"
    )
    scheduler.start()
    try:
        scheduler.wait_until(lambda seen: seen["complete"] == 1)
        answers = {path: requests.get(f"http://127.0.0.1:{scheduler.port}{path}", timeout=60) for path in PAGES}
    finally:
        scheduler.stop()

    host = cluster.hosts[0]
    assert MARK in (host.root / "etc/docker/daemon.json").read_text(encoding="utf-8")
    told = {path: answer.content for path, answer in answers.items() if answer.ok}
    assert b"ETCD_PASSWORD" in told["/v1/agents/agent-1"], "which settings there are is told, but for their values"
    sandboxes = [path for name in ("stdout", "stderr") for path in host.root.rglob(f"slaves/**/{name}")]
    assert sandboxes
    kept = [scheduler.log, *tmp_path.glob(f"{STATE}*"), *sandboxes]
    told |= {str(path): path.read_bytes() for path in kept}
    assert [where for where, content in told.items() if MARK.encode() in content] == []
