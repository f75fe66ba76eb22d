"""Settings of the scheduler itself: where its master and its store are, how it is known and reached."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import ADDRESS, DNS_NAME, NAME, WORD, ZK, Choice, MasterAddress, Number, StoreUrl, Text, Url, Whole
from .settings import Derived, Known, setting

SECTION = "Framework Settings"
DESCRIPTION = "The scheduler: where its master and its state are, how it is known and reached."

WEEK_S = 7 * 24 * 3600.0
ZK_HOSTS = ",".join(f"zk-{number}.zk:2181" for number in range(1, 6))


def _find_marathon_port(known: Known) -> int:
    port = known.environment.get("PORT0", "")
    return int(port) if port.isdecimal() else 8080


def _find_own_address(known: Known) -> str:
    address = known.environment.get("LIBPROCESS_IP", "")
    # Where Mesos is told to listen on all addresses, tasks are told the same; nobody can reach us at it.
    return "" if address in {"0.0.0.0", "::"} else address  # noqa: S104 - it is refused


def _from_marathon(variable: str) -> Derived:
    return Derived(f"Marathon's {variable}", lambda known: known.environment.get(variable, ""))


@dataclass(frozen=True)
class FrameworkSettings:
    """The scheduler's own settings."""

    framework_name: str = setting(
        Text("lower-case letters, digits and hyphens", NAME),
        "calico-install-framework",
        f"{SECTION}.framework-name",
        "Name of the framework, of its Marathon app and of its service in DC/OS. Do not change it after the install.",
    )
    master: str = setting(
        MasterAddress(),
        "leader.mesos:5050",
        f"{SECTION}.master",
        "Where the Mesos master is: host:port, http://host:port, or zk://host:port,host:port/mesos.",
    )
    zk: str = setting(
        Text("zk://host:port,host:port/path", ZK),
        f"zk://{ZK_HOSTS}/calico",
        f"{SECTION}.zk",
        "ZooKeeper, where the scheduler's state goes unless state-store says otherwise.",
    )
    state_store: str = setting(
        StoreUrl(),
        Derived("the value of zk", lambda known: known.values["zk"]),
        f"{SECTION}.state-store",
        "Where the scheduler's state goes: zk://hosts/path, etcd://hosts/prefix or etcd+srv://name/prefix (etcd 3), or "
        "sqlite:///path on the scheduler's own disk. Empty: the value of zk.",
        package_default="",
    )
    role: str = setting(
        Text("a role without blanks", WORD),
        "slave_public",
        f"{SECTION}.role",
        "Mesos role. With slave_public the framework is offered private and public agents alike.",
    )
    failover_timeout_s: float = setting(
        Number(60, 52 * WEEK_S),
        4 * WEEK_S,
        f"{SECTION}.failover-timeout",
        "Seconds that Mesos keeps the framework's tasks while no scheduler is connected.",
    )
    bind_address: str = setting(
        Text("an address of this machine", ADDRESS),
        "0.0.0.0",  # noqa: S104 - agents fetch from it and report to it
        f"{SECTION}.bind-address",
        "Address on which the scheduler listens.",
    )
    port: int = setting(
        Whole(0, 65_535),
        Derived("Marathon's PORT0, or 8080", _find_marathon_port),
        f"{SECTION}.port",
        "Port of the status page and of everything that agents fetch. 0 in the package: Marathon chooses one.",
        package_default=0,
    )
    advertised_address: str = setting(
        Text("an address", ADDRESS),
        Derived("Marathon's LIBPROCESS_IP", _find_own_address),
        f"{SECTION}.advertised-address",
        "Address under which agents reach the scheduler. Empty: the address of its host that faces the master.",
        package_default="",
    )
    advertised_name: str = setting(
        Text("a DNS name", DNS_NAME),
        "",
        f"{SECTION}.advertised-name",
        "DNS name by which agents fetch the installer: an HTTP proxy of theirs (use_proxy of DC/OS) makes exceptions "
        "for names below .mesos, and for no address. Empty: the app's name below marathon.mesos once it is seen to "
        "lead to the scheduler, unless advertised-address is given; else the advertised address.",
    )
    download_proxy: str = setting(
        Url(),
        "",
        f"{SECTION}.download-proxy",
        "HTTP proxy through which the installer downloads etcd and the CNI plugins on the agents, such as "
        "http://proxy.example.com:3128. Empty: the one in the environment of tasks, where there is one.",
        is_secret=True,
    )
    download_proxy_exceptions: str = setting(
        Text("names separated by commas", WORD),
        "",
        f"{SECTION}.download-proxy-exceptions",
        "What is downloaded without that proxy: host names and domains, separated by commas, such as "
        ".mesos,mirror.example.com.",
    )
    status_dns: str = setting(
        Text("a DNS name", DNS_NAME),
        "",
        f"{SECTION}.status-dns",
        "DNS name for links to the status page, such as calico-install-framework.marathon.mesos. Empty: the "
        "advertised address.",
    )
    own_host: str = setting(
        Text("a host name or address", ADDRESS),
        _from_marathon("HOST"),
        f"{SECTION}.own-host",
        "Host name or address of the agent that runs the scheduler, which is walked last. Empty: what Marathon says.",
        package_default="",
    )
    installer_url: str = setting(
        Url("/installer.pyz"),
        "",
        f"{SECTION}.override-installer-url",
        "Where agents fetch the installer, if not from the scheduler. It has to be the very file that this release "
        "serves: agents check its sum.",
    )
    roster_interval_s: float = setting(
        Number(1, 3600),
        30.0,
        f"{SECTION}.roster-interval",
        "Seconds between two looks at the master's list of agents.",
    )
    log_level: str = setting(
        Choice(("DEBUG", "INFO", "WARNING", "ERROR")),
        "INFO",
        f"{SECTION}.log-level",
        "How much the scheduler logs.",
    )
    log_format: str = setting(
        Choice(("text", "json")),
        "text",
        f"{SECTION}.log-format",
        "How log lines are written: as text, or as one JSON object each.",
    )
    webhook_url: str = setting(
        Url(),
        "",
        f"{SECTION}.webhook-url",
        "Where notices are posted as JSON: the walk starts, an agent fails, the walk stops, all is complete.",
        is_secret=True,
    )
    inspect_cpus: float = setting(
        Number(0.01, 64),
        0.1,
        f"{SECTION}.inspect-cpu-limit",
        "CPUs of the task that inspects an agent.",
    )
    inspect_mem_mb: float = setting(
        Number(32, 65_536),
        64.0,
        f"{SECTION}.inspect-mem-limit",
        "Memory in MB of the task that inspects an agent.",
    )
