"""The installer's one-shots on a whole host: what is changed, what is left alone, what is put back, what is told."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.installer_fakes import FakeHost, find_pythons

STEPS = ("docker-cluster-store", "cni", "agent-restart")
HUP = ["kill", "-s", "HUP", "--kill-who=main", "docker.service"]
OLD = {"version": "1.0.3", "start_time": 1.0}


def get_last_report(host: FakeHost) -> Any:
    return host.reports[-1]


def get_failure(host: FakeHost) -> str:
    return "\n".join(
        report["reason"] + report.get("detail", "") for report in host.reports if report["kind"] == "failure"
    )


@pytest.mark.parametrize("python", find_pythons())
def test_all_steps_are_done_and_doing_them_again_writes_nothing(host: FakeHost, python: str) -> None:
    for step in STEPS:
        done = host.run("apply", step, python=python)
        assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(host.daemon_json.read_text()) == {
        "cluster-store": host.wanted["docker_cluster_store"]["cluster_store"]
    }
    assert json.loads(host.config_file.read_text()) == host.wanted["cni"]["config"]
    assert os.access(host.plugins_dir / "calico", os.X_OK)
    assert host.acts == [HUP]
    before = host.snapshot()
    for step in STEPS:
        done = host.run("apply", step, python=python)
        assert (done.returncode, done.stdout.startswith("nothing to do: ")) == (0, True)
    assert host.snapshot() == before
    assert host.acts == [HUP]


@pytest.mark.parametrize("arguments", [("inspect",), *(("apply", step, "--dry-run") for step in STEPS)])
def test_looking_writes_nothing(host: FakeHost, arguments: tuple[str, ...]) -> None:
    before = host.snapshot()
    assert host.run(*arguments).returncode == 0
    assert host.snapshot() == before
    assert host.acts == []


def test_an_inspection_is_printed_and_posted(host: FakeHost) -> None:
    done = host.run("inspect")
    printed, posted = json.loads(done.stdout), get_last_report(host)
    assert posted.pop("authorization") == "Bearer a-secret"
    for report in (printed, posted):
        report["facts"]["system"] = report["facts"]["etcd"] = None  # they hold the time
    assert printed == posted
    assert posted["facts"]["docker"]["engine"]["running"] == [{"name": "web", "image": "nginx:1"}]
    assert [change["restarts"] for change in posted["changes"]["cni"]] == [None, None, None]


def test_without_a_scheduler_reports_are_printed_only(host: FakeHost) -> None:
    environment = host.environment()
    del environment["CALICO_DCOS_REPORT_URL"]
    done = host.run("inspect", environment=environment)
    assert json.loads(done.stdout)["kind"] == "inspection"
    assert (host.reports, done.stderr) == ([], "")


def test_a_scheduler_that_is_away_stops_nothing_and_the_token_is_not_told(host: FakeHost) -> None:
    environment = {**host.environment(), "CALICO_DCOS_REPORT_URL": "http://127.0.0.1:1/v1/reports/x"}
    done = host.run("apply", "cni", environment=environment)
    assert done.returncode == 0
    assert "report not delivered: Connection refused" in done.stderr
    assert "a-secret" not in done.stdout + done.stderr


def test_malformed_wanted_state_is_wrong_usage(host: FakeHost) -> None:
    host.wanted["cni"]["plugins_dir"] = "not absolute"
    before = host.snapshot()
    done = host.run("apply", "cni")
    assert done.returncode == 2
    assert "cni.plugins_dir" in done.stderr
    assert host.snapshot() == before


def test_a_disabled_step_is_inspected_and_never_done(host: FakeHost) -> None:
    host.wanted["cni"]["enable"] = False
    assert host.run("apply", "cni").returncode == 3
    assert not host.config_file.exists()
    host.run("inspect")
    assert len(get_last_report(host)["changes"]["cni"]) == 3


def test_the_file_of_docker_keeps_its_foreign_keys_order_mode_owner_and_symlink(host: FakeHost) -> None:
    real = host.root / "etc/docker/real.json"
    real.write_text('{\n  "mtu": 1450,\n  "log-opts": {"max-size": "9m"}\n}\n')
    real.chmod(0o600)
    if os.getuid() == 0:
        os.chown(real, 12, 34)
    before = real.stat()
    host.daemon_json.symlink_to("real.json")
    assert host.run("apply", "docker-cluster-store").returncode == 0
    assert host.daemon_json.readlink() == Path("real.json")
    assert list(json.loads(real.read_text())) == ["mtu", "log-opts", "cluster-store"]
    after = real.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    backup = host.root / "var/lib/calico-dcos/backup/docker-cluster-store/0001/content"
    assert json.loads(backup.read_text()) == {"mtu": 1450, "log-opts": {"max-size": "9m"}}


def test_docker_is_reloaded_once_with_the_directory_in_etcd_made_before(host: FakeHost) -> None:
    assert host.run("apply", "docker-cluster-store").returncode == 0
    assert host.acts == [HUP]
    assert (host.root / "fake/etcd-puts").read_text() == "/v2/keys/docker/nodes?dir=true&prevExist=false\n"
    messages = [report.get("message", "") for report in host.reports]
    assert any("1 running containers untouched" in message for message in messages)
    assert get_last_report(host)["changes"]["docker-cluster-store"] == []


def test_a_run_that_was_killed_before_the_end_is_taken_up(host: FakeHost) -> None:
    store = host.wanted["docker_cluster_store"]["cluster_store"]
    host.daemon_json.write_text(json.dumps({"cluster-store": store, "cluster-advertise": ""}))
    host.change_state(info={"ClusterStore": store})
    assert host.run("apply", "docker-cluster-store").returncode == 0
    assert json.loads(host.daemon_json.read_text()) == {"cluster-store": store}
    assert host.acts == []


@pytest.mark.parametrize("before", [None, '{"debug": true}'])
def test_a_reload_that_docker_ignores_is_put_back_and_told(host: FakeHost, before: str | None) -> None:
    if before is not None:
        host.daemon_json.write_text(before)
    host.change_state(reload_is_ignored=True, journal=["Reloaded configuration: {}"])
    assert host.run("apply", "docker-cluster-store").returncode == 1
    assert (host.daemon_json.read_text() if host.daemon_json.exists() else None) == before
    assert host.acts == [HUP]
    assert "does not show the store" in get_failure(host)
    undone = "daemon.json away: there was none before" if before is None else "daemon.json back as it was before"
    assert f"{undone}; Docker is up (pid {os.getpid()}); all 1 containers are up" in get_failure(host)
    assert "Reloaded configuration" in get_failure(host)


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_change_whose_proof_cannot_be_looked_at_is_waited_for_and_kept(host: FakeHost, comes_back: bool) -> None:  # noqa: FBT001
    host.wanted["docker_cluster_store"]["timeout_s"] = 60 if comes_back else 1
    host.change_state(after_reload={"etcd_is_away": True})
    command = host.build_command("apply", "docker-cluster-store")
    with subprocess.Popen(
        command, cwd=host.project, env=host.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        told = next((line for line in run.stdout if "looks again: could not look: " in line), "")
        if comes_back:
            host.change_state(etcd_is_away=False)
        rest = run.stdout.read()
    assert "Docker's store" in told or "the store etcd://" in told
    assert (run.returncode, "done and verified" in rest) == ((0, True) if comes_back else (1, False))
    assert "cluster-store" in json.loads(host.daemon_json.read_text())
    assert host.acts == [HUP]
    if comes_back:
        return
    assert "done, and could not look: " in get_failure(host)
    host.change_state(etcd_is_away=False)
    assert host.run("apply", "docker-cluster-store").returncode == 0
    assert host.acts == [HUP]


def test_what_docker_logs_against_a_reload_counts_more_than_what_it_shows(host: FakeHost) -> None:
    host.change_state(journal=["level=error msg=Error reconfiguring the daemon: no"])
    assert host.run("apply", "docker-cluster-store").returncode == 1
    assert not host.daemon_json.exists()
    assert "Docker rejected the reload" in get_failure(host)


@pytest.mark.parametrize("status", [404, 500])
def test_docker_is_left_alone_while_its_store_is_not_usable(host: FakeHost, status: int) -> None:
    host.change_state(etcd_v2_status=status)
    before = host.daemon_json.exists()
    assert host.run("apply", "docker-cluster-store").returncode == 1
    assert (host.daemon_json.exists(), host.acts) == (before, [])
    assert f"status {status}" in get_failure(host)


def test_nothing_is_restarted_without_leave(host: FakeHost) -> None:
    host.change_state(version={"Version": "1.10.3"})
    host.wanted["may_restart"] = False

    assert host.run("apply", "docker-cluster-store").returncode == 1

    assert "needs leave to restart docker" in get_failure(host)
    assert host.acts == []
    assert not host.daemon_json.exists()


def test_sum_of_a_download_is_told_where_none_was_given(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0

    told = {report["url"]: report["sha256"] for report in host.reports if report["kind"] == "downloaded"}
    assert sorted(told) == sorted(plugin["url"] for plugin in host.wanted["cni"]["plugins"])


def test_an_old_docker_is_restarted_with_its_start_limit_cleared(host: FakeHost) -> None:
    host.change_state(version={"Version": "1.10.3"})
    assert host.run("apply", "docker-cluster-store").returncode == 0
    assert host.acts == [["reset-failed", "docker.service"], ["restart", "docker.service"]]


def test_a_docker_that_does_not_start_again_gets_its_old_file_back_and_is_started_with_it(host: FakeHost) -> None:
    host.daemon_json.write_text('{"debug": true}')
    store = host.wanted["docker_cluster_store"]["cluster_store"]
    host.change_state(version={"Version": "1.10.3"}, stores_that_break_docker=[store])
    assert host.run("apply", "docker-cluster-store").returncode == 1
    assert host.daemon_json.read_text() == '{"debug": true}'
    assert host.state["units"]["docker.service"]["ActiveState"] == "active"
    assert "Docker was started again with it" in get_failure(host)
    assert "dockerd: fatal: no such store" in get_failure(host)


@pytest.mark.parametrize(
    ("state", "file", "reason"),
    [
        ({"version": {"Version": "23.0.1"}}, "{}", "no longer knows cluster-store"),
        ({"info": {"Swarm": {"LocalNodeState": "active"}}}, "{}", "swarm mode is active"),
        ({"info": {"ClusterStore": "consul://x"}}, "{}", "another cluster store"),
        ({}, '{"broken": ', "is not valid"),
    ],
)
def test_a_refused_step_touches_nothing(host: FakeHost, state: dict[str, Any], file: str, reason: str) -> None:
    host.change_state(**state)
    host.daemon_json.write_text(file)
    before = host.snapshot()
    assert host.run("apply", "docker-cluster-store").returncode == 3
    assert host.snapshot() == before
    assert reason in get_failure(host)
    assert reason in get_last_report(host)["refusals"]["docker-cluster-store"]


def test_on_a_dcos_with_its_own_calico_nothing_is_touched(host: FakeHost) -> None:
    (host.root / "opt/mesosphere/active/calico").mkdir()
    before = host.snapshot()
    for arguments in (*(("apply", step) for step in STEPS), ("supervise", "calico-node"), ("supervise", "etcd-proxy")):
        assert host.run(*arguments).returncode == 3
    assert host.snapshot() == before
    assert host.acts == []


def test_a_download_that_is_another_one_is_not_installed(host: FakeHost) -> None:
    host.wanted["cni"]["plugins"][0]["sha256"] = "0" * 64
    assert host.run("apply", "cni").returncode == 1
    assert list(host.plugins_dir.iterdir()) == []
    assert not host.config_file.exists()
    assert "has sha256" in get_failure(host)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<html>not found</html>", "is no program"),
        ("#!/bin/sh\necho hello\n", "is no CNI plugin"),
        ("\x7fELF\x01\x01" + "\x00" * 12 + "\x00\x00", "is built for an unknown machine"),
    ],
)
def test_a_download_that_is_no_plugin_for_this_machine_is_not_installed(
    host: FakeHost, content: str, reason: str
) -> None:
    (host.root / "downloads/calico").write_text(content)
    assert host.run("apply", "cni").returncode == 1
    assert list(host.plugins_dir.iterdir()) == []
    assert reason in get_failure(host)


def test_a_plugin_that_was_replaced_is_installed_again(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0
    plugin = host.plugins_dir / "calico"
    ours = plugin.read_bytes()
    plugin.write_bytes(ours + b"# changed\n")
    plugin.chmod(0o600)
    assert host.run("apply", "cni").returncode == 0
    assert plugin.read_bytes() == ours
    assert stat.S_IMODE(plugin.stat().st_mode) == 0o755


def test_nothing_but_the_configuration_is_ever_in_its_directory(host: FakeHost) -> None:
    foreign = host.config_file.parent / "dcos.conf"
    foreign.write_text('{"name": "dcos", "type": "bridge"}')
    before = foreign.stat()
    assert host.run("apply", "cni").returncode == 0
    assert sorted(path.name for path in host.config_file.parent.iterdir()) == ["calico.conf", "dcos.conf"]
    assert foreign.stat().st_mtime_ns == before.st_mtime_ns


def test_a_link_that_leads_out_of_the_root_is_not_followed(host: FakeHost, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    host.plugins_dir.rmdir()
    host.plugins_dir.symlink_to(outside)
    assert host.run("apply", "cni").returncode == 1
    assert list(outside.iterdir()) == []
    assert "leads out of" in get_failure(host)


def test_an_old_agent_is_restarted_after_the_files_changed_and_not_again(host: FakeHost) -> None:
    host.change_state(agent={**OLD, "start_time": time.time() - 100})
    assert host.run("apply", "cni").returncode == 0
    assert get_last_report(host)["changes"]["agent-restart"][0]["restarts"] == "mesos-agent"
    assert host.run("apply", "agent-restart").returncode == 0
    unit = "dcos-mesos-slave.service"
    assert host.acts == [["reset-failed", unit], ["restart", unit]]
    assert host.run("apply", "agent-restart").stdout.startswith("nothing to do")
    assert host.acts == [["reset-failed", unit], ["restart", unit]]


def test_an_agent_that_does_not_come_back_loses_our_network_and_is_tried_once_more(host: FakeHost) -> None:
    host.change_state(agent=OLD)
    assert host.run("apply", "cni").returncode == 0
    host.change_state(agent_is_stuck=True, journal=["agent: EXIT with status 1"])
    assert host.run("apply", "agent-restart").returncode == 1
    assert not host.config_file.exists()
    assert [call[0] for call in host.acts] == ["reset-failed", "restart"] * 2
    assert "the agent is not up either" in get_failure(host)
    assert "calico.conf away: there was none before" in get_failure(host)
    assert "agent: EXIT with status 1" in get_failure(host)


def test_a_restart_that_was_rolled_back_is_not_tried_again_before_an_operator_retries(host: FakeHost) -> None:
    host.change_state(agent=OLD)
    assert host.run("apply", "cni").returncode == 0
    host.change_state(agent_is_stuck=True)
    assert host.run("apply", "agent-restart").returncode == 1
    host.change_state(agent_is_stuck=False, agent={**OLD, "start_time": time.time()})
    acts = list(host.acts)

    refused = host.run("apply", "cni")
    assert refused.returncode == 3
    assert "rolled back before, and not tried twice" in refused.stdout
    assert not host.config_file.exists()
    assert host.acts == acts

    host.wanted["retry"] = "1795858238.965"
    for step in ("cni", "agent-restart"):
        assert host.run("apply", step).returncode == 0
    assert len(host.acts) == len(acts) + 2
    assert not (host.root / "var/lib/calico-dcos/rolled-back.json").exists()


def test_a_docker_that_did_not_take_the_store_is_not_reloaded_again_for_the_same_store(host: FakeHost) -> None:
    host.change_state(reload_is_ignored=True)
    assert host.run("apply", "docker-cluster-store").returncode == 1
    acts = list(host.acts)

    refused = host.run("apply", "docker-cluster-store")

    assert refused.returncode == 3
    assert "Docker does not show the store" in refused.stdout
    assert host.acts == acts


def test_a_clock_that_was_set_back_costs_one_restart_and_no_more(host: FakeHost) -> None:
    host.change_state(agent={**OLD, "start_time": 1.0})
    assert host.run("apply", "cni").returncode == 0
    for _ in range(2):
        done = host.run("apply", "agent-restart")
        assert done.returncode == 0, done.stdout
    assert [call[0] for call in host.acts if call[0] == "restart"] == ["restart"]


def test_an_agent_that_seems_younger_than_files_it_has_never_read_is_restarted_once(host: FakeHost) -> None:
    """Its clock was ahead when it started, and was set back before the files came."""
    host.change_state(agent={**OLD, "start_time": time.time() + 3600})
    assert host.run("apply", "cni").returncode == 0
    for _ in range(2):
        done = host.run("apply", "agent-restart")
        assert done.returncode == 0, done.stdout
    assert [call[0] for call in host.acts if call[0] == "restart"] == ["restart"]


def test_two_runs_never_overlap(host: FakeHost) -> None:
    host.change_state(reload_is_ignored=True)
    slow = subprocess.Popen(
        host.build_command("apply", "docker-cluster-store"),
        env=host.environment(),
        cwd=host.project,
        stdout=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not host.daemon_json.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    started = time.monotonic()
    assert host.run("apply", "cni").returncode == 0
    assert slow.poll() == 1, "the other run held the lock until its end"
    slow.communicate()
    assert time.monotonic() - started > 0.3
    told = [report["message"] for report in host.reports if report.get("message", "").startswith("waits")]
    assert len(told) == 1
    assert told[0].startswith("waits: another run changes this host (")
