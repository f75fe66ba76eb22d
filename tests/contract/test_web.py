"""What the web server promises: every endpoint, every code, over real connections."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from calico_dcos.core.events import Failed, Inspected, Progressed, Report
from calico_dcos.core.model import Inspection, Status
from calico_dcos.troubles import Source
from calico_dcos.web.events import MAX_CLIENTS
from calico_dcos.web.files import list_assets
from calico_dcos.web.inbox import MAX_DISCARDED_BYTES, MAX_REPORT_BYTES
from tests.contract.web_scene import TASK, TIMEOUT_S, Scene, Site, build_server

TOKEN = {"Authorization": f"Bearer token-of-{TASK}"}
SHA256 = "0f" * 32
STEPS = ("etcd-proxy", "docker-cluster-store", "cni", "agent-restart", "calico-node")
INSPECTION = {"kind": "inspection", "facts": {}, "changes": {step: [] for step in STEPS}, "refusals": {}}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "installer.pyz"
    path.write_bytes(b"0123456789abcdef" * 20_000)
    (tmp_path / "secret").write_text("not to be served")
    return path


@pytest.fixture
def site(artifact: Path) -> Iterator[Site]:
    scene = Scene()
    server = build_server(scene, {f"{SHA256}/installer.pyz": artifact})
    server.start()
    yield Site(scene, server)
    server.stop()


# The page


class Links(HTMLParser):
    """Gathers what a page refers to, and whatever of it would run."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action"):
                self.links.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)


def test_the_page_refers_to_its_own_assets_by_relative_links_only(site: Site) -> None:
    page = Links()
    page.feed(site.get("/").text)
    assert "static/page.js" in page.links
    assert [link for link in page.links if re.match(r"/|[a-z]+:", link)] == []
    assert page.inline == []
    for link in (link for link in page.links if not link.startswith("#")):
        # The plan of this scene is not complete, which the SDK tells with 202.
        assert site.get(f"/{link}").status_code in (200, 202)


@pytest.mark.parametrize("asset", sorted(set(list_assets()) - {""}))
def test_the_assets_refer_to_no_other_site_and_write_no_html(site: Site, asset: str) -> None:
    text = site.get(f"/{asset}").text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r"https?://|url\(|@import|innerHTML|insertAdjacentHTML|\beval\b", text) == []
    assert re.findall(r"""(?:fetch|EventSource)\(["'`](?!v1/)""", text) == []
    assert [name for name in re.findall(r"""from ["'](.*?)["']""", text) if not name.startswith("./")] == []


def test_the_page_may_load_nothing_from_elsewhere(site: Site) -> None:
    answer = site.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/health", "/v1/agents", "/v1/agents/a1", "/v1/plans", "/v1/plans/deploy", "/nothing"]
)
def test_answers_are_not_kept_by_caches_and_guessed_at_by_browsers(site: Site, path: str) -> None:
    headers = site.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Etag" not in headers
    assert "Server" not in headers


# Health, agents, plans


def test_health_is_200_while_the_scheduler_works(site: Site) -> None:
    answer = site.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"is_healthy": True, "troubles": []})


def test_health_is_503_with_the_reason_where_it_does_not(site: Site) -> None:
    site.scene.ill = "the loop has not turned for 60 s"
    answer = site.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {"is_healthy": False, "troubles": [], "reason": "the loop has not turned for 60 s"}


def test_health_is_503_with_the_remedy_while_nothing_works(site: Site) -> None:
    site.scene.troubles.tell(Source.WEBHOOK, "the webhook answers 500")
    assert site.get("/health").status_code == 200
    site.scene.troubles.tell(Source.SUBSCRIPTION, "the master answers 401", "set a principal", stops_all=True)

    answer = site.get("/health")

    assert (answer.status_code, answer.json()["reason"]) == (503, "the master answers 401; set a principal")
    assert [trouble["source"] for trouble in answer.json()["troubles"]] == ["subscription", "webhook"]
    assert site.get("/v1/health").status_code == 503


def test_troubles_are_in_the_summary_and_in_the_metrics(site: Site) -> None:
    site.scene.troubles.tell(Source.ROSTER, "the list of agents was refused", "give the principal leave to read it")
    site.scene.revision += 1

    (trouble,) = site.get("/v1/agents").json()["summary"]["troubles"]

    assert trouble == {
        "source": "roster",
        "words": "the list of agents was refused",
        "remedy": "give the principal leave to read it",
        "since": trouble["since"],
        "stops_all": False,
    }
    metrics = site.get("/v1/metrics/prometheus").text
    assert 'calico_trouble{source="roster"} 1.0' in metrics
    assert 'calico_trouble{source="store"} 0.0' in metrics


def test_agents_are_listed_with_the_summary(site: Site) -> None:
    listing = site.get("/v1/agents").json()
    assert [row["key"] for row in listing["agents"]] == ["a1", "a2:5052"]
    assert (listing["summary"]["complete"], listing["summary"]["total"]) == (1, 2)
    assert (listing["summary"]["service"], listing["now"]) == ("calico", 1000.0)


@pytest.mark.parametrize("name", ["a2:5052", "a2", "a2:5052-S1", "a2%3A5052"])
def test_an_agent_is_shown_under_its_key_its_hostname_and_its_mesos_id(site: Site, name: str) -> None:
    answer = site.get(f"/v1/agents/{name}")
    assert answer.status_code == 200
    detail = answer.json()
    assert detail["key"] == "a2:5052"
    assert detail["facts"] == {"docker": {"version": "20.10"}}
    assert detail["history"] == [{"at": 800.0, "text": "first seen"}]


def test_an_agent_that_is_not_there_is_404(site: Site) -> None:
    answer = site.get("/v1/agents/a9")
    assert (answer.status_code, answer.json()) == (404, {"status": 404, "error": "no agent a9"})


def test_a_hostname_of_several_agents_is_404_and_names_them(site: Site) -> None:
    site.scene.statuses = {"a4:1": Status.PENDING, "a4:2": Status.PENDING}
    answer = site.get("/v1/agents/a4")
    assert (answer.status_code, answer.json()["error"]) == (404, "a4 means several agents: a4:1, a4:2")


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/agents/", "/v1/agents/a1/b", "/static", "/%00", "//health"])
def test_unknown_paths_are_404_in_json(site: Site, path: str) -> None:
    status, body = site.get_raw(path)
    assert (status, json.loads(body)["status"]) == (404, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("POST", "/health", "GET"),
        ("PUT", "/v1/agents", "GET"),
        ("DELETE", "/v1/plans/deploy", "GET"),
        ("GET", f"/v1/reports/{TASK}", "POST"),
        ("BREW", f"/v1/reports/{TASK}", "POST"),
        ("POST", f"/artifacts/{SHA256}/installer.pyz", "GET, HEAD"),
    ],
)
def test_wrong_methods_are_405_and_told_the_right_ones(site: Site, method: str, path: str, allowed: str) -> None:
    answer = requests.request(method, site.url(path), timeout=TIMEOUT_S)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


# Reports


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (
            INSPECTION,
            Inspected(TASK, Inspection(at=0.0, settings="", changes=dict.fromkeys(STEPS, ()))),
        ),
        ({"kind": "progress", "message": "fetches", "done_bytes": 1}, Progressed(TASK, "fetches", 1)),
        ({"kind": "failure", "reason": "no disk"}, Failed(TASK, "no disk")),
    ],
)
def test_a_report_with_its_tasks_token_is_passed_on(site: Site, body: dict[str, Any], event: Report) -> None:
    answer = site.post(f"/v1/reports/{TASK}", body, TOKEN)
    assert (answer.status_code, answer.content) == (204, b"")
    assert site.scene.posted == [event]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}])
def test_a_report_without_a_token_is_401(site: Site, headers: dict[str, str]) -> None:
    answer = site.post(f"/v1/reports/{TASK}", INSPECTION, headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert site.scene.posted == []


@pytest.mark.parametrize("token", ["wrong", "token-of-cni-2", "t\xf6ken"])
@pytest.mark.parametrize("task", [TASK, "cni-9"])
def test_a_report_with_a_wrong_token_is_403_whether_or_not_there_is_such_a_task(
    site: Site,
    task: str,
    token: str,
) -> None:
    answer = site.post(f"/v1/reports/{task}", INSPECTION, {"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert site.scene.posted == []


def test_a_report_of_a_task_that_is_forgotten_is_404(site: Site) -> None:
    site.scene.tasks.clear()
    assert site.post(f"/v1/reports/{TASK}", INSPECTION, TOKEN).status_code == 404
    assert site.scene.posted == []


def test_a_malformed_report_is_400_and_names_the_field(site: Site) -> None:
    answer = site.post(f"/v1/reports/{TASK}", {"kind": "progress"}, TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (400, "message: None is no text")
    assert site.scene.posted == []


def build_report_of(size: int) -> bytes:
    frame = json.dumps({**INSPECTION, "facts": {"x": ""}})
    return frame.replace('"x": ""', '"x": "' + "y" * (size - len(frame)) + '"').encode()


def test_a_report_of_the_largest_size_is_taken(site: Site) -> None:
    assert site.post(f"/v1/reports/{TASK}", build_report_of(MAX_REPORT_BYTES), TOKEN).status_code == 204


def test_a_report_that_is_too_long_is_413(site: Site) -> None:
    assert site.post(f"/v1/reports/{TASK}", build_report_of(MAX_REPORT_BYTES + 1), TOKEN).status_code == 413
    assert site.scene.posted == []


def test_a_report_that_is_too_long_and_does_not_say_so_is_413(site: Site) -> None:
    pieces = (b"x" * 65536 for _ in range(20))
    answer = requests.post(site.url(f"/v1/reports/{TASK}"), data=pieces, headers=TOKEN, timeout=TIMEOUT_S)
    assert answer.status_code == 413


def test_a_report_that_is_longer_than_anything_sensible_is_cut_off(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=TIMEOUT_S)
    try:
        connection.putrequest("POST", f"/v1/reports/{TASK}")
        connection.putheader("Content-Length", str(MAX_DISCARDED_BYTES + 1))
        connection.endheaders()
        assert connection.getresponse().status in (400, 413)
    finally:
        connection.close()


def test_a_connection_serves_on_after_a_refusal(site: Site) -> None:
    with requests.Session() as session:
        url = site.url(f"/v1/reports/{TASK}")
        statuses = [session.post(url, data=build_report_of(100_000), timeout=TIMEOUT_S).status_code for _ in range(3)]
        assert statuses == [401, 401, 401]
        assert session.post(url, json=INSPECTION, headers=TOKEN, timeout=TIMEOUT_S).status_code == 204


def test_the_access_log_is_one_debug_line_without_token_or_query(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        site.post(f"/v1/reports/{TASK}?key=hidden", INSPECTION, TOKEN)
        # The line is written after the answer, and before the thread ends.
        site.server.stop()
    lines = [(record.levelno, record.getMessage()) for record in caplog.records if "/v1/reports" in record.getMessage()]
    ours = [line for line in lines if line[1].startswith("POST '/v1/reports/cni-1': 204 in ")]
    assert [level for level, _ in ours] == [logging.DEBUG]
    assert not any("token-of" in record.getMessage() for record in caplog.records)
    assert "hidden" not in ours[0][1]


# Artifacts


def test_an_artifact_is_served_as_it_is(site: Site, artifact: Path) -> None:
    answer = site.get(f"/artifacts/{SHA256}/installer.pyz")
    assert answer.content == artifact.read_bytes()
    assert answer.headers["Content-Length"] == str(artifact.stat().st_size)
    assert answer.headers["Etag"] == f'"{SHA256}"'
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_the_size_of_an_artifact_can_be_asked_for(site: Site, artifact: Path) -> None:
    answer = requests.head(site.url(f"/artifacts/{SHA256}/installer.pyz"), timeout=TIMEOUT_S)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(artifact.stat().st_size)


def test_an_artifact_that_the_client_has_is_not_sent_again(site: Site) -> None:
    answer = site.get(f"/artifacts/{SHA256}/installer.pyz", **{"If-None-Match": f'"{SHA256}"'})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/artifacts/",
        f"/artifacts/{SHA256}",
        f"/artifacts/{SHA256}/",
        f"/artifacts/{SHA256}/other",
        f"/artifacts/{'1' * 64}/installer.pyz",
        f"/artifacts/{SHA256}/../secret",
        f"/artifacts/{SHA256}/%2e%2e/secret",
        f"/artifacts/{SHA256}/installer.pyz/../secret",
        f"/artifacts/{SHA256}/./installer.pyz",
        f"/artifacts/{SHA256}//installer.pyz",
        f"/artifacts/{SHA256}/installer.pyz%00",
        "/artifacts//etc/passwd",
        "/artifacts/../../../../etc/passwd",
        "/artifacts/..%2f..%2f..%2fetc/passwd",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/page.py",
    ],
)
def test_nothing_but_listed_files_is_served(site: Site, path: str) -> None:
    status, body = site.get_raw(path)
    assert (status, json.loads(body)) == (404, {"status": 404, "error": "nothing is here"})


# Live events


class Follower:
    """Reads server-sent events."""

    def __init__(self, site: Site) -> None:
        self.answer = requests.get(site.url("/v1/events"), stream=True, timeout=TIMEOUT_S)
        self._lines = self.answer.iter_lines(chunk_size=1, decode_unicode=True)

    def read(self) -> tuple[str, dict[str, Any]]:
        """Wait for the next event."""
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))
        raise AssertionError("the stream ended")

    def read_comment(self) -> str:
        """Wait for the next comment."""
        return str(next(line for line in self._lines if line.startswith(":")))

    def close(self) -> None:
        self.answer.close()


@pytest.fixture
def follower(site: Site) -> Iterator[Follower]:
    follower = Follower(site)
    yield follower
    follower.close()


def test_events_begin_with_everything(follower: Follower) -> None:
    assert follower.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert follower.answer.headers["X-Accel-Buffering"] == "no"
    name, listing = follower.read()
    assert name == "snapshot"
    assert [row["key"] for row in listing["agents"]] == ["a1", "a2:5052"]


def test_events_then_tell_only_what_changed(site: Site, follower: Follower) -> None:
    follower.read()
    site.scene.set_status("a2:5052", Status.ERROR)
    name, listing = follower.read()
    assert name == "agents"
    assert [(row["key"], row["status"]) for row in listing["agents"]] == [("a2:5052", "ERROR")]
    assert listing["summary"]["failed"] == 1


def test_events_are_told_to_a_limited_number_of_clients_and_those_who_leave_are_forgotten(site: Site) -> None:
    followers = [Follower(site) for _ in range(MAX_CLIENTS)]
    for follower in followers:
        follower.read()
    assert site.get("/v1/events").status_code == 503
    followers.pop().close()
    followers.append(wait_to_follow(site))
    for follower in followers:
        follower.close()


def wait_to_follow(site: Site) -> Follower:
    """Try until there is room."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        follower = Follower(site)
        if follower.answer.status_code == 200:
            return follower
        follower.close()
        time.sleep(0.05)
    raise AssertionError("nobody was forgotten")


def test_a_live_connection_shows_that_it_lives() -> None:
    scene = Scene()
    server = build_server(scene, {}, heartbeat_s=0.1)
    server.start()
    follower = Follower(Site(scene, server))
    follower.read()
    assert follower.read_comment() == ": still here"
    follower.close()
    server.stop()


# Starting and stopping


def test_a_port_that_is_taken_raises_an_error_of_the_system(site: Site) -> None:
    with pytest.raises(OSError, match="in use"):
        build_server(Scene(), {}, port=site.server.port).start()


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    build_server(Scene(), {}).stop()


def test_a_stopped_server_ends_its_clients_and_frees_its_port() -> None:
    server = build_server(Scene(), {})
    server.start()
    follower = Follower(Site(Scene(), server))
    follower.read()
    server.stop()
    with pytest.raises((AssertionError, requests.RequestException)):
        follower.read()
    follower.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
