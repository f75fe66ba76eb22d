"""The host that is worked on: where its files and tools are, its loopback address, and how its tools are run."""

import os
from typing import Dict, List, Optional

from .program import Completed, ToolError, run_program

__all__ = ["STATE_DIR", "Completed", "Host", "ToolError", "run_program"]

STATE_DIR = "/var/lib/calico-dcos"
# The last three: where a host's Docker and its helpers for logins are if no package brought them.
TOOL_DIRS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/bin")
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
# LD_LIBRARY_PATH: DC/OS up to 1.10 points it at its own libraries, which host tools must not load.
# DOCKER_...: an operator's shell may point Docker's command at another host. Where credentials are, it keeps.
# The token belongs to this program alone.
DROPPED_VARIABLES = (
    *("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"),
    *("CALICO_DCOS_REPORT_TOKEN", "CALICO_DCOS_WANTED", "CALICO_DCOS_AGENT_LOGIN"),
)


class Host:
    """One host; with a root other than ``/`` every path and every tool is looked for below that root, and only there.

    A relocated host never falls back on the tools of the machine: they would act on the wrong host.
    """

    def __init__(self, root: str, loopback: Optional[str], environment: Dict[str, str]) -> None:
        self.root = os.path.realpath(root).rstrip("/")
        self._loopback = loopback
        self._environment = environment

    def path(self, absolute: str) -> str:
        """Build the path at which the host's file is found from here."""
        return self.root + absolute

    def name_path(self, real: str) -> str:
        """Name a path of this machine as the host itself would: the other way round."""
        return real[len(self.root) :] if self.root and real.startswith(self.root + "/") else real

    def dial(self, hostname: str) -> str:
        """Build the address to dial for a name: simulated hosts share a machine, each with a loopback of its own."""
        if self._loopback and hostname in LOOPBACK_NAMES:
            return self._loopback
        return hostname

    def any_address(self) -> str:
        """Build the address to listen on for every peer of this network namespace."""
        return self._loopback or "0.0.0.0"  # noqa: S104

    def variable(self, name: str) -> Optional[str]:
        """Look up a variable of this program's environment."""
        return self._environment.get(name)

    def variables(self) -> Dict[str, str]:
        """All variables of this program's environment."""
        return dict(self._environment)

    def with_variable(self, name: str, value: str) -> "Host":
        """Build the same host for a program with one more variable."""
        return Host(self.root or "/", self._loopback, dict(self._environment, **{name: value}))

    def find_tool(self, name: str) -> str:
        """Find a tool of the host.

        Raises:
            ToolError: the host has no such tool.
        """
        for directory in TOOL_DIRS:
            candidate = os.path.join(self.path(directory), name)
            if os.access(candidate, os.X_OK):
                return candidate
        raise ToolError("{} is not found in {} of the host".format(name, ":".join(TOOL_DIRS)))

    def has_tool(self, name: str) -> bool:
        """Whether the host has a tool."""
        return any(os.access(os.path.join(self.path(directory), name), os.X_OK) for directory in TOOL_DIRS)

    def build_tool_environment(self) -> Dict[str, str]:
        """Build the environment of host tools; docker wants HOME, which Mesos does not set."""
        kept = {name: value for name, value in self._environment.items() if name not in DROPPED_VARIABLES}
        kept["PATH"] = ":".join(TOOL_DIRS)
        kept["LC_ALL"] = "C"
        kept.setdefault("HOME", "/root")
        return kept

    def run(self, argv: List[str], timeout_s: float) -> Completed:
        """Run a tool of the host; its output is stdout and stderr together.

        Raises:
            ToolError: it is missing, cannot be started, or takes longer than timeout_s.
        """
        return run_program([self.find_tool(argv[0]), *argv[1:]], self.build_tool_environment(), timeout_s)
