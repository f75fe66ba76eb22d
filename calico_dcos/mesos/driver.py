"""The Driver that the scheduler uses: events of the master into the queue, wishes of the framework to the master."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from calico_dcos.core.actions import Call, Deactivate, Reactivate
from calico_dcos.core.events import Disconnected, Event, OfferRescinded, OffersReceived, Rejected, Subscribed

from .calls import build_call
from .cordons import Cordons
from .master import parse_master
from .subscription import Subscription, Timing
from .tasks import TaskTemplate
from .translate import FrameworkSettings, build_framework_info, parse_offer, parse_update

log = logging.getLogger(__name__)


class MesosDriver:
    """Speaks Mesos' v1 scheduler API.

    Args:
        master: "host:port", "http://host:port" or "zk://hosts/path".
        framework: what the framework tells of itself.
        template: what all tasks have in common.
        post: takes the events; called from a thread of ours, must not wait.
        secret: of the principal, empty where Mesos does not authenticate.

    Raises:
        MasterError: the master's address is none.
    """

    def __init__(
        self,
        *,
        master: str,
        framework: FrameworkSettings,
        template: TaskTemplate,
        post: Callable[[Event], None],
        secret: str = "",
        timing: Timing | None = None,
    ) -> None:
        self._framework = framework
        self._template = template
        self._post = post
        self._subscription = Subscription(
            master=parse_master(master),
            build_framework=self._build_framework,
            on_message=self._take_message,
            on_end=lambda: post(Disconnected()),
            login=(framework.principal or None, secret or None),
            timing=timing or Timing(),
        )
        self._cordons = Cordons(
            find_master=lambda: self._subscription.master,
            post=post,
            login=(framework.principal, secret) if framework.principal else None,
        )

    def start(self, framework_id: str | None) -> None:
        """Connect and subscribe, as the framework of this id if there is one; events go to `post`."""
        if framework_id:
            self._subscription.framework_id = framework_id
        self._subscription.start()
        self._cordons.start()

    def send(self, call: Call) -> None:
        """Pass a call to the master; one that cannot be delivered is logged and forgotten."""
        if isinstance(call, Deactivate | Reactivate):
            self._cordons.put(call)
            return
        version = self._subscription.version or ""
        self._subscription.call(build_call(call, template=self._template, master_version=version))

    def stop(self) -> None:
        """Disconnect without a teardown, and wait for our thread to end."""
        self._subscription.stop()
        self._subscription.join()
        self._cordons.stop()

    def teardown(self) -> bool:
        """Remove the framework for good, which kills all its tasks: for an uninstall only.

        Returns:
            Whether the master took it.
        """
        log.info("Tears the framework down: it is being uninstalled")
        return self._subscription.call({"type": "TEARDOWN"})

    def _build_framework(self, version: str, framework_id: str | None) -> dict[str, Any]:
        return build_framework_info(self._framework, version=version, framework_id=framework_id)

    def _take_message(self, message: dict[str, Any]) -> None:
        """Turn a message of the master into an event."""
        match message["type"]:
            case "SUBSCRIBED":
                framework_id = message["subscribed"]["framework_id"]["value"]
                log.info("Subscribed to master %s as framework %s", self._subscription.master, framework_id)
                self._post(Subscribed(framework_id, self._subscription.master or ""))
            case "OFFERS":
                offers = message["offers"].get("offers", ())
                self._post(OffersReceived(tuple(parse_offer(offer, self._framework.role) for offer in offers)))
            case "RESCIND":
                self._post(OfferRescinded(message["rescind"]["offer_id"]["value"]))
            case "UPDATE":
                self._post(parse_update(message["update"]))
            case "ERROR":
                self._post(Rejected(message["error"]["message"]))
            case "FAILURE":
                log.info("Agent or executor failed: %s", message.get("failure"))
            case unknown:
                log.debug("Ignores a message of type %s", unknown)
