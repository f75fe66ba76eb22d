"""Makes the calls of a recording at their places, and compares every answer and event with the recorded one.

Events must come in the recorded order as far as `order` says that there is one; a heartbeat that its timer sends may
come at any time, for a slow machine plays a recording more slowly. After a goodbye (TEARDOWN, or the
client breaking the stream), what was on its way may still arrive until the stream ends.
"""

from __future__ import annotations

import json
import re
import signal
import time
from typing import Any

from calico_dcos.sim.client import (
    EventLog,
    EventStream,
    HttpAnswer,
    StreamEvent,
    send_call,
    send_request,
    wait_until_idle,
)
from calico_dcos.sim.replay.order import are_concurrent
from calico_dcos.sim.replay.recording import (
    REAL_WORK_DIR,
    Comparison,
    Json,
    Line,
    differences,
    hostnames_of_agents,
)
from calico_dcos.sim.replay.site import Site

SUBSCRIBE_HEADERS = {"Date", "Transfer-Encoding", "Content-Type"}
POLL_INTERVAL_S = 0.05
RECOVERY_TIMEOUT_S = 60.0
TASK_SCRATCH = "/var/tmp/st"  # noqa: S108 - a path in recorded commands, to be replaced


class MismatchError(AssertionError):
    """The simulation said something else than the real Mesos."""


class Player:
    """Plays one recording against one site."""

    def __init__(self, lines: list[Line], site: Site) -> None:
        self._lines = lines
        self._site = site
        self._real = Comparison(_agents_of(lines), REAL_WORK_DIR)
        self._simulated = Comparison(self._wait_for_agents(), str(site.directory))
        self._ids: dict[str, str] = {}
        self._events = EventLog()
        self._operator_events = EventLog()
        self._streams: list[EventStream] = []
        self._operator_stream: EventStream | None = None
        self._answer: HttpAnswer | OSError | None = None
        self._said_goodbye = False
        self._started_at = self._called_at = time.monotonic()

    def play(self) -> None:
        """Play everything; raises MismatchError at the first difference."""
        if any(line.kind == "operator-event" for line in self._lines):
            call = {"type": "SUBSCRIBE"}
            self._operator_stream = EventStream(self._master, "/api/v1", call, self._operator_events)
            self._answer = self._operator_stream.answer
        try:
            for index, line in enumerate(self._lines):
                try:
                    self._play_line(line, self._lines[index + 1 :])
                except (AssertionError, TimeoutError) as error:
                    msg = f"at t={line.t}, {line.kind}: {error}"
                    raise MismatchError(msg) from error
            self._check_nothing_is_left()
        finally:
            for stream in [*self._streams, *([self._operator_stream] if self._operator_stream else [])]:
                stream.close()

    def _play_line(self, line: Line, following: list[Line]) -> None:
        match line.kind:
            case "call":
                self._call(line.content, following)
            case "response" | "http-response":
                self._compare_answer(line.content)
            case "event":
                self._take(self._events, line.content)
            case "operator-event":
                self._take(self._operator_events, line.content)
            case "http":
                self._request(line.content, following)
            case "http-error":
                _check(isinstance(self._answer, OSError), f"expected no connection, got {self._answer}")
            case "note":
                self._follow_note(line.t, line.content)
            case "stream-end":
                self._end_stream()
            case "stream-error":
                self._break_stream(line.content)

    @property
    def _master(self) -> tuple[str, int]:
        return self._site.master.address

    def _call(self, recorded: Json, following: list[Line]) -> None:
        call = self._translate(recorded)
        if call["type"] == "SUBSCRIBE":
            stream = EventStream(self._master, "/api/v1/scheduler", call, self._events)
            self._streams.append(stream)
            self._said_goodbye = False
            self._answer = stream.answer
            return
        self._said_goodbye = self._said_goodbye or call["type"] == "TEARDOWN"
        self._called_at = time.monotonic()
        self._answer = send_call(self._master, call, self._stream_id_for(following))

    def _stream_id_for(self, following: list[Line]) -> str | None:
        """The stream id that a call was made with: what was wrong about it is told by the answer."""
        text = next(line.content["body"] for line in following if line.kind == "response")
        if text and "should include" in text:
            return None
        return self._streams[-2 if text and "didn't match" in text else -1].id

    def _request(self, recorded: Json, following: list[Line]) -> None:
        answer = next(line.content for line in following if line.kind in {"http-response", "http-error"})
        ip_and_port, _, path = recorded["url"].partition("/")
        port = int(ip_and_port.partition(":")[2])
        address = (self._master[0], port)
        body, headers = _body_for(recorded, answer)
        if isinstance(answer, dict) and path == "state":
            self._answer = _poll_state(address, until=answer["status"])
            return
        try:
            self._answer = send_request(address, recorded["method"], f"/{path}", body, headers)
        except OSError as error:
            self._answer = error

    def _compare_answer(self, recorded: Json) -> None:
        answer = self._answer
        if not isinstance(answer, HttpAnswer):
            raise MismatchError(f"expected an answer, got {answer!r}")
        _check(answer.status == recorded["status"], f"expected {recorded}, got {answer}")
        if "headers" in recorded:
            wanted = {"Mesos-Stream-Id"} & recorded["headers"].keys() | SUBSCRIBE_HEADERS
            _check(answer.headers.keys() == wanted, f"expected headers {wanted}, got {answer.headers}")
        else:
            self._check_equal(_without_history(recorded["body"]), _without_history(answer.body))

    def _take(self, log: EventLog, recorded: Json) -> None:
        """Take the event that was recorded from those that have come, and learn the ids in it."""
        real = self._real.canonical(recorded)
        wanted = self._real.comparable(real)
        try:
            event = log.take(lambda events: self._find(events, wanted))
        except TimeoutError as error:
            raise MismatchError(self._describe_miss(wanted, log)) from error
        _learn(real, self._simulated.canonical(event), self._ids)

    def _find(self, events: list[StreamEvent], wanted: Json) -> int | None:
        """Where the wanted event is; only concurrent ones may have come before it on its stream."""
        found = [self._comparable(event) for event in events]
        if wanted not in found:
            return None
        index = found.index(wanted)
        for event, before in zip(events[:index], found[:index], strict=True):
            is_free = event.stream is not events[index].stream or are_concurrent(before, wanted)
            is_free = is_free or event.is_timed or self._came_before_its_cause(event, wanted)
            _check(is_free, f"came before {wanted['type']}: {json.dumps(before)}")
        return index

    def _came_before_its_cause(self, event: StreamEvent, wanted: Json) -> bool:
        """Whether an offer was made before the call that the master answers with a wanted update of its own.

        The recorded client called sooner: its next offers came after the answer.
        """
        is_answer = wanted["type"] == "UPDATE" and wanted["update"]["status"].get("source") == "SOURCE_MASTER"
        return is_answer and event.type == "OFFERS" and event.came_at < self._called_at

    def _describe_miss(self, wanted: Json, log: EventLog) -> str:
        came = [self._comparable(event) for event in log.rest()]
        alike = [event for event in came if event["type"] == wanted["type"]]
        if not alike:
            return f"expected {json.dumps(wanted)}, of that type nothing came but {[event['type'] for event in came]}"
        return f"expected another {wanted['type']}: {differences(wanted, alike[0])}"

    def _comparable(self, event: StreamEvent) -> Json:
        comparable: Json = self._simulated.comparable(self._simulated.canonical(event.event))
        return comparable

    def _end_stream(self) -> None:
        """Wait for a stream's end; before it nothing else may come, except after a goodbye."""
        if not self._said_goodbye:
            self._events.take(lambda events: self._find(events, {"type": "END"}))
            return
        self._events.take_type("END")
        while self._events.rest():
            self._events.take(lambda _: 0)

    def _break_stream(self, error: str) -> None:
        """A stream that broke: by the client, whose own error this is, or by the master's end."""
        if "NoneType" in error:
            self._streams[-1].close()
            self._said_goodbye = True

    def _follow_note(self, t: float, note: str) -> None:
        """Do what was done when a note was written; other notes only explain the next call.

        Something is stopped at once, as then, before the next offer comes; everything else has its time.
        """
        site = self._site
        if not re.search("stops|restarts|is killed", note):
            time.sleep(max(0.0, self._started_at + t - time.monotonic()))
        if note == "master restarts":
            site.master.stop()
            site.master.start()
            site.master.wait_until_listening()
        elif match := re.fullmatch(r"(agent\d) (stops|starts|restarts|is killed).*", note):
            _do_to_agent(site, *match.groups())
        elif note == "the check starts to fail":
            site.healthy_file.unlink()
        elif note.startswith("waited"):
            came = [event.event for event in self._events.rest() if not event.is_timed]
            _check(not came, f"expected silence, got {came}")
        elif note.startswith("disconnect"):
            self._streams[-1].close()

    def _check_nothing_is_left(self) -> None:
        if not self._said_goodbye:
            rest = [event.event for event in self._events.rest() if event.type != "END" and not event.is_timed]
            _check(not rest, f"more came than was recorded: {json.dumps(rest)}")
        told = [event.event for event in self._operator_events.rest() if not event.is_timed]
        _check(not told, f"more came than was recorded: {json.dumps(told)}")

    def _check_equal(self, recorded: Any, said: Any) -> None:
        wanted = self._real.comparable(self._real.canonical(recorded))
        found = self._simulated.comparable(self._simulated.canonical(said))
        _check(found == wanted, differences(wanted, found))

    def _translate(self, value: Any) -> Any:
        """A recorded call with the ids and paths of this run."""
        if isinstance(value, dict):
            return {name: self._translate(content) for name, content in value.items()}
        if isinstance(value, list):
            return [self._translate(item) for item in value]
        if isinstance(value, str):
            text = self._ids.get(value, value).replace(REAL_WORK_DIR, str(self._site.directory))
            return text.replace(TASK_SCRATCH, str(self._site.directory / "scratch"))
        return value

    def _wait_for_agents(self) -> dict[str, str]:
        """Wait until all agents are registered; their host names by id."""
        deadline = time.monotonic() + RECOVERY_TIMEOUT_S
        while time.monotonic() < deadline:
            call = json.dumps({"type": "GET_AGENTS"}).encode()
            answer = send_request(self._master, "POST", "/api/v1", call, {"Content-Type": "application/json"})
            hostnames = hostnames_of_agents(answer.body)
            if len(hostnames) == len(self._site.agents):
                return hostnames
            time.sleep(POLL_INTERVAL_S)
        msg = "the agents did not register"
        raise TimeoutError(msg)


def _agents_of(lines: list[Line]) -> dict[str, str]:
    return hostnames_of_agents([line.content for line in lines])


def _body_for(recorded: Json, answer: Any) -> tuple[bytes | None, dict[str, str]]:
    """The body of a request; one that was not JSON is not in the recording, only what it was answered."""
    headers = {"Content-Type": "application/json"}
    if recorded["method"] == "GET":
        return None, {}
    if recorded["body"] is not None:
        return json.dumps(recorded["body"]).encode(), headers
    if answer["status"] == 415:  # noqa: PLR2004 - unsupported media type
        return b"x", {"Content-Type": "text/plain"}
    return b"{", headers


def _poll_state(address: tuple[str, int], *, until: int) -> HttpAnswer:
    """Ask an agent for its state until it answers with a status; before that, only what recovering agents answer."""
    deadline = time.monotonic() + RECOVERY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            answer = send_request(address, "GET", "/state")
        except OSError:
            answer = None
        if answer is not None and answer.status == until:
            return answer
        _check(answer is None or answer.status == 503, f"expected {until}, got {answer}")  # noqa: PLR2004 - recovering
        time.sleep(POLL_INTERVAL_S)
    msg = f"the agent did not answer {until}"
    raise TimeoutError(msg)


def _do_to_agent(site: Site, name: str, deed: str) -> None:
    agent = site.agents[name]
    if deed != "starts":
        wait_until_idle(agent.address)
        agent.stop(signal.SIGKILL if deed == "is killed" else signal.SIGTERM)
    if deed in {"starts", "restarts"}:
        agent.start()


def _without_history(body: Any) -> Any:
    """An answer; an agent's state without what earlier recordings have left on it."""
    if not isinstance(body, dict) or "flags" not in body:
        return body
    return {name: content for name, content in body.items() if name != "completed_frameworks"}


def _learn(real: Any, simulated: Any, ids: dict[str, str]) -> None:
    """Note which string of this run stands for which recorded one, in two values of the same shape."""
    if isinstance(real, dict):
        for name in real:
            _learn(real[name], simulated[name], ids)
    elif isinstance(real, list):
        for one, other in zip(real, simulated, strict=True):
            _learn(one, other, ids)
    elif isinstance(real, str) and real != simulated:
        ids[real] = simulated


def _check(holds: bool, message: str) -> None:  # noqa: FBT001 - the one condition
    if not holds:
        raise MismatchError(message)
