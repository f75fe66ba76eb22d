"""The chains that Felix writes where no workload is, by table, and what iptables-restore takes them as. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Felix's part of a table.

    Attributes:
        chains: its own chains.
        inserted: rules at the head of the kernel's chains, which lead into its own.
        rules: rules in its own chains.
    """

    chains: Sequence[str]
    inserted: Sequence[str]
    rules: Sequence[str]


TABLES: Mapping[str, Table] = {
    "filter": Table(
        chains=(
            "cali-FORWARD",
            "cali-INPUT",
            "cali-OUTPUT",
            "cali-failsafe-in",
            "cali-failsafe-out",
            "cali-from-host-endpoint",
            "cali-from-wl-dispatch",
            "cali-to-host-endpoint",
            "cali-to-wl-dispatch",
            "cali-wl-to-host",
        ),
        inserted=(
            'INPUT -m comment --comment "cali:Cz_u1IQiXIMmKD4c" -j cali-INPUT',
            'FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD',
            'OUTPUT -m comment --comment "cali:tVnHkvAo15HuiPy0" -j cali-OUTPUT',
        ),
        rules=(
            "cali-FORWARD -i cali+ -j cali-from-wl-dispatch",
            "cali-FORWARD -o cali+ -j cali-to-wl-dispatch",
            "cali-FORWARD -i cali+ -j ACCEPT",
            "cali-FORWARD -o cali+ -j ACCEPT",
            "cali-INPUT -i cali+ -g cali-wl-to-host",
            "cali-failsafe-in -p tcp -m multiport --dports 22 -j ACCEPT",
            "cali-failsafe-out -p tcp -m multiport --dports 2379,2380,4001,7001 -j ACCEPT",
            'cali-from-wl-dispatch -m comment --comment "Unknown interface" -j DROP',
            'cali-to-wl-dispatch -m comment --comment "Unknown interface" -j DROP',
            "cali-wl-to-host -j cali-from-wl-dispatch",
        ),
    ),
    "nat": Table(
        chains=("cali-OUTPUT", "cali-POSTROUTING", "cali-PREROUTING", "cali-nat-outgoing"),
        inserted=(
            'PREROUTING -m comment --comment "cali:6gwbT8clXdHdC1b1" -j cali-PREROUTING',
            'OUTPUT -m comment --comment "cali:tVnHkvAo15HuiPy0" -j cali-OUTPUT',
            'POSTROUTING -m comment --comment "cali:O3lYWMrLQYEMJtB5" -j cali-POSTROUTING',
        ),
        rules=("cali-POSTROUTING -j cali-nat-outgoing",),
    ),
}
"""What a new Felix writes; each table in one transaction."""


def build_restore(names: Sequence[str]) -> str:
    """Build what `iptables-restore --noflush` takes, for some tables."""
    lines = []
    for name in names:
        table = TABLES[name]
        lines += [f"*{name}", *(f":{chain} - [0:0]" for chain in table.chains)]
        lines += [f"-A {rule}" for rule in table.rules]
        lines += ["-I {} 1 {}".format(*rule.split(" ", 1)) for rule in table.inserted]
        lines += ["COMMIT"]
    return "\n".join(lines) + "\n"


def find_missing(saved: str) -> list[str]:
    """Find the tables in which something that leads into Felix's chains is missing, by what iptables-save printed."""
    sections = {section.partition("\n")[0]: section for section in saved.split("\n*")[1:]}
    return [
        name
        for name, table in TABLES.items()
        if not all(f"-A {rule}" in sections.get(name, "") for rule in table.inserted)
    ]
