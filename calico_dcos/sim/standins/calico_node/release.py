"""What differs between the releases of calico/node; the tag of the image tells which one is stood in for. Pure."""

import re
from dataclasses import dataclass

_FIRST = (1, 0)
_READS_POOLS = (1, 1)
_READS_NAT_AND_HEALTH = (2, 4)


@dataclass(frozen=True, slots=True)
class Release:
    """What a release reads of its environment.

    Attributes:
        takes_last_address: without `IP` it takes the last address of the host, not the first.
        reads_pools: CALICO_IPV4POOL_CIDR, _IPIP, IP_AUTODETECTION_METHOD, CALICO_DISABLE_FELIX; its own pool has NAT.
        reads_nat: CALICO_IPV4POOL_NAT_OUTGOING, and DISABLE_NODE_IP_CHECK.
        has_health_endpoint: Felix serves port 9099 if FELIX_HEALTHENABLED says so.
    """

    takes_last_address: bool
    reads_pools: bool
    reads_nat: bool
    has_health_endpoint: bool


def choose_release(image: str) -> Release:
    """Choose by the tag of an image; one without a version counts as the newest."""
    match = re.search(r":v?(\d+)\.(\d+)", image.rpartition("/")[2])
    version = (int(match[1]), int(match[2])) if match else _READS_NAT_AND_HEALTH
    return Release(
        takes_last_address=_FIRST <= version < _READS_POOLS,
        reads_pools=version >= _READS_POOLS,
        reads_nat=version >= _READS_NAT_AND_HEALTH,
        has_health_endpoint=version >= _READS_NAT_AND_HEALTH,
    )
