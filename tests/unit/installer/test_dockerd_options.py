"""What dockerd would reject, by its file, its flags and its version: a table, and the stand-in's own beside it."""

from __future__ import annotations

import pytest

from calico_dcos.installer.dockerd_options import build_options, find_faults, find_given, name_kind
from calico_dcos.sim.standins.docker.known_keys import list_keys, name_key


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["dockerd", "-H", "fd://"], {"hosts": ["fd://"]}),
        (["dockerd", "-H=fd://"], {"hosts": ["fd://"]}),
        (["dockerd", "-Hfd://"], {"hosts": ["fd://"]}),
        (["dockerd", "--host", "a", "--host=b"], {"hosts": ["a", "b"]}),
        (["dockerd", "-D"], {"debug": ["true"]}),
        (["dockerd", "-Dl", "info"], {"debug": ["true"], "log-level": ["info"]}),
        (["dockerd", "--debug=false"], {"debug": ["false"]}),
        (["dockerd", "--label", "--cluster-store=x"], {"labels": ["--cluster-store=x"]}),
        (["dockerd", "--debug", "--cluster-store", "x"], {"debug": ["true"], "cluster-store": ["x"]}),
        (["dockerd", "--log-opt", "a=b", "--insecure-registry=x"], {"log-opts": ["a=b"], "insecure-registries": ["x"]}),
        (["docker", "daemon", "--site-option=1"], {"site-option": ["1"]}),
        (["dockerd", "--label"], {"labels": [""]}),
    ],
)
def test_a_flag_is_known_by_its_key_in_every_spelling(words: list[str], given: dict[str, list[str]]) -> None:
    assert find_given(words) == given


@pytest.mark.parametrize(
    ("kinds", "words", "version", "fault"),
    [
        ({"hosts": "list of texts"}, ["-H", "fd://"], "20.10.24", "hosts is given by a flag of dockerd (--host)"),
        ({"debug": "true or false"}, ["-D"], "1.13.1", "debug is given by a flag"),
        ({"labels": "list of texts"}, ["--label=a=b"], "17.03.2-ce", "labels is given by a flag"),
        ({"runtimes": "object"}, ["--add-runtime=a=b"], "17.03.2-ce", "runtimes is given by a flag"),
        ({"log-opt": "object of texts"}, [], "20.10.24", "knows no key log-opt"),
        ({"live-restore": "true or false"}, [], "1.11.2", "Docker 1.11.2 knows no key live-restore"),
        ({"disable-legacy-registry": "true or false"}, [], "19.03.15", "knows no key"),
        ({"mtu": "text"}, [], "20.10.24", "mtu is text, and Docker takes number there"),
        ({"mtu": "fraction"}, [], "20.10.24", "mtu is fraction"),
        ({"debug": "text"}, [], "20.10.24", "debug is text, and Docker takes true or false there"),
        ({"log-opts": "object"}, [], "20.10.24", "log-opts is object, and Docker takes object of texts there"),
        ({"graph": "text", "data-root": "text"}, [], "20.10.24", "graph and data-root are one option"),
    ],
)
def test_what_dockerd_would_reject_is_found(kinds: dict[str, str], words: list[str], version: str, fault: str) -> None:
    assert fault in "; ".join(find_faults(kinds, find_given(["dockerd", *words]), version))


@pytest.mark.parametrize(
    ("kinds", "words", "version"),
    [
        ({"hosts": "list of texts"}, ["-D"], "20.10.24"),
        ({"runtimes": "object"}, ["--add-runtime=a=b"], "19.03.15"),
        ({"labels": "null", "dns": "empty list", "log-opts": "empty object"}, [], "20.10.24"),
        ({"default-shm-size": "number"}, [], "20.10.24"),
        ({"default-address-pools": "list of objects"}, [], "17.06.2-ee-25"),
        ({"add-registry": "list of texts"}, [], "1.13.1"),
    ],
)
def test_what_dockerd_takes_is_no_fault(kinds: dict[str, str], words: list[str], version: str) -> None:
    assert find_faults(kinds, find_given(["dockerd", *words]), version) == []


@pytest.mark.parametrize("version", [(1, 10), (1, 11), (1, 12), (1, 13), (17, 3), (17, 12), (18, 9), (19, 3), (20, 10)])
def test_the_table_has_every_key_that_a_version_of_docker_has(version: tuple[int, int]) -> None:
    """The stand-in's table is its own; what the installer knows besides is lenient, and what it lacks would refuse."""
    options = [option for option in build_options() if option.since <= version <= option.until]
    assert list_keys(version) <= {option.key for option in options}
    flags = [(option.flag, option.key) for option in options if option.flag and option.key in list_keys(version)]
    assert [(flag, name_key(f"--{flag}")) for flag, _ in flags] == flags


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "true or false"),
        (1, "number"),
        (1.0, "fraction"),
        ("a", "text"),
        ([], "empty list"),
        (["a"], "list of texts"),
        ([{}], "list of objects"),
        ([1], "list"),
        ({}, "empty object"),
        ({"a": "b"}, "object of texts"),
        ({"a": 1}, "object"),
    ],
)
def test_of_a_value_only_its_kind_is_told(value: object, kind: str) -> None:
    assert name_kind(value) == kind
