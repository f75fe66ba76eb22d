"""Secrets that lie about on a host leave it in no report and in no line of a sandbox, whatever is done there."""

from __future__ import annotations

import json
import subprocess

import pytest

from calico_dcos.installer.facts.comparison import HASH_LABEL
from tests.contract.installer_fakes import FakeHost

MARK = "5eCreTmArK"
LOGIN = f"http://bob:{MARK}@proxy:3128"
LOG_OPTS = {"splunk-token": MARK, "splunk-url": "https://s:8088", "env": f"API_KEY={MARK}"}
JOURNAL = [
    "dockerd[1000]: level=info msg=" + json.dumps("Reloaded configuration: " + json.dumps({"log-opts": LOG_OPTS})),
    f"dockerd[1000]: http-proxy={LOGIN} --cluster-store-opt token={MARK} --registry-password {MARK}",
    f"dockerd[1000]: Get https://r.io/v2/: Authorization: Bearer {MARK}",
]


@pytest.fixture
def leaky_host(host: FakeHost) -> FakeHost:
    """A host with a secret in every place where hosts have one."""
    host.daemon_json.write_text(json.dumps({"log-driver": "splunk", "log-opts": LOG_OPTS, "proxies": {"p": LOGIN}}))
    dockerd = (
        "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// --log-opt splunk-token=" + MARK + " --api-token "
        f'{MARK} --docker_config={{"auths":{{"r.io":{{"auth":"{MARK}"}}}}}} ; ignore_errors=no ; start_time=[n/a] }}'
    )
    docker = {**host.state["units"]["docker.service"], "ExecStart": dockerd}
    docker["Environment"] = f'HTTP_PROXY={LOGIN} "REGISTRY_PASSWORD=two {MARK}" DOCKER_TOKEN={MARK}'
    agent = host.state["agent"]
    flags = {**agent["flags"], "docker_config": json.dumps({"auths": {"r.io": {"auth": MARK}}}), "credential": MARK}
    node = {
        "Name": "/calico-node",
        "RestartCount": 3,
        "Config": {"Image": "old", "Env": [f"ETCD_PASSWORD={MARK}", f"ETCD_ENDPOINTS={LOGIN}"], "Labels": {}},
        "HostConfig": {},
        "State": {"Running": False, "Status": "exited", "Error": f"exec --token={MARK}", "ExitCode": 1},
    }
    host.change_state(
        journal=JOURNAL,
        reload_is_ignored=True,
        units={"docker.service": docker},
        agent={**agent, "flags": flags},
        containers={"calico-node": node},
        container_log="\n".join([*JOURNAL, f"-----BEGIN RSA PRIVATE KEY-----\n{MARK}"]),
        docker_refuses=f"login of bob:{MARK}@registry failed",
    )
    plugin = host.plugins_dir / "calico"
    plugin.write_text(f"#!/bin/sh\necho 'plugin: password={MARK}'\n")
    plugin.chmod(0o755)
    host.wanted["cni"]["plugins"][0]["url"] = f"http://bob:{MARK}@127.0.0.1:1/calico"
    host.wanted["calico_node"]["environment"]["ETCD_PASSWORD"] = MARK
    return host


@pytest.mark.parametrize(
    "command",
    [
        ("inspect",),
        ("apply", "all", "--dry-run"),
        ("apply", "all", "--dry-run", "--json"),
        ("apply", "docker-cluster-store"),
        ("apply", "cni"),
        ("apply", "agent-restart"),
        ("supervise", "calico-node", "--health"),
        ("remove",),
    ],
    ids=" ".join,
)
def test_no_secret_leaves_a_host(leaky_host: FakeHost, command: tuple[str, ...]) -> None:
    environment = {**leaky_host.environment(), "http_proxy": LOGIN, "https_proxy": LOGIN}
    done = leaky_host.run(*command, environment=environment)
    told = done.stdout + done.stderr + json.dumps(leaky_host.reports)
    assert MARK not in told, [line for line in told.splitlines() if MARK in line]
    assert "Traceback" not in told


def test_no_secret_leaves_a_host_whose_container_does_not_come_up(leaky_host: FakeHost) -> None:
    node = leaky_host.state["containers"]["calico-node"]
    ours = {**node, "Config": {**node["Config"], "Labels": {HASH_LABEL: "0123456789abcdef"}}}
    leaky_host.change_state(containers={"calico-node": ours})
    process = subprocess.Popen(
        leaky_host.build_command("supervise", "calico-node"),
        cwd=leaky_host.project,
        env=leaky_host.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=5)
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert "(hidden)" in said
    assert MARK not in said + json.dumps(leaky_host.reports)


def test_a_wanted_state_that_is_refused_is_not_told_with_its_secrets(host: FakeHost) -> None:
    environment = {**host.environment(), "CALICO_DCOS_WANTED": json.dumps({"etcd_endpoints": f"x bob:{MARK}@h"})}
    done = host.run("inspect", environment=environment)
    assert done.returncode == 2
    assert MARK not in done.stdout + done.stderr
