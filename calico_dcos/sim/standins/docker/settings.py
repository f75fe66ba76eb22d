"""What the daemon goes by, and how daemon.json changes it at the start and on SIGHUP; pure.

The rules, lies included, are those measured on Docker 20.10.24 and read from the source of the other versions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calico_dcos.sim.standins.docker.known_keys import Version, find_unknown, find_wrong

CONFIG_FILE = "/etc/docker/daemon.json"

_RELOADS_CLUSTER_STORE = (1, 11)  # SIGHUP before that: labels and debug only
_RELOADS_LIVE_RESTORE = (1, 12)
_FORGETS_ADVERTISE = (17, 4)  # from here on a missing cluster-advertise counts as an emptied one
_DEPRECATES_CLUSTER_STORE = (20, 10)
_LACKS_CLUSTER_STORE = (23, 0)
_NEWEST = (20, 10)

_API_VERSIONS = {
    (1, 10): "1.22", (1, 11): "1.23", (1, 12): "1.24", (1, 13): "1.26", (17, 3): "1.27", (17, 6): "1.30",
    (17, 12): "1.35", (18, 9): "1.39", (19, 3): "1.40", (20, 10): "1.41", (23, 0): "1.42",
}  # fmt: skip


class SettingsError(Exception):
    """Docker refuses the configuration; the message is Docker's."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a running daemon goes by.

    Attributes:
        cluster_store: what /info shows.
        network_store: what networks are kept in: the first store that was ever set, whatever /info shows.
        cluster_advertise: None if the key was never there; the empty string is a value.
        userns_remap: whose user namespace containers run in; empty for the host's.
        is_discovery_dead: discovery has lost its heartbeat; the next change waits for it forever.
        hangs: it does.
    """

    cluster_store: str = ""
    network_store: str = ""
    cluster_advertise: str = ""
    live_restore: bool = False
    labels: tuple[str, ...] = ()
    userns_remap: str = ""
    is_discovery_dead: bool = False
    hangs: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the daemon's log."""

    level: str
    message: str


def parse_version(text: str) -> Version:
    """Read major and minor of a Docker version."""
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def get_api_version(version: Version) -> str:
    """Look up the newest API that a version speaks."""
    return next(api for since, api in reversed(_API_VERSIONS.items()) if since <= version)


def parse_file(text: str | None, flags: Mapping[str, str], version: Version = _NEWEST) -> dict[str, Any]:
    """Read daemon.json; None if it is missing, which counts as empty at its default path.

    Raises:
        SettingsError: it is no JSON object, has a key that this version does not know or one that is given as a flag
            too, or a value of another type.
    """
    if text is None:
        return {}
    try:
        # Go's decoder stops at the end of the first value, and so must this: what comes after is not looked at.
        config, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except json.JSONDecodeError as error:
        raise SettingsError(_word_as_go(error)) from error
    if not isinstance(config, dict):
        raise SettingsError("json: cannot unmarshal value into Go value of type map[string]interface {}")
    if unknown := find_unknown(config, version):
        raise SettingsError(f"the following directives don't match any configuration option: {', '.join(unknown)}")
    if conflicts := [f"{key}: (from flag: {flags[key]}, from file: {config[key]})" for key in config if key in flags]:
        raise SettingsError(
            "the following directives are specified both as a flag and in the configuration file: "
            + ", ".join(conflicts)
        )
    if wrong := find_wrong(config):
        raise SettingsError(f"json: cannot unmarshal {wrong} into Go struct field")
    return config


def build_settings(config: Mapping[str, Any], version: Version) -> tuple[Settings, Sequence[LogLine]]:
    """Build the settings of a daemon that starts with this configuration, flags included.

    Raises:
        SettingsError: the version has no cluster store any more, and the configuration sets one.
    """
    cluster_keys = [key for key in ("cluster-advertise", "cluster-store", "cluster-store-opts") if config.get(key)]
    if cluster_keys and version >= _LACKS_CLUSTER_STORE:
        raise SettingsError(
            "Host-discovery and overlay networks with external k/v stores are deprecated. The 'cluster-advertise', "
            "'cluster-store', and 'cluster-store-opt' options have been removed"
        )
    is_deprecated = version >= _DEPRECATES_CLUSTER_STORE
    warnings = [f'The "{key}" option is deprecated. To be removed soon.' for key in cluster_keys if is_deprecated]
    settings = Settings(
        cluster_store=config.get("cluster-store", ""),
        network_store=config.get("cluster-store", ""),
        cluster_advertise=config.get("cluster-advertise", ""),
        live_restore=config.get("live-restore", False),
        labels=tuple(config.get("labels", ())),
        userns_remap=config.get("userns-remap", ""),
    )
    return settings, [LogLine("warning", warning) for warning in warnings]


def reload_settings(
    current: Settings, config: Mapping[str, Any], version: Version
) -> tuple[Settings, Sequence[LogLine]]:
    """Build the settings after a SIGHUP, and what the daemon logs of it."""
    settings = replace(current, labels=tuple(config.get("labels", current.labels)))
    if version >= _RELOADS_LIVE_RESTORE:
        settings = replace(settings, live_restore=config.get("live-restore", current.live_restore))
    if not _RELOADS_CLUSTER_STORE <= version < _LACKS_CLUSTER_STORE:
        return settings, [_say_reloaded(settings)]
    store, advertise = _choose_cluster_keys(current, config, version)
    if (store, advertise) == (current.cluster_store, current.cluster_advertise):
        return settings, [_say_reloaded(settings)]
    if current.is_discovery_dead:
        return replace(settings, hangs=True), []
    if current.cluster_advertise and not advertise:
        failure = LogLine("error", "Error reconfiguring the daemon: discovery service not supported")
        return replace(settings, is_discovery_dead=True), [failure]
    settings = replace(settings, cluster_store=store, cluster_advertise=advertise)
    return _change_store(current, settings)


def _choose_cluster_keys(current: Settings, config: Mapping[str, Any], version: Version) -> tuple[str, str]:
    """Choose store and advertise address: the store is looked at only where the key cluster-advertise is there."""
    if "cluster-advertise" in config:
        return config.get("cluster-store", current.cluster_store), config["cluster-advertise"]
    return current.cluster_store, "" if version >= _FORGETS_ADVERTISE else current.cluster_advertise


def _change_store(current: Settings, wanted: Settings) -> tuple[Settings, Sequence[LogLine]]:
    if not current.network_store:
        applied = replace(wanted, network_store=wanted.cluster_store)
        return applied, [LogLine("info", "Initializing discovery without TLS"), _say_reloaded(applied)]
    if wanted.cluster_store == current.network_store:
        return wanted, [_say_reloaded(wanted)]
    refusal = LogLine(
        "warning",
        "Failed to reload configuration with network controller: cannot accept new configuration because it modifies "
        "an existing datastore client",
    )
    lying = replace(wanted, is_discovery_dead=not wanted.cluster_advertise)
    return lying, [refusal, _say_reloaded(lying)]


def _say_reloaded(settings: Settings) -> LogLine:
    shown = {
        "live-restore": settings.live_restore,
        "cluster-store": settings.cluster_store,
        "cluster-advertise": settings.cluster_advertise,
        "labels": list(settings.labels),
    }
    return LogLine("info", f"Reloaded configuration: {json.dumps({key: shown[key] for key in shown if shown[key]})}")


def _word_as_go(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :].lstrip(", \t\r\n")
    if not error.doc.strip():
        return "EOF"
    if not rest or "Unterminated" in error.msg:
        return "unexpected EOF"
    context = {
        "Expecting value": "looking for beginning of value",
        "Expecting ',' delimiter": "after object key:value pair",
        "Expecting ':' delimiter": "after object key",
    }.get(error.msg, "looking for beginning of object key string")
    return f"invalid character '{rest[0]}' {context}"
