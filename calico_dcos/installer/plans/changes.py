"""What a plan consists of: changes that are still to do, and refusals to do them."""

from enum import Enum
from typing import List, NamedTuple, Optional

STEPS = ("etcd-proxy", "docker-cluster-store", "cni", "agent-restart", "calico-node")


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
# refusal: why the step must not be done on this host, and what an operator can do about it; then there are no changes.
# warnings: what does not keep the step from being done, and an operator should know.
Decision = NamedTuple("Decision", [("changes", List[Change]), ("refusal", Optional[str]), ("warnings", List[str])])

DONE = Decision([], None, [])


def refuse(reason: str, remedy: str) -> Decision:
    """Build a refusal."""
    return Decision([], "{}: {}".format(reason, remedy), [])


def change(
    action: Action, message: str, reason: str, impact: str, restarts: Optional[str] = None, subject: str = ""
) -> Decision:
    """Build a decision of one change."""
    return Decision([Change(action, subject, message, reason, restarts, impact)], None, [])


def warn(decision: Decision, warnings: List[str]) -> Decision:
    """Add warnings to a decision."""
    return decision._replace(warnings=decision.warnings + warnings)
