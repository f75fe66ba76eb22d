"""Settings of the walk: how many agents at once, how long to wait, when to stop."""

from __future__ import annotations

from dataclasses import dataclass

from .framework import SECTION as FRAMEWORK_SECTION
from .kinds import Choice, Number, Text, Whole
from .settings import setting

SECTION = "Rollout"
DESCRIPTION = "The walk over the agents: how many at once, how long to wait, when to stop."


@dataclass(frozen=True)
class RolloutSettings:
    """The rules of the walk."""

    max_concurrent_agents: int = setting(
        Whole(1, 1000),
        1,
        f"{SECTION}.max-concurrent-agents",
        "How many agents may be changed at the same time.",
    )
    max_concurrent_restarts: int = setting(
        Whole(1, 1000),
        1,
        f"{FRAMEWORK_SECTION}.max-concurrent-restarts",
        "How many of them may restart Docker or the Mesos agent. A host that restarts is away for a while, with "
        "everything that runs on it: raise it with care.",
    )
    max_failed_agents: int = setting(
        Whole(0, 100_000),
        0,
        f"{SECTION}.max-failed-agents",
        "More failed agents than this stop the walk.",
    )
    first_agents: str = setting(
        Text(),
        "",
        f"{SECTION}.first-agents",
        "Host names of the agents that are walked before all others, in this order, separated by commas: the canaries. "
        "After them come the others by name.",
    )
    walk_order: str = setting(
        Choice(("private-first", "public-first")),
        "private-first",
        f"{SECTION}.walk-order",
        "Which agents come first, after those that are named. The agent that runs the scheduler comes last.",
    )
    stability_period_s: float = setting(
        Number(0, 3600),
        30.0,
        f"{SECTION}.stability-period",
        "Seconds that calico-node has to be healthy before the next agent is touched.",
    )
    max_attempts: int = setting(
        Whole(1, 100),
        5,
        f"{SECTION}.max-attempts",
        "How often a step is tried before its agent counts as failed.",
    )
    backoff_s: float = setting(
        Number(0, 3600),
        10.0,
        f"{SECTION}.backoff",
        "Seconds before the second attempt; they double from one attempt to the next.",
    )
    max_backoff_s: float = setting(
        Number(0, 24 * 3600),
        600.0,
        f"{SECTION}.max-backoff",
        "The longest time between two attempts, in seconds.",
    )
    verify_interval_s: float = setting(
        Number(10, 30 * 24 * 3600),
        24 * 3600.0,
        f"{SECTION}.verify-interval",
        "Seconds between two inspections of an agent that is complete, which find what an upgrade of DC/OS or a hand "
        "edit undid.",
    )
    forget_agents_after_s: float = setting(
        Number(60, 365 * 24 * 3600),
        24 * 3600.0,
        f"{SECTION}.forget-agents-after",
        "Seconds after which an agent leaves the plan that is no longer registered with the Mesos master. One that "
        "holds a slot, has an operator's word on it, or tasks of which nobody knows that they ended, never does by "
        "itself.",
    )
