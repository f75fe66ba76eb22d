"""The policy of the connectivity test in a real etcd: it goes by itself where whoever put it there was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.installer.connectivity.order import Label
from calico_dcos.installer.connectivity.policies import POLICY_KEY, TTL_S, name_policy, put_policy, remove_policy
from calico_dcos.installer.host import Host
from tests.contract.real_etcd import RealEtcd, start_etcd

LABEL = Label("calico-dcos-connectivity", "0123456789ab-1")
PUT_AND_DIE = """import os, signal, sys
from calico_dcos.installer.connectivity.order import Label
from calico_dcos.installer.connectivity.policies import put_policy
from calico_dcos.installer.host import Host
put_policy(Host("/", None, {}), [sys.argv[1]], Label(*sys.argv[2:]), 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[RealEtcd]:
    etcd = start_etcd(tmp_path, "--enable-v2")
    yield etcd
    etcd.stop()


def read_policy(etcd: RealEtcd) -> Any:
    """Read the policy as etcd has it; None if it has none."""
    try:
        with urllib.request.urlopen(f"http://{etcd.endpoint}{POLICY_KEY}{name_policy(LABEL)}", timeout=5) as answer:
            return json.loads(answer.read())["node"]
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def test_a_policy_of_whoever_was_killed_lapses(etcd: RealEtcd) -> None:
    command = [sys.executable, "-c", PUT_AND_DIE, f"http://{etcd.endpoint}", *LABEL]
    killed = subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert read_policy(etcd)["ttl"] <= 2
    deadline = time.monotonic() + 60
    while read_policy(etcd) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_policy_is_put_with_a_time_to_live_and_taken_away(etcd: RealEtcd) -> None:
    host, urls = Host("/", None, {}), [f"http://{etcd.endpoint}"]
    put_policy(host, urls, LABEL)
    policy = read_policy(etcd)
    assert 0 < policy["ttl"] <= TTL_S
    assert json.loads(policy["value"])["selector"] == "calico-dcos-connectivity == '0123456789ab-1'"
    remove_policy(host, urls, LABEL)
    assert read_policy(etcd) is None
    remove_policy(host, urls, LABEL)
