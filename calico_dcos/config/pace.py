"""Settings of the pace: what slows the walk down on purpose, and what keeps a restart waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calico_dcos.core.pace import parse_windows

from .kinds import TEXT, Choice, Flag, Number, Text, Url, Whole
from .settings import setting

SECTION = "Pace"
DESCRIPTION = "What slows the walk down on purpose: preflight, canary, and what every restart waits for."

WINDOWS = r"^[A-Za-z0-9:;, -]*$"
ZONE = r"^[A-Za-z0-9_+/-]*$"


@dataclass(frozen=True, slots=True)
class Windows:
    """Times of the week."""

    allowed: str = "windows such as 'mon-thu 22:00-04:00; sat,sun 00:00-24:00'"

    def parse(self, text: str) -> str:
        """Take what `parse_windows` reads, as it is."""
        parse_windows(text)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string of days and times."""
        return {"type": "string", "pattern": WINDOWS}


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone."""

    allowed: str = "a time zone such as UTC or Europe/Berlin"

    def parse(self, text: str) -> str:
        """Take what the machine's or Python's own list of zones has."""
        try:
            return ZoneInfo(text).key
        except (ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(text) from error

    def describe(self) -> Mapping[str, Any]:
        """A string that looks like a zone."""
        return {"type": "string", "pattern": ZONE}


@dataclass(frozen=True)
class PaceSettings:
    """What slows the walk down."""

    mode: str = setting(
        Choice(("install", "preflight")),
        "install",
        f"{SECTION}.mode",
        "install changes agents. preflight only inspects them, and shows what would change and restart.",
    )
    connectivity_test: bool = setting(
        Flag(),
        default=False,
        option=f"{SECTION}.connectivity-test",
        help_text="Test each agent that was completed against another complete one, and begin no further agent before "
        "the test passed. Off: an operator runs it (calico-dcos connectivity-test).",
    )
    canary_agents: int = setting(
        Whole(0, 100_000),
        0,
        f"{SECTION}.canary-agents",
        "After so many complete agents the walk waits, until an operator resumes the plan or canary-wait is over. "
        "0: it does not.",
    )
    canary_wait_s: float = setting(
        Number(0, 30 * 24 * 3600),
        0.0,
        f"{SECTION}.canary-wait",
        "Seconds that the first agents have to stay healthy before the walk goes on by itself. 0: only an operator "
        "lets it go on.",
    )
    restart_windows: str = setting(
        Windows(),
        "",
        f"{SECTION}.restart-windows",
        "When Docker or a Mesos agent may be restarted: windows such as 'mon-thu 22:00-04:00; sat,sun 00:00-24:00'. "
        "One that ends before it begins goes on into the next day. Empty: at any time.",
    )
    restart_zone: str = setting(
        Zone(),
        "UTC",
        f"{SECTION}.restart-time-zone",
        "Time zone of the windows, such as Europe/Berlin.",
    )
    restart_interval_s: float = setting(
        Number(0, 7 * 24 * 3600),
        0.0,
        f"{SECTION}.restart-interval",
        "Seconds from the beginning of one restart to that of the next, at least.",
    )
    restart_blocker_url: str = setting(
        Url(),
        "",
        f"{SECTION}.restart-blocker-url",
        "Asked before each restart: an answer of 200 to 299 allows it. Any other, or none, keeps it waiting, and the "
        "first line of the answer is shown as the reason.",
    )
    restart_blocker_prometheus: str = setting(
        Url(),
        "",
        f"{SECTION}.restart-blocker-prometheus",
        "URL of a Prometheus that is asked restart-blocker-query before each restart.",
    )
    restart_blocker_query: str = setting(
        Text("a query without double quotes and backslashes (in a pattern, [.] for a dot)", TEXT),
        "ALERTS{alertstate='firing'}",
        f"{SECTION}.restart-blocker-query",
        "PromQL: a restart waits while it returns anything, or cannot be asked.",
    )
    drain: bool = setting(
        Flag(),
        default=False,
        option=f"{SECTION}.drain",
        help_text="Deactivate an agent around its restart, so that nothing new is placed on it meanwhile, and "
        "activate it again. Needs Mesos 1.9 or later (DC/OS 2.0), and leave to do so where Mesos authorizes.",
    )
