"""The installer as an operator would run it on a host, with a wanted state of its own."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e.harness import servers
from tests.e2e.harness.calico_image import CALICO_NODE_IMAGE
from tests.e2e.harness.host import Host
from tests.e2e.harness.site import ADDRESS
from tests.e2e.harness.stand_ins import CNI_CONFIG_DIR, PLUGINS_DIR, REPOSITORY_ON_HOSTS, Download

STORE = f"etcd://{ADDRESS}:2379"


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended: its exit status, and all that it printed."""

    status: int
    output: str


def build_wanted(downloads: Mapping[str, Download]) -> dict[str, Any]:
    """What is wanted of a host, as a scheduler would say it; the etcd of the site is reached without a proxy."""
    plugins = [{"name": name, "url": downloads[name].url, "sha256": None} for name in ("calico", "calico-ipam")]
    network = {"name": "calico", "cniVersion": "0.1.0", "type": "calico", "ipam": {"type": "calico-ipam"}}
    archive = {"url": downloads["etcd"].url, "sha256": downloads["etcd"].sha256}
    return {
        "etcd_endpoints": servers.ETCD_URL,
        "etcd_proxy": {
            "enable": True,
            "discovery_srv": servers.ETCD_DOMAIN,
            "listen": "127.0.0.1:2379",
            "archive": archive,
            "refresh_s": 60,
        },
        "docker_cluster_store": {
            "enable": True,
            "cluster_store": STORE,
            "timeout_s": 60,
            "replace_existing": False,
        },
        "cni": {
            "enable": True,
            "plugins": plugins,
            "plugins_dir": PLUGINS_DIR,
            "config_dir": CNI_CONFIG_DIR,
            "config": {**network, "etcd_endpoints": servers.ETCD_URL},
        },
        "agent_restart": {"enable": True, "timeout_s": 60},
        "calico_node": {"enable": True, "image": CALICO_NODE_IMAGE, "environment": {}, "poll_s": 0.5},
        "may_restart": True,
    }


def change(wanted: Mapping[str, Any], part: str, **values: Any) -> dict[str, Any]:
    """Return the wanted state with other values in one of its parts."""
    changed = copy.deepcopy(dict(wanted))
    changed[part].update(values)
    return changed


def build_command(host: Host, wanted: Mapping[str, Any], *arguments: str, before: Sequence[str] = ()) -> list[str]:
    """Build the command line of a run on a host; `before` is what the program is run under."""
    environment = [
        f"MESOS_AGENT_ENDPOINT={host.spec.address}:5051",
        f"PYTHONPATH={REPOSITORY_ON_HOSTS}",
        "PYTHONDONTWRITEBYTECODE=1",
        f"CALICO_DCOS_WANTED={json.dumps(wanted)}",
    ]
    return ["env", *environment, *before, "/usr/bin/python3", "-m", "calico_dcos.installer", *arguments]


def run(host: Host, wanted: Mapping[str, Any], *arguments: str, before: Sequence[str] = ()) -> Ended:
    """Run the installer on a host to its end."""
    script = '"$@" 2>&1; echo "status $?"'
    command = build_command(host, wanted, *arguments, before=before)
    output, _, status = host.run(["sh", "-c", script, "sh", *command], timeout_s=280).rpartition("status ")
    return Ended(int(status), output)
