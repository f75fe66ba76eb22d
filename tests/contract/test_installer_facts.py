"""The published form of facts: what a host is really reported as, the schema and the page agree."""

from __future__ import annotations

import http.server
import json
import os
import threading
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from calico_dcos.facts_document import build_page, build_schema, list_fields
from calico_dcos.facts_meanings import MEANINGS
from calico_dcos.web.server import MAX_BODY_BYTES
from tests.contract.installer_fakes import FakeHost

PAGE = Path(__file__).parents[2] / "docs/facts.md"


def inspect(host: FakeHost) -> Any:
    done = host.run("inspect")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.Draft202012Validator(build_schema()).validate(report)
    return report


def test_the_page_says_what_the_program_says() -> None:
    assert PAGE.read_text() == build_page(), "write it anew: python -m calico_dcos.facts_document > docs/facts.md"


def test_every_fact_has_a_meaning_and_no_meaning_is_left_over() -> None:
    assert {fact.key for fact in list_fields()} == set(MEANINGS)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(build_schema())


def test_the_schema_takes_no_facts_that_are_not_published(host: FakeHost) -> None:
    report = inspect(host)
    report["facts"]["docker"]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, build_schema())


def test_a_host_is_reported_in_the_published_form(host: FakeHost) -> None:
    facts = inspect(host)["facts"]
    assert facts["docker"]["engine"]["running"] == [{"name": "web", "image": "nginx:1"}]
    assert facts["etcd"][0]["has_v2"] is True
    assert facts["etcd_listener"]["answers"] == "etcd"
    # The stand-in of etcd is a thread of this very process.
    holder = facts["etcd_port"]["sockets"][0]["process"]
    assert holder["program"]
    assert abs(facts["clock"]["ahead_of_scheduler_s"]) <= 60
    assert {disk["path"] for disk in facts["disks"]} >= {"/var/lib/calico-dcos", "/etc/docker"}
    assert all(disk["room"]["free_bytes"] >= 0 for disk in facts["disks"])


def test_a_host_without_anything_is_reported_with_reasons_not_guesses(tmp_path: Path, host: FakeHost) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    host.wanted["etcd_endpoints"] = "http://127.0.0.1:1,https://127.0.0.1:2"
    host.wanted["etcd_proxy"]["listen"] = "127.0.0.1:1"
    environment = {**host.environment(), "CALICO_DCOS_ROOT": str(bare), "MESOS_AGENT_ENDPOINT": "127.0.0.1:1"}
    environment["CALICO_DCOS_REPORT_URL"] = "http://127.0.0.1:1/v1/reports/x"
    done = host.run("inspect", environment=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, build_schema())
    facts = report["facts"]
    for fact in (
        facts["system"]["os"],
        facts["clock"]["ahead_of_scheduler_s"],
        facts["docker"]["engine"],
        facts["docker"]["unit"],
        facts["docker"]["flags"],
        facts["mesos_agent"]["unit"],
        facts["mesos_agent"]["state"],
        facts["calico_node"],
        facts["felix"]["is_ready"],
        facts["felix"]["age_s"],
        facts["calico_etcd"]["own"],
        facts["netfilter"]["iptables"],
        facts["netfilter"]["legacy"],
        facts["docker_drivers"][0]["implements"],
        facts["etcd_listener_cluster"],
        facts["etcd_behind"]["members"],
        facts["etcd_reached"][0]["cluster"],
        facts["etcd"][0]["etcd"],
        facts["etcd"][1]["has_v2"],
    ):
        assert fact["unknown"]
    assert facts["docker"]["is_installed"] is False
    assert list(bare.iterdir()) == []


def test_fifty_containers_take_no_more_calls_of_docker_than_one(host: FakeHost) -> None:
    state = host.state
    for number in range(50):
        one = json.loads(json.dumps(state["containers"]["web"]))
        state["containers"][f"web-{number}"] = {**one, "Name": f"/web-{number}"}
    host.save(state)
    assert len(inspect(host)["facts"]["docker"]["engine"]["running"]) == 51
    assert sorted(host.docker_calls) == [
        # Which node it is, whose it is, and how it is.
        *["GET /containers/calico-node/json"] * 3,
        *["GET /containers/json"] * 2,
        "GET /images/calico/node:v1.0.0/json",
        "GET /info",
        "GET /version",
    ]


def test_secrets_are_in_no_fact(host: FakeHost) -> None:
    state = host.state
    unit = state["units"]["docker.service"]
    unit["Environment"] = "HTTP_PROXY=http://me:s3cr3t-proxy@10.0.0.1:3128 SPLUNK_TOKEN=s3cr3t-token"
    unit["ExecStart"] = "{ path=/d ; argv[]=/usr/bin/dockerd --log-opt splunk-token=s3cr3t-flag ; ignore_errors=no ; }"
    container = json.loads(json.dumps(state["containers"]["web"]))
    container["Config"]["Env"] = ["ETCD_PASSWORD=s3cr3t-old", "ETCD_ENDPOINTS=http://u:s3cr3t-url@h:2379", "A=1"]
    state["containers"]["calico-node"] = {**container, "Name": "/calico-node"}
    host.save(state)
    host.wanted["calico_node"]["environment"]["ETCD_PASSWORD"] = "s3cr3t-new"
    report = inspect(host)
    assert "s3cr3t" not in json.dumps(report)
    assert report["facts"]["calico_node"]["settings"]["A"] == "1"
    assert "ETCD_PASSWORD" in report["facts"]["calico_node"]["differing"]


def test_a_host_with_very_many_containers_is_reported_in_what_the_scheduler_takes(host: FakeHost) -> None:
    state = host.state
    for number in range(1000):
        name = f"a-rather-long-name-of-a-container-as-orchestrators-make-them-up-{number}"
        state["containers"][name] = {**state["containers"]["web"], "Name": f"/{name}"}
    host.save(state)
    report = inspect(host)
    assert report["facts"]["docker"]["engine"]["running_count"] == 1001
    assert len(json.dumps(report)) < MAX_BODY_BYTES


class _FelixHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the standard library's name)
        pass


def test_felix_is_asked_whether_it_is_ready(host: FakeHost) -> None:
    # Port 9099 is Felix's own: on a loopback address of this host's own, it is free.
    pid = os.getpid()
    loopback = f"127.{64 + pid // 62500 % 128}.{pid // 250 % 250}.{1 + pid % 250}"
    server = http.server.ThreadingHTTPServer((loopback, 9099), _FelixHandler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        state = host.state
        state["containers"]["calico-node"] = {**state["containers"]["web"], "Name": "/calico-node"}
        host.save(state)
        host.wanted["calico_node"]["felix_health"] = "endpoint"
        environment = {**host.environment(), "CALICO_DCOS_LOOPBACK": loopback}
        done = host.run("inspect", environment=environment)
    finally:
        server.shutdown()
        server.server_close()
    felix = json.loads(done.stdout)["facts"]["felix"]
    assert (felix["asked"], felix["detail"]) == (f"http://{loopback}:9099/readiness", "status 503")
    assert felix["is_ready"] is False


@pytest.mark.parametrize("health", ["report", "endpoint"])
@pytest.mark.parametrize(("felix_ttl_s", "quiet"), [(87, ["h2"]), (None, [])])
def test_a_node_that_is_dead_is_known_by_its_reports_where_ours_shows_that_there_are_any(
    host: FakeHost, health: str, felix_ttl_s: int | None, quiet: list[str]
) -> None:
    nodes = {"h2": "10.77.0.12", "h3": "10.77.0.13"}
    host.change_state(calico={"nodes": nodes, "quiet": ["h2"], "felix_ttl_s": felix_ttl_s})
    state = host.state
    config = {"Image": "calico/node:v2.6.12", "Env": ["NODENAME=h1"], "Labels": {}}
    state["containers"]["calico-node"] = {**state["containers"]["web"], "Name": "/calico-node", "Config": config}
    host.save(state)
    host.wanted["calico_node"]["felix_health"] = health
    host.wanted["complete_nodes"] = [{"name": name, "address": address} for name, address in nodes.items()]
    assert json.loads(host.run("inspect").stdout)["facts"]["quiet_nodes"] == quiet
