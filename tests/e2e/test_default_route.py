"""A host without a default route, as the kernel has it: in a network namespace, nothing is sent anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

READ = """
from calico_dcos.installer.facts.kernel import read_way
from calico_dcos.installer.host import Host
print(read_way(Host("/", None, {})).has_route)
"""
BRIDGE = "ip link add wire type bridge && ip address add 10.1.1.1/24 dev wire && ip link set wire up"


@pytest.mark.parametrize(
    ("routes", "answers"),
    [
        ("true", "False"),
        (BRIDGE, "False"),
        (f"{BRIDGE} && ip route add 10.9.0.0/16 via 10.1.1.2", "False"),
        (f"{BRIDGE} && ip route add default via 10.1.1.2", "True"),
        (f"{BRIDGE} && ip route add 169.254.0.0/16 dev wire", "True"),
        (f"{BRIDGE} && ip route add default via 10.1.1.2 table 7 && ip rule add lookup 7", "True"),
        (f"{BRIDGE} && ip route add unreachable default", "False"),
    ],
)
def test_a_kernel_answers_for_the_containers_gateway_if_it_has_a_route_to_it(routes: str, answers: str) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        said = "namespaces need root, and Debian packages iproute2 and util-linux"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(said)
    script = f"{routes} && exec {sys.executable} -c '{READ}'"

    asked = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=True)

    assert asked.stdout.strip() == answers
