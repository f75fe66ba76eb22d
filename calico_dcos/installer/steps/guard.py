"""Restarts the agent from outside of its unit, where its restart would otherwise end this run too.

Where systemd tracks units in the unified cgroup hierarchy, an agent's restart ends every task on it, this one included:
nobody would be left to take our network away again from an agent that does not start with it. So the restart is handed
over to a transient unit, which runs the same step with the same wanted state. This run waits for it; if it is ended
meanwhile, the unit goes on, and the next run finds by the facts what became of it.
"""

import json
import os
import sys
import time
import zipfile
from typing import Dict, List, Optional

from .. import systemd
from ..facts import Facts
from ..files import NEW_PRIVATE_FILE, FileError, read_file, remove_file, write_whole
from ..host import STATE_DIR, Host, ToolError
from ..report import Reporter
from ..wanted import Wanted

GUARD_VARIABLE = "CALICO_DCOS_GUARD"
UNIT = "calico-dcos-agent-restart.service"
ORDER_FILE = STATE_DIR + "/agent-restart.order"
# This program's own variables, and those that say where the agent is. In a private file: a unit's environment is told
# to anyone who asks systemd.
ORDERED = ("CALICO_DCOS_", "MESOS_AGENT_ENDPOINT", "MESOS_SLAVE_PID")
# What Python itself needs to start; DC/OS' Python finds its libraries by the first.
NEEDED_BY_PYTHON = ("LD_LIBRARY_PATH", "PYTHONPATH")
START_TIMEOUT_S = 30
POLL_S = 0.5
# Two restarts at most, and the inspections around them.
MARGIN_S = 60


def is_needed(host: Host, facts: Facts) -> bool:
    """Whether a restart of the agent is to be handed over, and can be."""
    if facts.system.cgroups == "v1" or is_guard(host):
        return False
    try:
        host.find_tool("systemd-run")
    except ToolError:
        return False
    return True


def is_guard(host: Host) -> bool:
    """Whether this run is the one that a restart was handed over to."""
    return host.variable(GUARD_VARIABLE) is not None


def restart_outside(host: Host, wanted: Wanted, reporter: Reporter) -> str:
    """Hand the restart over, wait until that unit has ended, and return what it told.

    Raises:
        FileError: the order cannot be written.
        ToolError: the unit cannot be started, or does not end.
    """
    mark = systemd.mark_journal(host, UNIT)
    write_whole(host, host.path(ORDER_FILE), build_order(host).encode("utf-8"), NEW_PRIVATE_FILE)
    reporter.progress("{} restarts the agent: its tasks, this one too, may end with it".format(UNIT))
    try:
        systemd.start_transient(host, UNIT, build_command(host), START_TIMEOUT_S)
        _wait(host, time.monotonic() + 2 * wanted.agent_restart.timeout_s + MARGIN_S)
    finally:
        remove_file(host.path(ORDER_FILE))
    return systemd.read_journal(host, UNIT, mark)


def _wait(host: Host, deadline: float) -> None:
    while systemd.read_unit(host, UNIT).active_state in ("active", "activating", "deactivating"):
        if time.monotonic() >= deadline:
            raise ToolError("{} does not end".format(UNIT))
        time.sleep(POLL_S)


def find_failure(journal: str) -> Optional[str]:
    """Find in what the unit told why it failed."""
    reasons = [line.partition("failed: ")[2] for line in journal.splitlines() if "failed: " in line]
    return reasons[-1] if reasons else None


def build_order(host: Host) -> str:
    """Build what the unit is told: the variables of this run that matter."""
    variables = {name: value for name, value in host.variables().items() if name.startswith(ORDERED)}
    return json.dumps(dict(variables, **{GUARD_VARIABLE: "1"}), sort_keys=True) + "\n"


def build_command(host: Host) -> List[str]:
    """Build the command that runs this program again: the archive that it came in, or its package."""
    archive = os.path.abspath(sys.argv[0])
    program = [archive] if zipfile.is_zipfile(archive) else ["-m", __name__.rpartition(".steps.")[0]]
    variables = host.variables()
    needed = ["--setenv={}={}".format(name, variables[name]) for name in NEEDED_BY_PYTHON if name in variables]
    order = ["--order", host.path(ORDER_FILE)]
    return [*needed, sys.executable, *program, "apply", "agent-restart", *order]


def read_order(path: str) -> Dict[str, str]:
    """Read an order, and take it away: it holds a token.

    Raises:
        FileError: there is none, or it is not understood.
    """
    content = read_file(path)
    remove_file(path)
    try:
        return {str(name): str(value) for name, value in json.loads((content or b"").decode("utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise FileError("{} is no order: {}".format(path, error)) from error
