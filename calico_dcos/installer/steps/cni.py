"""Does the step cni: installs plugins, then the configuration that names them."""

import json
import os
import stat
from typing import Tuple

from ..backups import Backup
from ..facts.cni import ask_version
from ..files import PROGRAM, read_file
from ..host import STATE_DIR
from ..pins import Pin, save_pin
from ..plans.changes import Change
from ..plans.cni import CONFIG_FILE
from ..undo import NETWORK_BACKUP, PLUGIN_BACKUP
from ..unknown import Unknown
from ..wanted import Plugin
from .download import check_program, download
from .work import StepError, Work

DOWNLOAD_DIR = STATE_DIR + "/download"


def install_plugin(work: Work, change: Change) -> None:
    """Download one plugin, check that it is one, and put it in place of whatever is there."""
    plugin = next(plugin for plugin in work.wanted.cni.plugins if plugin.name == change.subject)
    content, sha256 = _download_plugin(work, plugin)
    path = os.path.join(work.host.path(work.wanted.cni.plugins_dir), plugin.name)
    # The pin first: killed in between, the next run finds that the file is not the pinned one.
    save_pin(work.host, plugin.name, Pin(plugin.download.url, sha256))
    Backup(work.host, PLUGIN_BACKUP + plugin.name).write(path, content, PROGRAM)
    work.reporter.progress("installed {}".format(path))


def write_network(work: Work, change: Change) -> None:
    """Write the network's configuration."""
    del change
    path = os.path.join(work.host.path(work.wanted.cni.config_dir), CONFIG_FILE)
    content = json.dumps(work.wanted.cni.config, indent=4, sort_keys=True).encode("utf-8") + b"\n"
    Backup(work.host, NETWORK_BACKUP).write(path, content)
    work.reporter.progress("wrote {}".format(path))


def _download_plugin(work: Work, plugin: Plugin) -> Tuple[bytes, str]:
    """Download and check in a directory of our own: nothing of it is seen before all is well."""
    directory = work.host.path(DOWNLOAD_DIR)
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, plugin.name)
    try:
        sha256 = download(plugin.download, path, work.reporter)
        check_program(path)
        os.chmod(path, stat.S_IRWXU)
        version = ask_version(work.host, path)
        if isinstance(version, Unknown):
            raise StepError("{} is no CNI plugin: {}".format(plugin.download.url, version.reason))
        return read_file(path) or b"", sha256
    finally:
        if os.path.exists(path):
            os.unlink(path)
