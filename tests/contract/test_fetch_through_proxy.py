"""Where agents have an HTTP proxy, the installer is fetched past it by a name that the exceptions hold."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from calico_dcos.installer.report import Reporter
from calico_dcos.installer.steps.download import download, is_excepted
from calico_dcos.installer.steps.work import StepError
from calico_dcos.installer.wanted import NO_PROXY, Download, Proxy
from calico_dcos.sim.agent.fetcher import FetchError, choose_proxy, fetch_all

DCOS_NO_PROXY = ".mesos,.thisdcos.directory,.dcos.directory,.zk,localhost"


class Server:
    """A server that remembers what it was asked for: a scheduler, or a proxy that lets nothing through."""

    def __init__(self, status: int) -> None:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
                pass

        self.asked = asked
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def scheduler() -> Iterator[Server]:
    server = Server(200)
    yield server
    server.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The proxy of DC/OS' use_proxy, in the environment of the agent."""
    server = Server(503)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("no_proxy", DCOS_NO_PROXY)
    yield server
    server.close()


def test_an_address_goes_through_the_proxy_and_a_name_that_is_excepted_past_it(
    scheduler: Server, proxy: Server, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match="503"):
        fetch_all([{"value": f"http://127.0.0.1:{scheduler.port}/installer.pyz", "extract": False}], tmp_path)
    assert proxy.asked == [f"http://127.0.0.1:{scheduler.port}/installer.pyz"]
    fetch_all([{"value": f"http://localhost:{scheduler.port}/installer.pyz", "extract": False}], tmp_path)
    assert scheduler.asked == ["/installer.pyz"]
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("address", "environment", "chosen"),
    [
        ("http://10.0.0.1/x", {}, None),
        ("http://10.0.0.1/x", {"http_proxy": "p"}, "p"),
        ("http://10.0.0.1/x", {"HTTP_PROXY": "p"}, None),
        ("https://h/x", {"HTTPS_PROXY": "p"}, "p"),
        ("http://h/x", {"ALL_PROXY": "p"}, "p"),
        ("http://a.marathon.mesos:1/x", {"http_proxy": "p", "no_proxy": DCOS_NO_PROXY}, None),
        ("http://mesos/x", {"http_proxy": "p", "no_proxy": ".mesos"}, None),
        ("http://notmesos/x", {"http_proxy": "p", "no_proxy": "mesos"}, "p"),
        ("http://10.0.0.1/x", {"http_proxy": "p", "NO_PROXY": "10.0.0.1"}, None),
        ("http://h/x", {"http_proxy": "p", "no_proxy": "*"}, None),
    ],
)
def test_the_simulated_fetcher_chooses_as_libcurl_does(
    address: str, environment: dict[str, str], chosen: str | None
) -> None:
    assert choose_proxy(address, environment) == chosen


def test_a_download_goes_through_the_proxy_that_is_configured_but_for_its_exceptions(
    scheduler: Server, tmp_path: Path
) -> None:
    through, reporter = Server(503), build_reporter()
    configured = Proxy(f"http://bob:word@127.0.0.1:{through.port}", ".mesos,mirror.example.com")
    source = Download(f"http://127.0.0.2:{scheduler.port}/calico", None)
    try:
        with pytest.raises(StepError, match=r"503.*through the proxy http://bob.*see the options"):
            download(source, str(tmp_path / "file"), reporter, configured)
    finally:
        through.close()
    assert through.asked == [source.url]
    local = Download(f"http://localhost:{scheduler.port}/calico", None)
    download(local, str(tmp_path / "file"), reporter, configured._replace(exceptions="localhost"))
    assert scheduler.asked == ["/calico"]


def test_a_download_that_failed_without_a_proxy_speaks_of_none(tmp_path: Path) -> None:
    with pytest.raises(StepError) as caught:
        download(Download("http://127.0.0.1:1/calico", None), str(tmp_path / "file"), build_reporter(), NO_PROXY)
    assert "proxy" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "name", "is_so"),
    [
        ("a.mesos", ".mesos", True),
        ("a.mesos", "*.mesos", True),
        ("mesos", ".mesos", True),
        ("notmesos", "mesos", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("h", "*", True),
        ("h", "", False),
    ],
)
def test_exceptions_hold_names_and_what_lies_below_them(host: str, name: str, *, is_so: bool) -> None:
    assert is_excepted(host, name) is is_so


def build_reporter() -> Reporter:
    return Reporter(None, None, io.StringIO(), io.StringIO())
