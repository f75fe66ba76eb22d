"""The Driver that the scheduler uses: events of the master into the queue, wishes of the framework to the master."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from calico_dcos.core.actions import Call, Deactivate, Decline, Reactivate
from calico_dcos.core.events import (
    Disconnected,
    Event,
    OfferRescinded,
    OffersReceived,
    Rejected,
    Subscribed,
    TaskUpdated,
)
from calico_dcos.core.model import TaskState
from calico_dcos.core.resources import Offer
from calico_dcos.troubles import Source, Troubles

from .calls import build_call
from .cordons import Cordons
from .master import build_login, parse_master
from .reading import MalformedError, read_id, read_list, read_object, read_text
from .sender import MAX_WAITING, Sender
from .subscription import Subscription, Timing
from .tasks import TaskTemplate
from .translate import FrameworkSettings, build_framework_info, parse_offer, parse_update

log = logging.getLogger(__name__)

# For how long an offer that cannot be read is declined: whatever is wrong with its agent may be mended meanwhile.
_REFUSE_S = 60.0


class MesosDriver:
    """Speaks Mesos' v1 scheduler API.

    Args:
        master: "host:port", "http://host:port" or "zk://hosts/path".
        framework: what the framework tells of itself.
        template: what all tasks have in common.
        post: takes the events; called from a thread of ours, must not wait.
        secret: of the principal, empty where Mesos does not authenticate.
        troubles: where it is told that the master refuses us, or does not answer.

    Raises:
        MasterError: the master's address is none.
    """

    def __init__(  # noqa: PLR0913 - what is at its edges has many parts
        self,
        *,
        master: str,
        framework: FrameworkSettings,
        template: TaskTemplate,
        post: Callable[[Event], None],
        secret: str = "",
        timing: Timing | None = None,
        troubles: Troubles | None = None,
    ) -> None:
        login = build_login(framework.principal, secret)
        self._framework = framework
        self._template = template
        self._post = post
        self._troubles = troubles or Troubles()
        self._subscription = Subscription(
            master=parse_master(master),
            build_framework=self._build_framework,
            on_message=self._take_message,
            on_end=lambda: post(Disconnected()),
            on_refusal=self._take_refusal,
            login=login,
            timing=timing or Timing(),
            troubles=self._troubles,
        )
        self._sender = Sender(read_stream=lambda: self._subscription.stream_id, overflow=self._give_up)
        self._cordons = Cordons(
            find_master=lambda: self._subscription.master,
            post=post,
            login=login,
        )

    def start(self, framework_id: str | None) -> None:
        """Connect and subscribe, as the framework of this id if there is one; events go to `post`."""
        if framework_id:
            self._subscription.framework_id = framework_id
        self._subscription.start()
        self._sender.start()
        self._cordons.start()

    def send(self, call: Call) -> None:
        """Have a call passed to the master; at once, and one that cannot be delivered is logged and forgotten."""
        if isinstance(call, Deactivate | Reactivate):
            # An agent that is deactivated takes no launch that was sent before.
            self._sender.put(type(call).__name__, partial(self._cordons.put, call))
            return
        body = build_call(call, template=self._template, master_version=self._subscription.version or "")
        self._sender.put(body["type"], partial(self._subscription.call, body))

    def stop(self) -> None:
        """Disconnect without a teardown, and wait for our thread to end."""
        self._sender.stop()
        self._subscription.cut_call()
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

    def _give_up(self) -> None:
        """Begin anew where the master takes calls too slowly: what the dropped ones were about is asked for again."""
        words = f"more than {MAX_WAITING} calls wait for the Mesos master: they are dropped, and we subscribe anew"
        self._troubles.tell(Source.CALLS, words, "see how busy the master is")
        self._subscription.renew()

    def _build_framework(self, version: str, framework_id: str | None) -> dict[str, Any]:
        return build_framework_info(self._framework, version=version, framework_id=framework_id)

    def _take_message(self, message: dict[str, Any]) -> None:
        """Turn a message of the master into an event.

        Raises:
            MalformedError: it makes no sense.
        """
        match message.get("type"):
            case "SUBSCRIBED":
                framework_id = read_id(read_object(message, "subscribed"), "framework_id")
                log.info("Subscribed to master %s as framework %s", self._subscription.master, framework_id)
                self._post(Subscribed(framework_id, self._subscription.master or ""))
            case "OFFERS":
                self._take_offers(read_list(read_object(message, "offers"), "offers"))
            case "RESCIND":
                self._post(OfferRescinded(read_id(read_object(message, "rescind"), "offer_id")))
            case "UPDATE":
                self._post(parse_update(read_object(message, "update")))
            case "ERROR":
                # Told in any case: nothing more comes from this master.
                self._post(Rejected(read_text(read_object(message, "error"), "message", "it gives no reason")))
            case "FAILURE":
                log.info("Agent or executor failed: %.300s", message.get("failure"))
            case unknown:
                log.debug("Ignores a message of type %.60s", unknown)

    def _take_refusal(self, accept: Mapping[str, Any], words: str) -> None:
        """Tell of the end of tasks that never began: of a call that it refuses, the master says nothing later."""
        for operation in accept["accept"]["operations"]:
            for task in operation["launch"]["task_infos"]:
                task_id, agent_id = task["task_id"]["value"], task["agent_id"]["value"]
                self._post(TaskUpdated(task_id, agent_id, TaskState.ERROR, f"Mesos refused the launch: {words}"))

    def _take_offers(self, offers: list[Any]) -> None:
        """Post those that can be read, and give the others back: what nobody answers is nobody's any more."""
        read: list[Offer] = []
        for offer in offers:
            try:
                read.append(parse_offer(offer, self._framework.role))
            except MalformedError as error:
                log.warning("Declines an offer that makes no sense: %s", error)
                self._give_back(offer)
        self._post(OffersReceived(tuple(read)))

    def _give_back(self, offer: Any) -> None:
        with suppress(MalformedError):
            self.send(Decline((read_id(offer, "id"),), _REFUSE_S, "it makes no sense"))
