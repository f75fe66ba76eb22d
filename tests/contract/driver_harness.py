"""A driver under test, and the events that it posted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from calico_dcos.core.events import Event, Subscribed
from calico_dcos.mesos.driver import MesosDriver
from calico_dcos.mesos.subscription import Subscription, Timing
from calico_dcos.mesos.tasks import TaskTemplate
from calico_dcos.mesos.translate import FrameworkSettings
from calico_dcos.troubles import Troubles

PATIENCE_S = 60.0
QUICK = Timing(call_timeout_s=10.0, first_pause_s=0.02, max_pause_s=0.1, jitter=lambda: 0.0)
HASTY = replace(QUICK, call_timeout_s=0.3)
"""For a master that does not answer; any other may be slow on a busy machine."""

_Event = TypeVar("_Event", bound=Event)


def build_template() -> TaskTemplate:
    return TaskTemplate(
        installer_url="http://10.0.0.9:8080/artifacts/abc/installer.pyz",
        installer_sha256="ab" * 32,
        report_base_url="http://10.0.0.9:8080/v1/reports",
        read_wanted=lambda: {"etcd_endpoints": "http://localhost:2379"},
        issue_token=lambda task_id: f"token of {task_id}",
    )


class Harness:
    """A driver whose events can be waited for."""

    def __init__(
        self,
        master: str,
        *,
        timing: Timing = QUICK,
        principal: str = "",
        secret: str = "",
        failing: list[Exception] | None = None,
        template: TaskTemplate | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.troubles = Troubles()
        self._failing = failing or []
        self._changed = threading.Condition()
        framework = FrameworkSettings(name="calico", webui_url="http://10.0.0.9:8080", principal=principal)
        self.driver = MesosDriver(
            master=master,
            framework=framework,
            template=template or build_template(),
            post=self._post,
            secret=secret,
            timing=timing,
            troubles=self.troubles,
        )
        self.subscription: Subscription = self.driver._subscription

    def _post(self, event: Event) -> None:
        if self._failing:
            raise self._failing.pop(0)
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, claim: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(claim, PATIENCE_S), f"waited in vain; there are {self.events}"

    def wait_for_event(self, kind: type[_Event]) -> _Event:
        self.wait_for(lambda: any(isinstance(event, kind) for event in self.events))
        return next(event for event in self.events if isinstance(event, kind))


def wait_until(claim: Callable[[], object]) -> None:
    """Wait until something holds of which nobody tells."""
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def run_driver(
    master: str,
    *,
    framework_id: str | None = None,
    timing: Timing = QUICK,
    principal: str = "",
    secret: str = "",
    failing: list[Exception] | None = None,
) -> Iterator[Harness]:
    """Start a driver, and stop it at the end."""
    harness = Harness(master, timing=timing, principal=principal, secret=secret, failing=failing)
    harness.driver.start(framework_id)
    try:
        yield harness
    finally:
        harness.driver.stop()


@contextmanager
def run_subscribed_driver(master: str, *, timing: Timing = QUICK) -> Iterator[Harness]:
    """Start a driver, and go on when it is subscribed."""
    with run_driver(master, timing=timing) as harness:
        harness.wait_for_event(Subscribed)
        yield harness
