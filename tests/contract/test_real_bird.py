"""What a real BIRD says of its sessions, in a network of its own: one that is up, one that nobody answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import which
from typing import Any

import pytest

BIRD = which("bird")
needs_bird = pytest.mark.skipif(
    (BIRD is None or os.geteuid() != 0) and os.environ.get("CI") != "true",
    reason="no BIRD is installed (Debian's bird has it), or this is not root: the test makes a network namespace",
)
PROJECT = Path(__file__).parents[2]
HEAD = """router id {own};
listen bgp address {own} port 1790;
protocol device {{ scan time 2; }}
"""
# As Calico's template writes it, with a port that needs no leave and less patience.
SESSION = """protocol bgp {kind}_{name} {{
  local {own} as 64511; neighbor {peer} port 1790 as 64511; multihop; source address {own};
  import all; export all; connect retry time 1; connect delay time 1; {extra}
}}
"""
READ = """import json, sys
from calico_dcos.installer.facts.bird import read_bird
from calico_dcos.installer.host import Host
from calico_dcos.installer.unknown import to_json
print(json.dumps(to_json(read_bird(Host(sys.argv[1], None, {})))))
"""


def write_config(root: Path, own: str, peers: list[tuple[str, str, str]]) -> None:
    (root / "var/run/calico").mkdir(parents=True)
    sessions = [
        SESSION.format(kind=kind, name=peer.replace(".", "_"), own=own, peer=peer, extra=extra)
        for kind, peer, extra in peers
    ]
    (root / "bird.cfg").write_text(HEAD.format(own=own) + "".join(sessions))


def read(root: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(root)], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


@needs_bird
def test_a_real_birds_sessions_are_read(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    peers = [("Mesh", "127.0.0.12", ""), ("Mesh", "127.0.0.13", ""), ("Global", "127.0.0.14", "passive;")]
    write_config(one, "127.0.0.11", peers)
    write_config(other, "127.0.0.12", [("Mesh", "127.0.0.11", "")])
    assert BIRD is not None
    birds = [f"{BIRD} -d -c {one / 'bird.cfg'} -s {one}/var/run/calico/bird.ctl &" for one in (one, other)]
    script = "\n".join(["ip link set lo up", *birds, "wait"])
    namespace = subprocess.Popen(["unshare", "--net", "sh", "-c", script], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while [one["state"] for one in read(one)["sessions"]][:1] != ["Established"]:
            assert time.monotonic() < deadline, read(one)
            time.sleep(0.2)
        bird = read(one)
    finally:
        os.killpg(namespace.pid, signal.SIGKILL)
        namespace.wait()
    assert (bird["is_up"], bird["detail"].startswith("BIRD 1.6")) == (True, True)
    sessions = {session["peer"]: session for session in bird["sessions"]}
    assert sessions["127.0.0.12"]["kind"] == "Mesh"
    assert sessions["127.0.0.13"]["state"] in ("Active", "Connect", "Idle")
    assert (sessions["127.0.0.14"]["kind"], sessions["127.0.0.14"]["state"]) == ("Global", "Passive")
    # Its socket is left behind, and nobody listens on it any more.
    gone = read(one)
    assert (gone["is_up"], "Connection refused" in gone["detail"]) == (False, True)


def test_a_bird_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    assert read(tmp_path) == {
        "is_up": False,
        "detail": "/var/run/calico/bird.ctl: No such file or directory",
        "sessions": [],
    }
