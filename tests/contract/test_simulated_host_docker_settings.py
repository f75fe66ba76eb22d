"""The stand-in for dockerd takes, ignores and lies about a cluster store as a real Docker 20.10.24 was seen to."""

from typing import Any

import pytest

from calico_dcos.sim.standins.docker.settings import (
    Settings,
    SettingsError,
    build_settings,
    get_api_version,
    parse_file,
    parse_version,
    reload_settings,
)

STORE = "etcd://127.0.0.1:2379"
OTHER = "etcd://127.0.0.1:12379"
V20 = (20, 10)
CONFLICT = "the following directives are specified both as a flag and in the configuration file"
REFUSED = "Failed to reload configuration with network controller"


def reload_through(
    *configs: dict[str, Any], start: dict[str, Any] | None = None, version: tuple[int, int] = V20
) -> tuple[Settings, str]:
    """Start a daemon and send it SIGHUP for each configuration; return its settings and what it said at the last."""
    settings, _ = build_settings(start or {}, version)
    said = ""
    for config in configs:
        settings, lines = reload_settings(settings, config, version)
        said = "\n".join(f"{line.level}: {line.message}" for line in lines)
    return settings, said


def test_a_store_alone_is_ignored_by_a_reload_and_the_log_claims_success() -> None:
    settings, said = reload_through({"cluster-store": STORE})
    assert settings.cluster_store == ""
    assert "info: Reloaded configuration" in said


@pytest.mark.parametrize("advertise", ["127.0.0.1:2376", ""])
def test_a_store_with_an_advertise_address_is_applied_even_if_that_is_empty(advertise: str) -> None:
    settings, said = reload_through({"cluster-store": STORE, "cluster-advertise": advertise})
    assert (settings.cluster_store, settings.network_store) == (STORE, STORE)
    assert "Initializing discovery without TLS" in said


def test_a_second_store_is_shown_but_networks_stay_in_the_first() -> None:
    advertise = {"cluster-advertise": "127.0.0.1:2376"}
    settings, said = reload_through({"cluster-store": STORE, **advertise}, {"cluster-store": OTHER, **advertise})
    assert (settings.cluster_store, settings.network_store) == (OTHER, STORE)
    assert REFUSED in said
    assert "info: Reloaded configuration" in said


def test_a_second_change_of_the_store_with_an_empty_advertise_hangs_the_daemon() -> None:
    first, second, third = ({"cluster-store": f"etcd://h{n}:2379", "cluster-advertise": ""} for n in range(3))
    settings, said = reload_through(first, second)
    assert REFUSED in said
    assert not settings.hangs
    settings, said = reload_through(first, second, third)
    assert settings.hangs
    assert said == ""


def test_with_an_empty_advertise_the_keys_may_go_and_come_back() -> None:
    both = {"cluster-store": STORE, "cluster-advertise": ""}
    settings, said = reload_through(both, both, {}, {}, both, {"cluster-store": STORE})
    assert settings.cluster_store == STORE
    assert not settings.hangs
    assert "Reloaded configuration" in said


def test_removing_an_active_advertise_fails_once_and_then_hangs_the_daemon() -> None:
    both = {"cluster-store": STORE, "cluster-advertise": "127.0.0.1:2376"}
    settings, said = reload_through(both, {})
    assert said == "error: Error reconfiguring the daemon: discovery service not supported"
    assert not settings.hangs
    assert reload_through(both, {}, {})[0].hangs


def test_before_17_04_removing_an_active_advertise_changes_nothing() -> None:
    both = {"cluster-store": STORE, "cluster-advertise": "127.0.0.1:2376"}
    settings, _ = reload_through(both, {}, {}, version=(1, 13))
    assert settings.cluster_store == STORE
    assert not settings.hangs


def test_a_start_takes_the_store_without_an_advertise_address() -> None:
    settings, lines = build_settings({"cluster-store": STORE}, V20)
    assert (settings.cluster_store, settings.network_store) == (STORE, STORE)
    assert [line.message for line in lines] == ['The "cluster-store" option is deprecated. To be removed soon.']


def test_docker_1_10_takes_no_store_on_reload() -> None:
    settings, _ = reload_through({"cluster-store": STORE, "cluster-advertise": ""}, version=(1, 10))
    assert settings.cluster_store == ""


def test_docker_23_does_not_start_with_a_store() -> None:
    with pytest.raises(SettingsError, match="'cluster-store', and 'cluster-store-opt' options have been removed"):
        build_settings({"cluster-store": STORE}, (23, 0))


def test_live_restore_is_switched_on_by_a_reload_from_1_12_on() -> None:
    assert reload_through({"live-restore": True})[0].live_restore
    assert not reload_through({"live-restore": True}, version=(1, 11))[0].live_restore


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"debug": true,}', "invalid character '}' looking for beginning of object key string"),
        ('{"debug": ', "unexpected EOF"),
        ('{"labels": ["a', "unexpected EOF"),
        ("", "EOF"),
        ('{"foo": 1}', "the following directives don't match any configuration option: foo"),
        (
            '{"bridge": "none"}',
            f"{CONFLICT}: bridge: (from flag: br0, from file: none)",
        ),
    ],
)
def test_a_bad_file_is_refused_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_file(text, {"bridge": "br0"})
    assert str(refused.value) == message


def test_what_follows_a_valid_object_is_not_looked_at() -> None:
    assert parse_file('{"debug": true} garbage', {}) == {"debug": True}


def test_a_missing_file_counts_as_empty() -> None:
    assert parse_file(None, {}) == {}


@pytest.mark.parametrize(
    ("version", "api"),
    [("1.10.3", "1.22"), ("1.13.1", "1.26"), ("18.09.9", "1.39"), ("20.10.24", "1.41"), ("23.0.0", "1.42")],
)
def test_each_version_speaks_its_own_api(version: str, api: str) -> None:
    assert get_api_version(parse_version(version)) == api
