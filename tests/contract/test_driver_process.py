"""A process with a driver in it, and the signals that end it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.contract.scripted_master import ScriptedMaster, serve_master

PROGRAM = """
import queue, signal, sys, threading
from calico_dcos.mesos.driver import MesosDriver
from calico_dcos.mesos.tasks import TaskTemplate
from calico_dcos.mesos.translate import FrameworkSettings

stopping = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stopping.set())
driver = MesosDriver(
    master=sys.argv[1],
    framework=FrameworkSettings(name="calico", webui_url=""),
    template=TaskTemplate("http://h/installer.pyz", "ab" * 32, "", {}, str),
    post=queue.SimpleQueue().put,
)
driver.start(None)
stopping.wait()
driver.stop()
"""


@pytest.fixture
def master() -> Iterator[ScriptedMaster]:
    with serve_master() as master:
        yield master


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_signal_tears_the_framework_down(master: ScriptedMaster, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, master.address], stderr=subprocess.PIPE) as process:
        master.wait_for_streams(1)
        process.send_signal(number)
        status = process.wait(20)

    assert status == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    assert master.calls == []
