"""Keeps a subscription with the master alive: pymesos, without the traps that kill clusters.

pymesos tears the framework down when its thread ends, for whatever reason; it waits for ever on a silent master, and a
day for an answer; it resubscribes without a pause; exceptions of sockets, names or events end its thread. Here, none of
it does: what happens to the connection is logged, and followed by another connection after a pause.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from calico_dcos.outbound import Caller, CallError
from calico_dcos.troubles import Source, Troubles

from .connection import MALFORMED, Connection
from .loop import Detector, Loop
from .master import Login, advise
from .quiet import pymesos
from .reading import MalformedError, read_id, read_number, read_object

log = logging.getLogger(__name__)

_TEN_YEARS_S = 3650 * 86_400.0
_REFUSED_S = 30.0
# Bytes of an answer that are logged: behind a proxy it may be a page.
_SHOWN = 300
_MAX_ANSWER_BYTES = 1024 * 1024
_REMEDY = "see whether the master leads and how busy it is"
# What the same request is answered again: a new start may bring other credentials or settings.
REFUSALS = frozenset({http.client.BAD_REQUEST, http.client.UNAUTHORIZED, http.client.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for what.

    Attributes:
        call_timeout_s: for the answer to one call; a master with thousands of agents may be busy for seconds.
        first_pause_s: before the first connection after one that ended; doubled with each that fails.
        heartbeats_missed: how many of the master's heartbeats may fail to come before the connection is given up.
        heartbeat_s: their interval, until the master says its own.
        jitter: gives a number between 0 and 1; a pause is shortened by up to half.
    """

    call_timeout_s: float = 15.0
    first_pause_s: float = 1.0
    max_pause_s: float = 15.0
    heartbeats_missed: int = 5
    heartbeat_s: float = 15.0
    jitter: Callable[[], float] = random.random


class Subscription(Loop):
    """A subscription that is renewed whenever it ends, until it is stopped or the master refuses it with an ERROR.

    Args:
        master: "host:port" or "zk://hosts/path".
        build_framework: makes FrameworkInfo from the master's version and the framework's id.
        on_message: takes each event of the master as it came, but heartbeats; in pymesos' thread.
        on_end: hears that a subscription ended.
        on_refusal: hears of each ACCEPT that the master refused, with its words.
        login: for a Mesos that authenticates.
        troubles: where it is told that the master refuses us, or does not answer.
    """

    def __init__(  # noqa: PLR0913 - what is at its edges has many parts
        self,
        *,
        master: str,
        build_framework: Callable[[str, str | None], dict[str, Any]],
        on_message: Callable[[dict[str, Any]], None],
        on_end: Callable[[], None],
        on_refusal: Callable[[Mapping[str, Any], str], None],
        login: Login | None = None,
        timing: Timing,
        troubles: Troubles | None = None,
    ) -> None:
        super().__init__(
            sched=None,
            framework={},
            master_uri=master,
            implicit_acknowledgements=False,
            failover=True,
            # After this long without a connection, its thread would end; the times of calls are in `timing`.
            timeout=_TEN_YEARS_S,
        )
        # pymesos' own is ASCII.
        self._basic_credential = None if login is None else login.header
        self._build_framework = build_framework
        self._on_message = on_message
        self._on_end = on_end
        self._on_refusal = on_refusal
        self._timing = timing
        self._troubles = troubles or Troubles()
        # One for the loop, one for whoever sends calls: each makes one at a time.
        self._asker, self._sender = Caller(), Caller()
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._is_subscribed = False
        self._failures = 0
        self._heard_at = 0.0
        self._heartbeat_s = timing.heartbeat_s
        self.connection: Connection | None = None
        self.detector: Any = None
        self._master: str | None = None
        self._new_master: str | None = None
        self._target: str | None = None

    # What the driver asks for

    def start(self) -> None:
        """Begin to subscribe."""
        pymesos.process.Process.start(self)
        if self.master_uri.startswith("zk://"):
            threading.Thread(target=self._detect, name="master detector", daemon=True).start()
        else:
            self.change_master(self.master_uri)

    def stop(self, failover: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - pymesos' signature; never a teardown
        """End the subscription; the framework and its tasks live on."""
        self._stopping.set()
        self._hurry.set()
        self._asker.stop()
        with self._lock:
            detector, self.detector = self.detector, None
        if detector:
            _close_detector(detector)
        pymesos.process.Process.stop(self)

    def cut_call(self) -> None:
        """End the call that is being sent, and send no other."""
        self._sender.stop()

    def renew(self) -> None:
        """End the connection, so that another one follows: whatever was said in it counts no more."""
        connection = self.connection
        if connection is not None:
            connection.end()

    def call(self, body: dict[str, Any]) -> bool:
        """Send a call; tell whether the master took it. One that it did not take is logged and forgotten."""
        if not self._is_subscribed:
            log.info("Drops %s: not subscribed", body["type"])
            return False
        return self._send({**body, "framework_id": {"value": self.framework_id}})

    def is_master_silent(self) -> bool:
        """Whether too many heartbeats failed to come."""
        silent_s = time.monotonic() - self._heard_at
        if silent_s <= self._heartbeat_s * self._timing.heartbeats_missed:
            return False
        log.warning("Master %s has been silent for %.0f s: subscribes anew", self.master, silent_s)
        self._heard_at = time.monotonic()
        return True

    def take_refusal(self, status: int, words: str) -> None:
        """Hear that the master does not take the subscription: a new start reads the credentials anew."""
        told = f"the Mesos master {self.master} refuses the subscription: {status} {' '.join(words.split())[:_SHOWN]}"
        self._troubles.tell(Source.SUBSCRIPTION, told, advise(status), stops_all=status in REFUSALS)

    def tell_away(self, reason: str) -> None:
        """Hear that no connection comes about."""
        self._troubles.tell(Source.SUBSCRIPTION, f"no connection to the Mesos master {self.master}: {reason}", _REMEDY)

    # What pymesos asks for

    @property
    def framework(self) -> dict[str, Any]:
        """FrameworkInfo, for the master that is being subscribed to."""
        return self._build_framework(self.version or "", self.framework_id)

    def change_master(self, master: str | None) -> None:
        """Turn to another master: the detector or a redirect names it.

        pymesos' own way loses a change that comes while it handles another one. Here the loop never has to notice: it
        reads `_master` at each turn in which there is no connection.
        """
        with self._lock:
            self._target = master
            if self.connection is None:
                self._master = self._new_master = master
            else:
                self.connection.end()
        self._hurry.set()
        self._notify()

    def take_connection(self, connection: Connection, address: str) -> None:
        """Hear of a connection that the loop has made; the master may have changed meanwhile."""
        with self._lock:
            self.connection = connection
            if address != self._target:
                connection.end()

    def gen_request(self) -> bytes:
        """Write the request that subscribes; asks for the version first, since capabilities depend on it."""
        self._heard_at = time.monotonic()
        self._heartbeat_s = self._timing.heartbeat_s
        self.version = self._read_version()
        return bytes(super().gen_request())

    def on_event(self, event: dict[str, Any]) -> None:
        """Take an event; one that makes no sense is logged, and the next one read."""
        self._heard_at = time.monotonic()
        kind = event.get("type")
        try:
            if kind == "SUBSCRIBED":
                self._take_subscription(read_object(event, "subscribed"))
            if kind != "HEARTBEAT":
                self._on_message(event)
        except MalformedError as error:
            log.warning("Skips an event of type %.60s that makes no sense: %s", kind, error)
            if not self._is_subscribed:
                # Without it nothing works, and the master will not say it again.
                self.renew()
        except MALFORMED:
            log.exception("Skips an event of type %.60s: a bug", kind)
        if kind == "ERROR":
            # The master will go on refusing us, or another scheduler took our place: do not fight.
            self.stop()

    def on_close(self) -> None:
        """Pause before the next connection, in pymesos' thread, which has nothing else to do."""
        self.stream_id = None
        if self._is_subscribed:
            self._is_subscribed = False
            self._on_end()
        self._pause()
        self._choose_master()

    def _shutdown(self) -> None:
        """Leave the framework alone, where pymesos would tear it down."""

    def _backoff(self, _: int) -> float:
        """No sleep in pymesos, which nothing could interrupt: the pause is in on_close."""
        return 0.0

    def _get_version(self, _: str | None) -> None:
        """Ask nothing here: a master that is away now would be taken for one of unknown version for ever."""

    def _send(self, body: Any, path: str = "/api/v1/scheduler", method: str = "POST", headers: Any = None) -> bool:
        """Send a call over a connection of its own: one that is kept may have died, and nobody may retry an ACCEPT."""
        headers = {**(headers or {}), "Content-Type": "application/json", "Mesos-Stream-Id": self.stream_id or ""}
        try:
            status, text = self._request(self._sender, method, path, json.dumps(body).encode(), headers)
        except CallError as error:
            log.warning("Could not send %s to master %s: %s", body["type"], self.master, error)
            self._troubles.tell(Source.CALLS, f"the Mesos master does not answer calls: {error}", _REMEDY)
            if body["type"] in {"ACCEPT", "DECLINE"}:
                # Whether it arrived is not known. If not, its offers stay ours until we subscribe anew.
                self.renew()
            return False
        self._troubles.end(Source.CALLS)
        if status in {http.client.OK, http.client.ACCEPTED}:
            return True
        reason = " ".join(text[:_SHOWN].decode(errors="replace").split())
        log.warning("Master %s refused %s: %d %s", self.master, body["type"], status, reason)
        if is_subscription_lost(status, text):
            self.renew()
        elif body["type"] == "ACCEPT":
            self._give_back(body)
            self._on_refusal(body, f"{status} {reason}")
        return False

    # Its own

    def _give_back(self, accept: Mapping[str, Any]) -> None:
        """Decline the offers of an ACCEPT that was refused: they would stay ours, and their agent not be offered again.

        Not for a moment only, since the same launch will be refused once more.
        """
        decline = {"offer_ids": accept["accept"]["offer_ids"], "filters": {"refuse_seconds": _REFUSED_S}}
        self._send({"type": "DECLINE", "framework_id": accept["framework_id"], "decline": decline})

    def _request(
        self, caller: Caller, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if self._basic_credential:
            headers = {**headers, "Authorization": self._basic_credential}
        answer = caller.call(
            method,
            f"http://{self.master}{path}",
            deadline_s=self._timing.call_timeout_s,
            body=body,
            headers=headers,
            max_bytes=_MAX_ANSWER_BYTES,
        )
        return answer.status, answer.body

    def _read_version(self) -> str:
        """Ask the master for its version.

        Raises:
            OSError, ValueError: it does not answer; there is no use in subscribing.
        """
        try:
            status, text = self._request(self._asker, "GET", "/version", b"", {})
        except CallError as error:
            raise OSError(str(error)) from error
        if status != http.client.OK:
            return ""
        return str(json.loads(text).get("version", ""))

    def _take_subscription(self, subscribed: Mapping[str, Any]) -> None:
        framework_id = read_id(subscribed, "framework_id")
        heartbeat_s = read_number(subscribed, "heartbeat_interval_seconds", self._timing.heartbeat_s)
        self.framework_id = framework_id
        self._heartbeat_s = heartbeat_s if heartbeat_s > 0 else self._timing.heartbeat_s
        self._failures = 0
        self._is_subscribed = True
        self._troubles.end(Source.SUBSCRIPTION)

    def _choose_master(self) -> None:
        """Name the master for the next connection: the one that was turned to meanwhile.

        If there is none, a master that a redirect led to is left for the configured one: the leader may be gone.
        """
        with self._lock:
            self.connection = None
            if self._target == self._master and not self.master_uri.startswith("zk://"):
                self._target = self.master_uri
            self._master = self._new_master = self._target

    def _pause(self) -> None:
        self._hurry.clear()
        if self._stopping.is_set():
            return
        pause_s = min(self._timing.max_pause_s, self._timing.first_pause_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        self._hurry.wait(pause_s * (1.0 - self._timing.jitter() / 2))

    def _detect(self) -> None:
        """Follow the leader in ZooKeeper; where that does not answer or knows no masters yet, try again."""
        while not self._stopping.is_set():
            detector = Detector(self.master_uri.removeprefix("zk://"), self)
            if self._start_detector(detector):
                return
            _close_detector(detector)
            self._stopping.wait(self._timing.max_pause_s)

    def _start_detector(self, detector: Any) -> bool:
        try:
            detector.start()
        except Exception as error:  # noqa: BLE001 - kazoo raises what its handler's library raises
            log.warning("Cannot find the master in %s: %s", self.master_uri, error)
            return False
        with self._lock:
            if not detector.zk.connected:
                log.warning("No Mesos master in %s yet", self.master_uri)
                return False
            if not self._stopping.is_set():
                self.detector = detector
                return True
            return False


def _close_detector(detector: Any) -> None:
    """End a detector; its own stop leaves sockets open."""
    detector.stop()
    with suppress(Exception):  # as for its start
        detector.zk.close()


def is_subscription_lost(status: int, text: bytes) -> bool:
    """Tell answers that a new subscription remedies from those that blame the call."""
    if status in {http.client.TEMPORARY_REDIRECT, http.client.SERVICE_UNAVAILABLE, http.client.FORBIDDEN}:
        return True
    return status == http.client.BAD_REQUEST and (b"cannot be found" in text or b"tream" in text)
