"""What a plan says of a step: what is still to do, why it must not be done, what could not be seen, what proves it."""

from enum import Enum
from typing import List, NamedTuple, Optional


class Action(Enum):
    """What is to be done; the step that does it knows how."""

    WRITE_STORE = "write the store into daemon.json"
    DROP_ADVERTISE = "take the empty cluster-advertise out of daemon.json"
    RELOAD_DOCKER = "write the store and reload Docker"
    RESTART_DOCKER = "write the store and restart Docker"
    INSTALL_PLUGIN = "install a CNI plugin"
    WRITE_NETWORK = "write the CNI configuration"
    RESTART_AGENT = "restart the Mesos agent"
    RUN_ETCD_PROXY = "run etcd as a proxy"
    ADOPT_NODE = "replace a calico-node of somebody else's"
    PREPARE_KERNEL = "set what calico-node needs of the kernel"
    WRITE_POOL = "write the pool of addresses to etcd"
    RUN_CALICO_NODE = "run calico-node"


# subject: what the action is done to, where there are several (the plugin's name).
Change = NamedTuple(
    "Change",
    [
        ("action", Action),
        ("subject", str),
        ("message", str),
        ("reason", str),
        ("restarts", Optional[str]),
        ("impact", str),
    ],
)
# Exactly one of the first five is there; only a proof makes a step done.
# changes: what is still to do, in this order.
# refusal: why the step must not be done on this host, and what an operator can do about it.
# unknown: what could not be looked at, and why; another look may tell.
# fault: why the step does not serve its purpose although all is in place, and what an operator can do about it.
# proof: what was seen that shows that the step serves its purpose, whoever made it so.
# warnings: what does not keep the step from being done, and an operator should know.
Decision = NamedTuple(
    "Decision",
    [
        ("changes", List[Change]),
        ("refusal", Optional[str]),
        ("unknown", Optional[str]),
        ("fault", Optional[str]),
        ("proof", Optional[str]),
        ("warnings", List[str]),
    ],
)
NOTHING = Decision([], None, None, None, None, [])


def refuse(reason: str, remedy: str) -> Decision:
    """Build the decision that a step must not be done here."""
    return NOTHING._replace(refusal="{}: {}".format(reason, remedy))


def could_not_look(reason: str) -> Decision:
    """Build the decision that nothing can be said of a step yet."""
    return NOTHING._replace(unknown=reason)


def find_at_fault(reason: str, remedy: str) -> Decision:
    """Build the decision that a step has nothing left to do, and is of no use all the same."""
    return NOTHING._replace(fault="{}: {}".format(reason, remedy))


def prove(seen: str) -> Decision:
    """Build the decision that a step serves its purpose; seen is what shows it."""
    return NOTHING._replace(proof=seen)


def change(
    action: Action, message: str, reason: str, impact: str, restarts: Optional[str] = None, subject: str = ""
) -> Decision:
    """Build a decision of one change."""
    return do([Change(action, subject, message, reason, restarts, impact)])


def do(changes: List[Change]) -> Decision:
    """Build a decision of several changes."""
    return NOTHING._replace(changes=changes)


def describe_unproven(decision: Decision) -> str:
    """Describe why a step is not done; empty when it is."""
    if decision.changes:
        return "; ".join(change.message for change in decision.changes)
    if decision.unknown is not None:
        return "could not look: {}".format(decision.unknown)
    return decision.refusal or decision.fault or ""


def warn(decision: Decision, warnings: List[str]) -> Decision:
    """Add warnings to a decision."""
    return decision._replace(warnings=decision.warnings + warnings)
