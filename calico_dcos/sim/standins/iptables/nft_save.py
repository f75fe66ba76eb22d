"""The stand-in of iptables-nft-save."""

import sys
from pathlib import Path

from calico_dcos.sim.standins.iptables.state import NFT, save


def main(root: str) -> int:
    """Print all tables."""
    sys.stdout.write(save(Path(root), NFT))
    return 0
