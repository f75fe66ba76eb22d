"""What is shown of URLs: no secrets, and IPv6 addresses in brackets."""

from __future__ import annotations

import pytest

from calico_dcos.config import read_config
from calico_dcos.redaction import hide_secrets, join_host_port
from calico_dcos.wiring import find_base_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://blocker/may-i?token=abc", "http://blocker/may-i?***"),
        ("http://me:pa55@blocker/may-i", "http://***@blocker/may-i"),
        ("'https://me:pa55@b/x?y=1' is no URL", "'https://***@b/x?***' is no URL"),
        ("zk://u:p@h1:2181,h2:2181/calico", "zk://***@h1:2181,h2:2181/calico"),
        ("is it so? http://a/b", "is it so? http://a/b"),
    ],
)
def test_logins_and_queries_of_urls_are_hidden(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown


@pytest.mark.parametrize(
    ("host", "joined"),
    [("10.0.0.1", "10.0.0.1:80"), ("a.test", "a.test:80"), ("fd00::1", "[fd00::1]:80"), ("[fd00::1]", "[fd00::1]:80")],
)
def test_an_ipv6_address_goes_in_brackets(host: str, joined: str) -> None:
    assert join_host_port(host, 80) == joined


def test_agents_are_told_an_ipv6_address_in_brackets() -> None:
    config = read_config({"CALICO_DCOS_ADVERTISED_ADDRESS": "fd00::1"})
    assert find_base_url(config, 8080) == "http://[fd00::1]:8080"
