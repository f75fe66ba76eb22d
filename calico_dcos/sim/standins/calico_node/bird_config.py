"""The configuration of a real BIRD, from what is in etcd: what confd writes in calico/node. Pure."""

import json
from collections.abc import Mapping

from calico_dcos.sim.standins.calico_node.ipam import name_blocks
from calico_dcos.sim.standins.calico_node.peers import get_as_number, list_peers
from calico_dcos.sim.standins.calico_node.startup import POOLS, Node

_CONFIG = """\
router id {address};

protocol static {{
  {blocks}
}}
filter calico_pools {{
  {accepted}
  reject;
}}
protocol kernel {{
  learn;
  persist;
  scan time 2;
  import all;
  export all;
  graceful restart;
}}
protocol device {{
  scan time 2;
}}
protocol direct {{
  interface -"cali*", "*";
}}
template bgp bgp_template {{
  local as {as_number};
  multihop;
  gateway recursive;
  import all;
  export filter calico_pools;
  next hop self;
  source address {address};
  add paths on;
  graceful restart;
}}
"""
_PEER = "protocol bgp {0.protocol} from bgp_template {{\n  neighbor {0.address} as {0.as_number};\n}}\n"


def build_config(tree: Mapping[str, str], node: Node) -> str:
    """Build bird.cfg for a node; `tree` holds the keys below /calico/bgp/v1, and those of pools and of its blocks.

    Others are told of its blocks, and not of the single workloads in them.
    """
    pools = [json.loads(value)["cidr"] for key, value in sorted(tree.items()) if key.startswith(f"{POOLS}/")]
    place = f"{name_blocks(node.name)}/"
    blocks = [key.removeprefix(place).replace("-", "/") for key in sorted(tree) if key.startswith(place)]
    rules = [f"if net = {block} then accept;\n  if net ~ {block} then reject;" for block in blocks]
    rules += [f"if net ~ [ {pool}+ ] then accept;" for pool in pools]
    config = _CONFIG.format(
        address=node.address,
        as_number=get_as_number(tree, node.name),
        accepted="\n  ".join(rules),
        blocks="\n  ".join(f"route {block} blackhole;" for block in blocks),
    )
    return config + "".join(_PEER.format(peer) for peer in list_peers(tree, node))
