"""The dry run, for people and for programs: what would be done, why, with which impact; and nothing is done or sent."""

from __future__ import annotations

import json

import pytest

from tests.contract.installer_fakes import FakeHost

STEPS = ("etcd-proxy", "docker-cluster-store", "cni", "agent-restart", "calico-node")


def test_people_read_what_would_be_done_why_and_with_which_impact(host: FakeHost) -> None:
    host.change_state(version={"Version": "1.10.3"})
    before = host.snapshot()
    done = host.run("apply", "docker-cluster-store", "--dry-run")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "docker-cluster-store: 1 change"
    assert lines[1].startswith(f"  would set cluster-store etcd://{host.etcd_address} in /etc/docker/daemon.json")
    assert lines[2] == "    because Docker 1.10.3 does not take a store on reload"
    assert lines[3] == "    impact: restarts Docker: 1 container stops (web)"
    assert (host.snapshot(), host.acts, host.reports) == (before, [], [])


def test_all_steps_can_be_looked_at_and_a_disabled_one_says_so(host: FakeHost) -> None:
    host.wanted["cni"]["enable"] = False
    done = host.run("apply", "all", "--dry-run")
    assert done.returncode == 0
    heads = [line.partition(":")[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert heads == list(STEPS)
    assert "cni: 3 changes (disabled: nothing of this is done)" in done.stdout


def test_a_refusal_says_what_an_operator_can_do(host: FakeHost) -> None:
    host.change_state(info={"Swarm": {"LocalNodeState": "active"}})
    done = host.run("apply", "docker-cluster-store", "--dry-run")
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "docker-cluster-store: refused",
        "  Docker's swarm mode is active: leave the swarm, or disable this step",
    ]


def test_a_refusal_of_a_disabled_step_is_no_failure(host: FakeHost) -> None:
    host.change_state(info={"Swarm": {"LocalNodeState": "active"}})
    host.wanted["docker_cluster_store"]["enable"] = False
    assert host.run("apply", "all", "--dry-run").returncode == 0


def test_programs_read_json(host: FakeHost) -> None:
    done = host.run("apply", "all", "--dry-run", "--json")
    steps = json.loads(done.stdout)["steps"]
    assert sorted(steps) == sorted(STEPS)
    proxy = steps["etcd-proxy"]
    assert "it is the cluster behind etcd.mesos" in proxy.pop("proof")
    nothing = {"refusal": None, "unknown": None, "fault": None}
    assert proxy == {"is_enabled": True, "changes": [], **nothing, "warnings": []}
    assert [change["restarts"] for change in steps["cni"]["changes"]] == [None, None, None]
    assert steps["calico-node"]["changes"][0]["reason"] == "there is no container calico-node"


@pytest.mark.parametrize("arguments", [("apply", "all"), ("apply", "calico-node"), ("apply", "cni", "--json")])
def test_what_is_for_dry_runs_only_is_wrong_usage_without(host: FakeHost, arguments: tuple[str, ...]) -> None:
    done = host.run(*arguments)
    assert done.returncode == 2
    assert "--dry-run" in done.stderr
