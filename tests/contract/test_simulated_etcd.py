"""What the stand-in of etcd tells of keys that are over some time, and of itself."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from calico_dcos.sim.etcd import EtcdServer


@pytest.fixture
def url() -> Iterator[str]:
    with EtcdServer(("127.0.0.1", 0)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def call(url: str, method: str = "GET", form: str | None = None) -> tuple[Any, Any]:
    request = Request(url, form.encode() if form else None, method=method)  # noqa: S310 - http
    try:
        with urlopen(request, timeout=10) as response:  # noqa: S310 - as above
            return json.load(response), response.headers
    except HTTPError as error:
        return json.load(error), error.headers


def test_a_key_with_a_ttl_tells_what_is_left_and_is_gone_when_it_is_over(url: str) -> None:
    call(f"{url}/v2/keys/a/b", "PUT", "value=x&ttl=90")
    node = call(f"{url}/v2/keys/a/b")[0]["node"]
    assert (node["value"], 88 <= node["ttl"] <= 90) == ("x", True)
    assert node["expiration"].endswith("Z")
    call(f"{url}/v2/keys/a/b", "PUT", "value=x&ttl=1")
    deadline = time.monotonic() + 60
    while "node" in (answer := call(f"{url}/v2/keys/a/b")[0]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer["errorCode"] == 100
    assert call(f"{url}/v2/keys/a?recursive=true")[0]["node"].get("nodes", []) == []


def test_a_key_that_is_written_again_without_a_ttl_stays(url: str) -> None:
    call(f"{url}/v2/keys/a", "PUT", "value=x&ttl=90")
    assert "ttl" not in call(f"{url}/v2/keys/a", "PUT", "value=x")[0]["node"]


def test_a_ttl_that_is_no_number_is_refused(url: str) -> None:
    assert call(f"{url}/v2/keys/a", "PUT", "value=x&ttl=soon")[0]["errorCode"] == 202


def test_it_names_its_cluster_and_its_only_member(url: str) -> None:
    _, headers = call(f"{url}/v2/keys/")
    assert len(headers["X-Etcd-Cluster-Id"]) == 16
    (member,) = call(f"{url}/v2/members")[0]["members"]
    assert member["clientURLs"] == [url]
