"""Downloads over HTTPS, by a Python that trusts nobody, as that of DC/OS."""

from __future__ import annotations

import io
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from calico_dcos.installer.report import Reporter
from calico_dcos.installer.steps.download import download
from calico_dcos.installer.steps.work import StepError
from calico_dcos.installer.wanted import Download
from tests.contract.installer_fakes import FakeHost

CONTENT = b"a program"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""


@dataclass
class Mirror:
    """A server whose certificate is signed by itself."""

    url: str
    certificate: str


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    directory = tmp_path_factory.mktemp("mirror")
    certificate, key = str(directory / "certificate.pem"), str(directory / "key.pem")
    names = ["-subj", "/CN=mirror", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    subprocess.run([*command, *names], check=True, capture_output=True, timeout=120)
    (directory / "calico").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Silent(*given, directory=str(directory)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield Mirror(f"https://127.0.0.1:{server.server_port}/calico", certificate)
    server.shutdown()
    server.server_close()


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(None, None, io.StringIO(), io.StringIO())


@pytest.fixture(autouse=True)
def trust_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))


def test_what_the_host_trusts_is_trusted(mirror: Mirror, reporter: Reporter, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    trusted = ("/no/such/bundle.pem", str(broken), mirror.certificate)

    download(Download(mirror.url, None), str(tmp_path / "calico"), reporter, trusted=trusted)

    assert (tmp_path / "calico").read_bytes() == CONTENT


def test_whom_nobody_trusts_is_refused_with_what_to_do(mirror: Mirror, reporter: Reporter, tmp_path: Path) -> None:
    with pytest.raises(StepError) as raised:
        download(Download(mirror.url, None), str(tmp_path / "calico"), reporter, trusted=())

    assert "CERTIFICATE_VERIFY_FAILED" in str(raised.value)
    assert "add the authority that signs it to those that the host trusts" in str(raised.value)
    assert not (tmp_path / "calico").exists()


def test_a_python_without_tls_does_everything_else(tmp_path: Path) -> None:
    (tmp_path / "calico").write_bytes(CONTENT)
    script = (
        "import sys; sys.modules['ssl'] = None; sys.modules['_ssl'] = None\n"
        "import io\n"
        "from calico_dcos.installer.report import Reporter\n"
        "from calico_dcos.installer.steps.download import download\n"
        "from calico_dcos.installer.steps.work import StepError\n"
        "from calico_dcos.installer.wanted import Download\n"
        "reporter = Reporter(None, None, io.StringIO(), io.StringIO())\n"
        f"download(Download('file://{tmp_path}/calico', None), '{tmp_path}/copy', reporter)\n"
        "try:\n"
        f"    download(Download('https://127.0.0.1:1/calico', None), '{tmp_path}/copy', reporter)\n"
        "except StepError as error:\n"
        "    print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)

    assert "unknown url type: https" in done.stdout
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("content", ["<html>no such file</html>", "#!/bin/sh\necho no plugin\n"])
def test_what_is_no_program_is_pinned_nowhere(host: FakeHost, content: str) -> None:
    (host.root / "downloads/calico").write_text(content)
    assert host.run("apply", "cni").returncode == 1
    assert "downloaded" not in [report["kind"] for report in host.reports]
    assert not (host.root / "var/lib/calico-dcos/pins.json").exists()
