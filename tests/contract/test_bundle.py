"""A bundle of downloads is fetched once, and read back with the URLs that it stands in for."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from calico_dcos.bundle import BundleError, load_bundle, write_bundle


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    for release in ("one", "two"):
        (tmp_path / "files" / release).mkdir(parents=True)
        (tmp_path / "files" / release / "calico").write_text(release)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "files"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_bundle_is_read_back_as_it_was_written(tmp_path: Path, url: str) -> None:
    written = write_bundle(tmp_path / "bundle", [f"{url}/one/calico", f"{url}/two/calico"])

    assert load_bundle(tmp_path / "bundle") == written
    assert [entry.artifact.path.read_text() for entry in written] == ["one", "two"]


def test_download_that_cannot_be_had_is_named(tmp_path: Path, url: str) -> None:
    with pytest.raises(BundleError, match="missing"):
        write_bundle(tmp_path / "bundle", [f"{url}/missing"])

    assert load_bundle(tmp_path / "bundle") == ()


def test_bundle_that_lacks_a_file_is_an_error(tmp_path: Path, url: str) -> None:
    (entry,) = write_bundle(tmp_path / "bundle", [f"{url}/one/calico"])
    entry.artifact.path.unlink()

    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(tmp_path / "bundle")
