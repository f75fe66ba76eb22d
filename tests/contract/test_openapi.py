"""The OpenAPI document tells the truth: schemathesis asks for what it describes, and holds the answers against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from calico_dcos.web.openapi import build_openapi
from tests.contract.web_scene import TIMEOUT_S, Scene, Site, build_server

# It does not end by itself; tests/contract/test_web.py reads it.
ENDLESS = "/v1/events"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    scene = Scene()
    server = build_server(scene)
    server.start()
    yield Site(scene, server)
    server.stop()


described = schemathesis.openapi.from_dict(build_openapi()).exclude(path=ENDLESS)


@described.parametrize()
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(site: Site, case: Any) -> None:
    case.call_and_validate(base_url=site.url(""), timeout=TIMEOUT_S)


def test_every_path_of_the_api_is_described() -> None:
    rules: Any = build_server(Scene())._application.wildcard_router.rules
    patterns = {rule.matcher.regex.pattern.rstrip("$").replace("\\", "") for rule in rules}
    paths = {pattern.replace("([^/]+)", "{name}") for pattern in patterns if pattern.startswith(("/v1", "/v2", "/h"))}
    assert paths - {"/v1/reports/{name}"} == set(build_openapi()["paths"])
