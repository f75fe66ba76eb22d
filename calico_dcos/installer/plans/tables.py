"""Judges the tables that packets between hosts go through: those of Calico, and those of the other family.

The kernel asks both families for every packet that it forwards, and each may drop it. Calico 2's Felix writes to the
legacy one. Docker sets the policy of FORWARD to DROP in the one that the host's command writes to.
"""

from typing import List, Optional, Tuple, Union  # noqa: F401  (List and Tuple: in type comments)

from ..facts.netfilter import DROPPING, Family, Netfilter
from ..unknown import Unknown
from .changes import Decision, refuse
from .checks import Check, fails, saw, was_not_seen

Read = Union[Family, None, Unknown]
NAMES = {"legacy": "the legacy tables", "nft": "nftables"}
MEND = (
    "update-alternatives --set iptables /usr/sbin/iptables-legacy (and ip6tables), restart Docker, delete what is left "
    "in nftables (or reboot), then retry"
)
MEND_OTHERS = "accept packets from and to interfaces cali+ there (-i cali+ and -o cali+ in FORWARD), then retry"


def refuse_tables(netfilter: Netfilter) -> Optional[Decision]:
    """Refuse calico-node where its packets would be dropped by the family to which it does not write."""
    family = find_dropping(netfilter.nft)
    if family is None:
        return None
    return refuse(describe_split(family, "nft", "legacy") + " would be dropped", choose_remedy(family))


def find_dropping(family: Read) -> Optional[Family]:
    """Return a family that drops the packets of Calico's containers, of which it knows nothing; None for any other."""
    if not isinstance(family, Family) or family.calico is not None or family.accepts_calico:
        return None
    return family if family.verdict in DROPPING else None


def describe_split(family: Family, name: str, calico: str) -> str:
    """Describe how the families are at odds, up to what becomes of the packets."""
    drop = "policy {}" if family.policy == family.verdict else "a rule that is -j {}"
    whose = "Docker's rules are in {} with FORWARD {}" if family.has_docker else "FORWARD in {} has {}"
    return "{}, Calico 2's are in {}: packets between hosts".format(
        whose.format(NAMES[name], drop.format(family.verdict)), NAMES[calico]
    )


def choose_remedy(family: Family) -> str:
    """Choose the remedy: what Docker wrote moves with Docker."""
    return MEND if family.has_docker else MEND_OTHERS


def check_tables(netfilter: Netfilter) -> Check:
    """Check that Calico's chains are where packets go through, and that the other family lets them pass."""
    families = [("legacy", netfilter.legacy), ("nft", netfilter.nft)]  # type: List[Tuple[str, Read]]
    ours = [name for name, family in families if isinstance(family, Family) and family.calico is not None]
    for name, family in families:
        other = find_dropping(family)
        if ours and other is not None:
            return fails(describe_split(other, name, ours[0]) + " are dropped", choose_remedy(other))
    if len(ours) > 1:
        return fails(
            "chains of Calico's are in both families: those that no Felix keeps drop what it lets pass",
            "delete those of an earlier Calico, with the rules that lead there (or reboot), then retry",
        )
    for name, family in families:
        if isinstance(family, Unknown):
            return was_not_seen(NAMES[name], family)
    if not ours:
        read = [NAMES[name] for name, family in families if family is not None]
        return fails(
            "Felix's rules are not in effect: FORWARD does not lead to Calico's chains (looked at: {})".format(
                ", ".join(read)
            ),
            "see `docker logs calico-node` for what iptables-restore says",
        )
    return saw("FORWARD leads to its chains, in {}".format(NAMES[ours[0]]))
