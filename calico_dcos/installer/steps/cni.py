"""Does the step cni: installs plugins, then the configuration that names them."""

import json
import os
import stat
from contextlib import contextmanager
from typing import Iterator, Optional

from ..backups import Backup, choose_mtime_ns
from ..facts.cni import ask_version
from ..facts.mesos_agent import AgentState, read_agent_state
from ..files import PROGRAM, Attributes, Content, FileCopy
from ..host import STATE_DIR
from ..pins import Pin, save_pin
from ..plans.changes import Change
from ..plans.cni import CONFIG_FILE
from ..plans.mesos_agent import reads_networks_at_start_only
from ..undo import NETWORK_BACKUP, PLUGIN_BACKUP
from ..unknown import Unknown
from ..unread import Unread, save_unread
from ..wanted import Plugin
from .download import check_program, download, tell_sum
from .work import StepError, Work

DOWNLOAD_DIR = STATE_DIR + "/download"


def install_plugin(work: Work, change: Change) -> None:
    """Download one plugin, check that it is one, and put it in place of whatever is there."""
    plugin = next(plugin for plugin in work.wanted.cni.plugins if plugin.name == change.subject)
    path = os.path.join(work.host.path(work.wanted.cni.plugins_dir), plugin.name)
    with _downloading(work, plugin) as content:
        # The pin first: killed in between, the next run finds that the file is not the pinned one.
        save_pin(work.host, plugin.name, Pin(plugin.download.url, content.sha256))
        _write(work, PLUGIN_BACKUP + plugin.name, path, content, PROGRAM)
    work.reporter.progress("installed {}".format(path))


def write_network(work: Work, change: Change) -> None:
    """Write the network's configuration."""
    del change
    path = os.path.join(work.host.path(work.wanted.cni.config_dir), CONFIG_FILE)
    content = json.dumps(work.wanted.cni.config, indent=4, sort_keys=True).encode("utf-8") + b"\n"
    _write(work, NETWORK_BACKUP, path, content)
    work.reporter.progress("wrote {}".format(path))


def _write(work: Work, backup: str, path: str, content: Content, attributes: Optional[Attributes] = None) -> None:
    """Write a file, and note before it which agent has not read it, where that agent never will."""
    mtime_ns = choose_mtime_ns()
    state = read_agent_state(work.host, work.facts.mesos_agent.endpoint)
    if isinstance(state, AgentState) and reads_networks_at_start_only(state.version):
        save_unread(work.host, Unread(state.start_time_epoch_s, mtime_ns / 1e9))
    Backup(work.host, backup, mtime_ns).write(path, content, attributes)


@contextmanager
def _downloading(work: Work, plugin: Plugin) -> Iterator[FileCopy]:
    """Download and check in a directory of our own: nothing of it is seen before all is well."""
    directory = work.host.path(DOWNLOAD_DIR)
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, plugin.name)
    try:
        sha256 = download(plugin.download, path, work.reporter, work.wanted.proxy)
        check_program(path)
        os.chmod(path, stat.S_IRWXU)
        version = ask_version(work.host, path)
        if isinstance(version, Unknown):
            raise StepError("{} is no CNI plugin: {}".format(plugin.download.url, version.reason))
        tell_sum(plugin.download, sha256, work.reporter)
        with open(path, "rb") as file:
            # Gone by name before it is put in place: killed then, the next run finds nothing to do, nor to clear away.
            os.unlink(path)
            yield FileCopy("/proc/self/fd/{}".format(file.fileno()), sha256)
    finally:
        if os.path.exists(path):
            os.unlink(path)
