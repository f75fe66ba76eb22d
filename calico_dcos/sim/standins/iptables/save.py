"""The stand-in of iptables-save: the rules of the backend that `iptables` points to."""

import sys
from pathlib import Path

from calico_dcos.sim.standins.iptables.state import save
from calico_dcos.sim.standins.options import read_options


def main(root: str) -> int:
    """Print all tables."""
    sys.stdout.write(save(Path(root), read_options(Path(root)).iptables))
    return 0
