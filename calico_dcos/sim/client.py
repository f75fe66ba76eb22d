"""A bare client of the v1 APIs: calls, and streams whose events are kept in the order in which they came."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an HTTP request was answered with; the body parsed where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event, and the stream that it came on.

    Attributes:
        is_timed: whether a timer sent it, nothing that happened: each heartbeat of a stream but its first.
        came_at: when, on the monotonic clock.
    """

    stream: EventStream
    event: Json
    is_timed: bool = False
    came_at: float = field(default_factory=time.monotonic)

    @property
    def type(self) -> str:
        """The type of the event; END is the end of its stream."""
        event_type: str = self.event["type"]
        return event_type


class EventLog:
    """The events of several streams in the order in which they came, to be waited for and taken out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[StreamEvent] = []

    def add(self, event: StreamEvent) -> None:
        """Add an event."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def take(self, choose: Callable[[list[StreamEvent]], int | None], timeout_s: float = TIMEOUT_S) -> Json:
        """Take the event that a function chooses, waiting until it does; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while (index := choose(self._events)) is None:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    msg = f"the event did not come within {timeout_s} s"
                    raise TimeoutError(msg)
                self._changed.wait(left_s)
            return self._events.pop(index).event

    def take_type(self, event_type: str, timeout_s: float = TIMEOUT_S) -> Json:
        """Take the first event of a type."""
        return self.take(lambda events: _index_of(events, event_type), timeout_s)

    def rest(self) -> list[StreamEvent]:
        """What has not been taken."""
        with self._changed:
            return list(self._events)


class EventStream:
    """A subscription; its events go to a log, and its end as {"type": "END"}."""

    def __init__(self, address: tuple[str, int], path: str, call: Json, log: EventLog) -> None:
        self._connection = http.client.HTTPConnection(*address)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._connection.request("POST", path, json.dumps(call), headers)
        self._answer = self._connection.getresponse()
        self._log = log
        self._has_beaten = False
        self.answer = HttpAnswer(self._answer.status, dict(self._answer.headers), None)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def id(self) -> str:
        """The Mesos-Stream-Id."""
        return self.answer.headers.get("Mesos-Stream-Id", "")

    def close(self) -> None:
        """Break the connection."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._answer.close()
        self._connection.close()

    def _read(self) -> None:
        try:
            while length := self._answer.readline():
                self._add(json.loads(self._answer.read(int(length))))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self._add({"type": "END"})

    def _add(self, event: Json) -> None:
        is_beat = event["type"] == "HEARTBEAT"
        self._log.add(StreamEvent(self, event, is_timed=is_beat and self._has_beaten))
        self._has_beaten = self._has_beaten or is_beat


def send_request(
    address: tuple[str, int],
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> HttpAnswer:
    """Make one request; raises OSError if nobody listens."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return HttpAnswer(answer.status, dict(answer.headers), json.loads(text) if is_json else text)
    finally:
        connection.close()


def wait_until_idle(agent: tuple[str, int]) -> None:
    """Wait until an agent has taken what was sent to it before now: it answers one after the other."""
    send_request(agent, "GET", "/health")


def send_call(address: tuple[str, int], call: Json, stream_id: str | None) -> HttpAnswer:
    """Make a scheduler call other than SUBSCRIBE."""
    headers = {"Content-Type": "application/json", **({"Mesos-Stream-Id": stream_id} if stream_id else {})}
    return send_request(address, "POST", "/api/v1/scheduler", json.dumps(call).encode(), headers)


class SimpleScheduler:
    """A framework for tests: it launches commands, and acknowledges what it looks at."""

    def __init__(self, address: tuple[str, int], **info: Any) -> None:
        self._address = address
        self._info = {"user": "root", "name": "test", "role": "slave_public", "checkpoint": True, **info}
        self._stream: EventStream | None = None
        self.events = EventLog()
        self.framework_id: str | None = None

    def subscribe(self) -> HttpAnswer:
        """Subscribe, again with the id that it got before; what came on an earlier stream is forgotten."""
        self.disconnect()
        self.events = EventLog()
        call: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": self._info}}
        if self.framework_id is not None:
            call["framework_id"] = {"value": self.framework_id}
            call["subscribe"]["framework_info"] = {**self._info, "id": {"value": self.framework_id}}
        self._stream = EventStream(self._address, "/api/v1/scheduler", call, self.events)
        if self._stream.answer.status == HTTPStatus.OK:
            self.framework_id = self.events.take_type("SUBSCRIBED")["subscribed"]["framework_id"]["value"]
        return self._stream.answer

    def disconnect(self) -> None:
        """Break the stream, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def call(self, call_type: str, **body: Any) -> HttpAnswer:
        """Make a call."""
        call = {"type": call_type, "framework_id": {"value": self.framework_id}, call_type.lower(): body}
        return send_call(self._address, call, self._stream.id if self._stream is not None else None)

    def take_offer(self) -> Json:
        """The next offer; others that came with it are dropped."""
        offer: Json = self.events.take_type("OFFERS")["offers"]["offers"][0]
        return offer

    def launch(self, line: str, task_id: str = "task", **info: Any) -> Json:
        """Launch a shell line on the next offer; return that offer."""
        offer = self.take_offer()
        task = {
            "name": task_id,
            "task_id": {"value": task_id},
            "agent_id": offer["agent_id"],
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
            ],
            **info,
            "command": {"value": line, **info.get("command", {})},
        }
        operation = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        self.call("ACCEPT", offer_ids=[offer["id"]], operations=[operation], filters={"refuse_seconds": 0})
        return offer

    def take_update(self, timeout_s: float = TIMEOUT_S) -> Json:
        """The next update's status, acknowledged."""
        status: Json = self.events.take_type("UPDATE", timeout_s)["update"]["status"]
        if "uuid" in status:
            self.call("ACKNOWLEDGE", **{name: status[name] for name in ("agent_id", "task_id", "uuid")})
        return status

    def take_updates_until(self, state: str) -> list[Json]:
        """The statuses up to the first with a state, all acknowledged."""
        statuses = [self.take_update()]
        while statuses[-1]["state"] != state:
            statuses.append(self.take_update())
        return statuses

    def reconcile(self, task_id: str = "task", agent_id: str | None = None) -> None:
        """Ask for the state of a task."""
        agent = {} if agent_id is None else {"agent_id": {"value": agent_id}}
        self.call("RECONCILE", tasks=[{"task_id": {"value": task_id}, **agent}])


def _index_of(events: list[StreamEvent], event_type: str) -> int | None:
    return next((index for index, event in enumerate(events) if event.type == event_type), None)
