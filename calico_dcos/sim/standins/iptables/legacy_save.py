"""The stand-in of iptables-legacy-save."""

import sys
from pathlib import Path

from calico_dcos.sim.standins.iptables.state import LEGACY, save


def main(root: str) -> int:
    """Print all tables."""
    sys.stdout.write(save(Path(root), LEGACY))
    return 0
