"""Bad input on the command line: one clear line, a status that is not 0, and nothing written."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def run_scheduler(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALICO_DCOS_")}
    own = {"STATE_STORE": f"sqlite://{tmp_path}/state.db", "LOG_LEVEL": "ERROR", "PORT": "0", **settings}
    return subprocess.run(
        [sys.executable, "-m", "calico_dcos", "scheduler"],
        env={**inherited, **{f"CALICO_DCOS_{name}": value for name, value in own.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def find_closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert done.returncode != 0
    assert lines[0].startswith("calico-dcos: ")
    return lines[0]


def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    done = run_scheduler(tmp_path, PORT="many", MAX_ATEMPTS="3")

    assert done.returncode == 2
    assert [line.split("=")[0].split(" is ")[0] for line in done.stderr.splitlines()] == [
        "calico-dcos: CALICO_DCOS_PORT",
        "calico-dcos: CALICO_DCOS_MAX_ATEMPTS",
    ]
    assert list(tmp_path.iterdir()) == []


def test_master_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    address = f"127.0.0.1:{find_closed_port()}"

    line = get_line(run_scheduler(tmp_path, MASTER=address))

    assert f"CALICO_DCOS_MASTER={address}" in line
    assert "nothing answers" in line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://db/calico", "unknown kind of store 'mysql'"),
        ("sqlite:///dev/null/state.db", "/dev/null/state.db"),
        ("etcd://127.0.0.1:1/calico", "etcd://127.0.0.1:1/calico"),
    ],
)
def test_store_that_cannot_be_had_is_named_with_its_setting(tmp_path: Path, url: str, said: str) -> None:
    line = get_line(run_scheduler(tmp_path, STATE_STORE=url))

    assert "CALICO_DCOS_STATE_STORE" in line
    assert said in line


def test_archive_of_the_installer_is_the_same_each_time_and_runs(tmp_path: Path) -> None:
    paths = [tmp_path / "first.pyz", tmp_path / "second.pyz"]
    for path in paths:
        subprocess.run([sys.executable, "-m", "calico_dcos", "installer-build", str(path)], check=True, timeout=120)

    assert paths[0].read_bytes() == paths[1].read_bytes()
    told = subprocess.run(
        [sys.executable, str(paths[0]), "--help"], capture_output=True, text=True, check=True, timeout=120
    )
    assert "inspect" in told.stdout
