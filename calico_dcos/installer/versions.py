"""Versions of Docker, Mesos, DC/OS and etcd: their leading ``major.minor`` is all that decisions need."""

import re
from typing import Optional, Tuple


def parse_version(text: str) -> Optional[Tuple[int, int]]:
    """Read ``major.minor`` at the start of a version (``17.03.2-ce``, ``20.10.24+dfsg1``); None where there is none."""
    match = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else None
