"""What the program goes by: its environment, read as calico/node reads it. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from calico_dcos.sim.standins.calico_node.release import Release, choose_release

_TRUE = ("1", "true", "yes", "y", "t")  # as Felix reads its own settings


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment, the image that the container was made of, and the host name of the container."""

    environment: Mapping[str, str]
    release: Release
    hostname: str

    def get(self, name: str) -> str:
        """Look up a variable; one that is not set is empty."""
        return self.environment.get(name, "")

    def is_on(self, name: str) -> bool:
        """Whether a switch of the image's scripts is on: they know `true` alone."""
        return self.get(name) == "true"

    def read_felix(self, name: str) -> str:
        """Read a setting of Felix as its environment gives it; the name is without the prefix, in any case."""
        return next((text for key, text in self.environment.items() if key.upper() == f"FELIX_{name.upper()}"), "")

    def is_on_for_felix(self, name: str) -> bool:
        """Whether a switch of Felix is on."""
        return self.read_felix(name).lower() in _TRUE

    @property
    def name(self) -> str:
        """The node's name."""
        return self.get("NODENAME") or self.get("HOSTNAME") or self.hostname

    @property
    def endpoints(self) -> str:
        """Where etcd is."""
        authority = self.get("ETCD_AUTHORITY") or "127.0.0.1:2379"
        return self.get("ETCD_ENDPOINTS") or f"{self.get('ETCD_SCHEME') or 'http'}://{authority}"

    @property
    def tls(self) -> tuple[str, str, str]:
        """Certificates for etcd: the authority's, the client's, and the client's key."""
        return self.get("ETCD_CA_CERT_FILE"), self.get("ETCD_CERT_FILE"), self.get("ETCD_KEY_FILE")

    @property
    def routes(self) -> bool:
        """Whether BIRD is to run."""
        return self.get("CALICO_NETWORKING_BACKEND") not in ("none", "gobgp")

    @property
    def logs_to_files(self) -> bool:
        """Whether services log to files in /var/log/calico; else to where the container does."""
        return not self.is_on("CALICO_DISABLE_FILE_LOGGING")

    @property
    def has_felix(self) -> bool:
        """Whether Felix is to run."""
        return not (self.release.reads_pools and self.is_on("CALICO_DISABLE_FELIX"))


def build_settings(environment: Mapping[str, str], image: str, hostname: str) -> Settings:
    """Build them from a container's environment and the reference of its image."""
    return Settings(environment, choose_release(image), hostname)


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 address."""
    return bool(re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text)) and all(int(part) < 256 for part in text.split("."))  # noqa: PLR2004


def build_pool(cidr: str, *, ipip: str, has_nat: bool) -> str:
    """Build the value of a pool's key."""
    modes = {"always": "always", "cross-subnet": "cross-subnet"}
    mode = modes.get(ipip.lower())
    tunnel = {"ipip": "tunl0", "ipip_mode": mode} if mode else {}
    return json.dumps({"cidr": cidr, **tunnel, **({"masquerade": True} if has_nat else {})})
