"""The iptables stand-in: it tells its version, and with `-S` the rules of a table."""

import sys
from pathlib import Path

from calico_dcos.sim.standins.iptables.state import NFT, VERSION, save
from calico_dcos.sim.standins.options import read_options


def main(root: str) -> int:
    """Carry out the command line of this process."""
    backend = read_options(Path(root)).iptables
    match sys.argv[1:]:
        case ["--version"] | ["-V"]:
            print(f"iptables v{VERSION} ({'nf_tables' if backend == NFT else 'legacy'})")
            return 0
        case ["-S"]:
            filter_table = save(Path(root), backend).partition("*filter\n")[2].partition("COMMIT")[0]
            for line in filter_table.splitlines():
                name, _, policy = line[1:].removesuffix(" [0:0]").partition(" ")
                is_rule = line.startswith("-")
                print(line if is_rule else f"-N {name}" if policy == "-" else f"-P {name} {policy}")
            return 0
    print("the stand-in of iptables has --version and -S only", file=sys.stderr)
    return 2
