"""The scheduler's name below Mesos-DNS counts once it leads to the scheduler."""

from __future__ import annotations

import pytest

from calico_dcos.mesos.own_name import OwnName, derive_name, put_host

NAME = "calico.marathon.mesos"
URL = "http://10.0.0.9:8080/artifacts/ab/installer.pyz"


@pytest.mark.parametrize(
    ("app_id", "name"),
    [
        ("/calico-install-framework", "calico-install-framework.marathon.mesos"),
        ("/networks/east/calico", "calico-east-networks.marathon.mesos"),
        ("", ""),
        ("/", ""),
    ],
)
def test_an_app_is_named_from_its_innermost_part_on(app_id: str, name: str) -> None:
    assert derive_name(app_id) == name


def test_a_name_counts_from_when_it_leads_here_on() -> None:
    answers: list[set[str]] = [set(), {"10.0.0.8"}, {"10.0.0.8", "10.0.0.9"}, set()]
    own = OwnName(name=NAME, address="10.0.0.9", resolve=lambda _: answers.pop(0))
    assert [own.look() for _ in range(2)] == [False, False]
    assert own.rename(URL) == URL
    assert own.look()
    assert own.rename(URL) == URL.replace("10.0.0.9", NAME)
    assert own.look()
    assert own.rename(URL) == URL.replace("10.0.0.9", NAME)


def test_another_host_keeps_the_port() -> None:
    assert put_host(URL, NAME) == f"http://{NAME}:8080/artifacts/ab/installer.pyz"
    assert put_host("http://h/x", NAME) == f"http://{NAME}/x"
