"""The installer's way back on a whole host: all that it did is undone, and nothing that is somebody else's."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.installer.host import Host
from calico_dcos.installer.lock import CHANGES, hold_lock
from tests.contract.fake_tools import PLUGIN
from tests.contract.installer_fakes import FakeHost

STEPS = ("docker-cluster-store", "cni")
LABEL = "org.projectcalico.calico-dcos.settings"
FOREIGN = '{\n  "mtu": 1450,\n  "log-opts": {"max-size": "9m"}\n}\n'


def install(host: FakeHost) -> None:
    for step in STEPS:
        done = host.run("apply", step)
        assert done.returncode == 0, done.stdout + done.stderr
    host.change_state(containers={"calico-node": build_container({LABEL: "x"})})


def build_container(labels: dict[str, str]) -> dict[str, Any]:
    config = {"Image": "calico/node:v1.0.0", "Env": [], "Labels": labels}
    state = {"Running": True, "Restarting": False, "Status": "running", "Pid": 7, "StartedAt": "2026-01-01T00:00:00Z"}
    return {"Name": "/calico-node", "RestartCount": 0, "Config": config, "HostConfig": {}, "State": state}


def read_tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that is on the host: kind, mode, owner, content and time of each file; the stand-ins' own left out."""
    found: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        if path.relative_to(root).parts[0] == "fake":
            continue
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        link = path.readlink() if path.is_symlink() else None
        found[str(path.relative_to(root))] = (stat.S_IFMT(status.st_mode), status.st_mode, status.st_uid, content, link)
    return found


def test_remove_leaves_the_host_as_it_was_found(host: FakeHost) -> None:
    host.daemon_json.write_text(FOREIGN)
    host.daemon_json.chmod(0o640)
    (host.root / "var/lib").mkdir(parents=True)
    old = host.plugins_dir / "calico"
    old.write_text("#!/bin/sh\nexit 1\n")
    before = read_tree(host.root)
    install(host)
    assert host.run("remove").returncode == 0
    assert read_tree(host.root) == before
    assert host.acts[-1] == ["docker", "rm", "calico-node"]
    assert list(host.state["containers"]) == ["web"]


def test_what_a_killed_connectivity_test_left_goes_too_and_is_no_user_of_the_networks(host: FakeHost) -> None:
    install(host)
    name = "calico-dcos-connectivity-0123abcd"
    left = {**build_container({}), "Name": f"/{name}-server"}
    network = {
        "Id": "n1",
        "Name": name,
        "Driver": "calico",
        "Scope": "global",
        "Containers": {"c": {"Name": left["Name"][1:]}},
    }
    containers = {**host.state["containers"], f"{name}-server": left}
    host.change_state(containers=containers, networks=[*host.state["networks"], network])
    (host.root / "run/calico-dcos/connectivity/0123abcd").mkdir(parents=True)
    done = host.run("remove")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"removed container {name}-server" in done.stdout
    assert f"removed network {name}" in done.stdout
    assert list(host.state["containers"]) == ["web"]
    assert name not in [one["Name"] for one in host.state["networks"]]
    assert not (host.root / "run/calico-dcos").exists()


def test_directories_that_were_made_for_a_file_go_with_it(host: FakeHost) -> None:
    host.wanted["cni"]["plugins_dir"] = "/opt/new/cni/bin"
    host.change_state(agent={"flags": {**host.state["agent"]["flags"], "network_cni_plugins_dir": "/opt/new/cni/bin"}})
    (host.root / "etc/docker").rmdir()
    (host.root / "var/lib").mkdir(parents=True)
    before = read_tree(host.root)
    install(host)
    assert host.run("remove").returncode == 0
    assert read_tree(host.root) == before


def test_a_second_remove_finds_nothing_and_writes_nothing(host: FakeHost) -> None:
    install(host)
    assert host.run("remove").returncode == 0
    before, acts = host.snapshot(), host.acts
    done = host.run("remove")
    assert (done.returncode, done.stdout) == (0, "nothing to remove\n")
    assert (host.snapshot(), host.acts) == (before, acts)


def test_a_dry_run_tells_and_writes_nothing(host: FakeHost) -> None:
    install(host)
    before, acts = host.snapshot(), host.acts
    done = host.run("remove", "--dry-run")
    assert done.returncode == 0
    for told in ("removed container calico-node", "calico.conf away", "daemon.json away", "/var/lib/calico-dcos"):
        assert told in done.stdout
    assert (host.snapshot(), host.acts) == (before, acts)


def test_of_a_file_that_somebody_edited_since_only_our_keys_are_taken_out(host: FakeHost) -> None:
    host.daemon_json.write_text(FOREIGN)
    install(host)
    edited = json.loads(host.daemon_json.read_text())
    host.daemon_json.write_text(json.dumps({"debug": True, **edited}))
    assert host.run("remove").returncode == 0
    assert json.loads(host.daemon_json.read_text()) == {"debug": True, "mtu": 1450, "log-opts": {"max-size": "9m"}}
    assert not (host.root / "var/lib/calico-dcos").exists()


def test_a_store_that_was_replaced_comes_back_even_into_an_edited_file(host: FakeHost) -> None:
    host.daemon_json.write_text('{"cluster-store": "consul://old"}')
    host.wanted["docker_cluster_store"]["replace_existing"] = True
    install(host)
    edited = json.loads(host.daemon_json.read_text())
    host.daemon_json.write_text(json.dumps({**edited, "debug": True}))
    assert host.run("remove").returncode == 0
    assert json.loads(host.daemon_json.read_text()) == {"cluster-store": "consul://old", "debug": True}


def test_a_store_that_somebody_changed_since_stays(host: FakeHost) -> None:
    install(host)
    host.daemon_json.write_text('{"cluster-store": "consul://theirs"}')
    assert host.run("remove").returncode == 0
    assert host.daemon_json.read_text() == '{"cluster-store": "consul://theirs"}'


def test_a_file_that_cannot_be_edited_is_told_and_its_backup_stays_for_the_next_run(host: FakeHost) -> None:
    host.daemon_json.write_text(FOREIGN)
    install(host)
    ours = host.daemon_json.read_text()
    host.daemon_json.write_text(ours[:-3])
    done = host.run("remove")
    assert done.returncode == 1
    assert "our keys cannot be taken out" in done.stdout
    assert not host.config_file.exists(), "the other steps are undone all the same"
    host.daemon_json.write_text(ours)
    assert host.run("remove").returncode == 0
    assert json.loads(host.daemon_json.read_text()) == json.loads(FOREIGN)
    assert not (host.root / "var/lib/calico-dcos").exists()


def test_our_files_are_known_by_their_content_whatever_became_of_their_times(host: FakeHost) -> None:
    """File systems keep times in seconds or finer, and a copy or a touch gives others."""
    install(host)
    for path in (host.config_file, host.daemon_json, host.plugins_dir / "calico"):
        os.utime(path, ns=(1_000_000_000, 1_000_000_000))
    assert host.run("remove").returncode == 0
    assert not host.config_file.exists()
    assert not host.daemon_json.exists()
    assert not (host.plugins_dir / "calico").exists()


def test_a_store_of_ours_that_was_replaced_by_another_never_comes_back(host: FakeHost) -> None:
    """Installed with one store, edited by an administrator, changed to another: what is kept of the edit holds ours."""
    host.daemon_json.write_text('{"log-level": "warn"}')
    assert host.run("apply", "docker-cluster-store").returncode == 0
    edited = {**json.loads(host.daemon_json.read_text()), "max-concurrent-downloads": 6}
    host.daemon_json.write_text(json.dumps(edited))
    store = host.wanted["docker_cluster_store"]["cluster_store"]
    other = store.replace("127.0.0.1", "localhost")
    host.wanted["docker_cluster_store"].update(cluster_store=other, replace_existing=True)
    assert host.run("apply", "docker-cluster-store").returncode == 0
    assert json.loads(host.daemon_json.read_text())["cluster-store"] == other
    assert host.run("remove").returncode == 0
    assert json.loads(host.daemon_json.read_text()) == {"log-level": "warn", "max-concurrent-downloads": 6}
    assert not (host.root / "var/lib/calico-dcos").exists()


def test_a_mode_that_somebody_changed_since_stays(host: FakeHost) -> None:
    host.daemon_json.write_text(FOREIGN)
    host.daemon_json.chmod(0o644)
    old = host.plugins_dir / "calico"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o700)
    install(host)
    host.daemon_json.chmod(0o600)
    assert host.run("remove").returncode == 0
    assert host.daemon_json.read_text() == FOREIGN
    assert stat.S_IMODE(host.daemon_json.stat().st_mode) == 0o600
    assert stat.S_IMODE(old.stat().st_mode) == 0o700, "nobody changed that one"


def test_a_link_in_the_place_of_our_directory_is_emptied_and_stays(host: FakeHost) -> None:
    disk = host.root / "data/calico"
    disk.mkdir(parents=True)
    (host.root / "var/lib").mkdir(parents=True)
    (host.root / "var/lib/calico-dcos").symlink_to(disk)
    install(host)
    done = host.run("remove")
    assert done.returncode == 0, done.stdout
    assert "emptied /var/lib/calico-dcos" in done.stdout
    assert list(disk.iterdir()) == []
    assert host.run("remove").stdout == "nothing to remove\n"


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_a_mask_changes_no_mode(host: FakeHost, mask: int) -> None:
    host.wanted["cni"]["plugins_dir"] = "/opt/new/cni/bin"
    host.change_state(agent={"flags": {**host.state["agent"]["flags"], "network_cni_plugins_dir": "/opt/new/cni/bin"}})
    before = os.umask(mask)
    try:
        for step in STEPS:
            assert host.run("apply", step).returncode == 0
    finally:
        os.umask(before)
    made = [host.root / "opt/new", host.root / "opt/new/cni/bin", host.root / "var/lib/calico-dcos"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o755] * 3
    assert stat.S_IMODE(host.config_file.stat().st_mode) == 0o644
    assert stat.S_IMODE((host.root / "var/lib/calico-dcos/lock/changes").stat().st_mode) == 0o644


def test_a_network_that_was_taken_away_after_a_failure_and_put_back_by_hand_is_left(host: FakeHost) -> None:
    host.change_state(agent={"version": "1.0.3", "start_time": 1.0})
    assert host.run("apply", "cni").returncode == 0
    ours = host.config_file.read_bytes()
    host.change_state(agent_is_stuck=True)
    assert host.run("apply", "agent-restart").returncode == 1
    assert not host.config_file.exists()
    host.config_file.write_bytes(ours)
    host.wanted["retry"] = "by an operator"
    assert host.run("apply", "agent-restart").returncode == 1
    assert host.config_file.read_bytes() == ours, "a second failure leaves what is not ours"
    assert host.run("remove").returncode == 0
    assert host.config_file.read_bytes() == ours


def test_a_plugin_that_an_operator_removed_stays_away(host: FakeHost) -> None:
    (host.plugins_dir / "calico").write_text("#!/bin/sh\nexit 1\n")
    install(host)
    (host.plugins_dir / "calico").unlink()
    assert host.run("remove").returncode == 0
    assert not (host.plugins_dir / "calico").exists()


def test_a_chain_of_our_own_versions_goes_back_to_what_was_there_before_the_first(host: FakeHost) -> None:
    plugin, theirs = host.plugins_dir / "calico", "#!/bin/sh\nexit 1\n"
    plugin.write_text(theirs)
    for version in range(3):
        download = host.root / "downloads" / f"calico-{version}"
        download.write_text(f"{PLUGIN}# version {version}\n")
        host.wanted["cni"]["plugins"][0]["url"] = download.as_uri()
        host.wanted["cni"]["config"]["subnet"] = version
        assert host.run("apply", "cni").returncode == 0
        assert plugin.read_text() == download.read_text()
    assert host.run("remove").returncode == 0
    assert plugin.read_text() == theirs
    assert not host.config_file.exists()


def test_what_somebody_put_between_two_versions_of_ours_is_what_comes_back(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0
    host.config_file.write_text('{"name": "theirs", "type": "x"}')
    assert host.run("apply", "cni").returncode == 0
    assert host.run("remove").returncode == 0
    assert host.config_file.read_text() == '{"name": "theirs", "type": "x"}'


def test_a_container_of_somebody_else_is_left(host: FakeHost) -> None:
    assert host.run("apply", "cni").returncode == 0
    host.change_state(containers={"calico-node": build_container({})})
    assert host.run("remove").returncode == 0
    assert "calico-node" in host.state["containers"]


def test_without_docker_the_rest_is_undone_and_the_next_run_ends_it(host: FakeHost) -> None:
    install(host)
    host.change_state(units={"docker.service": {**host.state["units"]["docker.service"], "ActiveState": "failed"}})
    done = host.run("remove")
    assert done.returncode == 1
    assert "whether a container calico-node of ours is there is not known" in done.stdout
    assert not host.config_file.exists()
    host.change_state(units={"docker.service": {**host.state["units"]["docker.service"], "ActiveState": "active"}})
    assert host.run("remove").returncode == 0
    assert "calico-node" not in host.state["containers"]
    assert not (host.root / "var/lib/calico-dcos").exists()


def test_mode_and_owner_of_what_was_there_come_back(host: FakeHost) -> None:
    old = host.plugins_dir / "calico"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o711)
    if os.getuid() == 0:
        os.chown(old, 12, 34)
    os.utime(old, ns=(1_000_000_000, 1_000_000_000))
    before = old.stat()
    install(host)
    assert host.run("remove").returncode == 0
    after = old.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("error", [None, FileNotFoundError, FileExistsError])
def test_a_lock_whose_directory_is_taken_away_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError] | None
) -> None:
    make = os.makedirs
    asked: list[str] = []

    def make_too_late(name: str, *, exist_ok: bool) -> None:
        asked.append(name)
        if asked != [name]:
            make(name, exist_ok=exist_ok)
        elif error is not None:
            raise error(name)

    monkeypatch.setattr(os, "makedirs", make_too_late)
    with hold_lock(Host(str(tmp_path), None, {}), CHANGES, 60):
        assert asked[0] == asked[1], "asked for again"


def test_a_file_where_the_locks_belong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "var/lib/calico-dcos").mkdir(parents=True)
    (tmp_path / "var/lib/calico-dcos/lock").touch()

    with pytest.raises(OSError, match="lock"), hold_lock(Host(str(tmp_path), None, {}), CHANGES, 60):
        pass


def test_who_waits_for_a_lock_that_is_removed_meanwhile_takes_the_new_one(tmp_path: Path) -> None:
    here = Host(str(tmp_path), None, {})
    lock = tmp_path / "var/lib/calico-dcos/lock/changes"
    taken = threading.Event()

    def wait_for_it() -> None:
        with hold_lock(here, CHANGES, 60):
            assert lock.exists()
            taken.set()

    with hold_lock(here, CHANGES, 60):
        waiter = threading.Thread(target=wait_for_it)
        waiter.start()
        (tmp_path / "var").rename(tmp_path / "gone")
    assert taken.wait(60)
    waiter.join()
    assert lock.exists(), "whoever comes next meets at the same file"
