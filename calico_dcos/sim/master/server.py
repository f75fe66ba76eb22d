"""The master's HTTP face and its clock: requests go to the state, what the state queues goes out on streams."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable

from calico_dcos.sim.master import agents, allocator, subscriptions
from calico_dcos.sim.master import operator_json as views
from calico_dcos.sim.master.calls import Refused, act_on, find_caller, parse_call
from calico_dcos.sim.master.registry import Registry
from calico_dcos.sim.master.state import (
    EndStream,
    Json,
    MasterState,
    ToAgent,
    ToFramework,
    ToOperators,
    build_event,
)
from calico_dcos.sim.master.updates import update
from calico_dcos.sim.versions import Feature
from calico_dcos.sim.wire import Answer, Channel, Message, Request, Response, Stream, Upgrade, json_response

EXPIRY_INTERVAL_S = 0.2
HEARTBEAT = {"type": "HEARTBEAT"}
WRONG_CONTENT_TYPE = Response(415, b"Expecting 'Content-Type' of application/json or application/x-protobuf")


class MasterServer:
    """Carries events to the state and its messages to the streams and channels; everything on one event loop."""

    def __init__(self, state: MasterState, registry: Registry) -> None:
        self._state = state
        self._registry = registry
        self._schedulers: dict[str, Stream] = {}
        self._operators: dict[str, Stream] = {}
        self._agents: dict[str, Channel] = {}

    def handle(self, request: Request) -> Answer:
        """Answer a request; what it changed is sent before its answer."""
        self._state.now = time.time()
        answer = self._route(request)
        self._flush()
        return answer

    async def keep_time(self) -> None:
        """Allocate, ping, send heartbeats and expire, each in its own rhythm, for ever."""
        options = self._state.options
        await asyncio.gather(
            self._every(options.allocation_interval_s, lambda: allocator.allocate(self._state)),
            self._every(options.agent_ping_timeout_s, lambda: agents.ping(self._state)),
            self._every(EXPIRY_INTERVAL_S, self._expire),
        )

    def _route(self, request: Request) -> Answer:
        path = request.path.removeprefix("/master")
        if path == "/api/v1/scheduler":
            return self._scheduler_call(request)
        if path == "/api/v1":
            return self._operator_call(request)
        if path == "/sim/agent":
            return Upgrade(self._serve_agent)
        view = self._views().get(path)
        return Response(404) if view is None else view()

    def _views(self) -> dict[str, Callable[[], Response]]:
        state = self._state
        return {
            "/version": lambda: json_response(state.version.to_json()),
            "/health": lambda: Response(200),
            "/slaves": lambda: json_response(views.slaves_view(state)),
            "/state-summary": lambda: json_response(views.summary_view(state)),
        }

    def _scheduler_call(self, request: Request) -> Answer:
        call = self._parse(request)
        if isinstance(call, Response):
            return call
        stream_id = request.headers.get("mesos-stream-id")
        if call["type"] == "SUBSCRIBE":
            return self._subscribe(call, stream_id)
        framework = find_caller(self._state, call, stream_id)
        if isinstance(framework, Refused):
            return _refusal(framework)
        act_on(self._state, framework, call)
        return Response(202)

    def _parse(self, request: Request) -> Json | Response:
        if request.method != "POST":
            return _method_not_allowed(request)
        if not request.headers.get("content-type", "").startswith("application/json"):
            return WRONG_CONTENT_TYPE
        call = parse_call(request.body, self._state.version)
        return _refusal(call) if isinstance(call, Refused) else call

    def _subscribe(self, call: Json, stream_id: str | None) -> Answer:
        if stream_id is not None:
            return Response(400, b"Subscribe calls should not include the 'Mesos-Stream-Id' header")
        info = call["subscribe"]["framework_info"]
        if call.get("framework_id") != info.get("id"):
            return Response(400, b"'framework_id' differs from 'subscribe.framework_info.id'")
        stream_id = str(uuid.uuid4())
        headers = {"Mesos-Stream-Id": stream_id, "Content-Type": "application/json"}
        stream = Stream(headers=headers, on_gone=lambda: self._scheduler_gone(stream_id))
        self._schedulers[stream_id] = stream
        subscriptions.subscribe(self._state, info, stream_id)
        self._beat(self._schedulers, stream_id)
        return stream

    def _scheduler_gone(self, stream_id: str) -> None:
        self._state.now = time.time()
        self._schedulers.pop(stream_id, None)
        for framework in self._state.frameworks.values():
            if framework.stream_id == stream_id:
                subscriptions.disconnect(self._state, framework)
        self._flush()

    def _operator_call(self, request: Request) -> Answer:
        if request.method != "POST":
            return _method_not_allowed(request)
        call = json.loads(request.body)
        if call.get("type") == "SUBSCRIBE":
            return self._subscribe_operator()
        if call.get("type") in {"DEACTIVATE_AGENT", "REACTIVATE_AGENT"}:
            return self._set_deactivated(call)
        view = self._operator_views().get(call.get("type"))
        if view is None:
            return Response(400, b"Failed to validate master::Call: Expecting 'type' to be present")
        return json_response(build_event(call["type"], view()))

    def _operator_views(self) -> dict[str, Callable[[], Json]]:
        state = self._state
        return {
            "GET_AGENTS": lambda: views.agents_view(state),
            "GET_FRAMEWORKS": lambda: views.frameworks_view(state),
            "GET_TASKS": lambda: views.tasks_view(state),
            "GET_STATE": lambda: views.state_view(state),
            "GET_HEALTH": lambda: {"healthy": True},
            "GET_VERSION": lambda: {"version_info": state.version.to_json()},
            "GET_MASTER": lambda: {
                "master_info": subscriptions.master_info(state),
                "start_time": state.started_at,
                "elected_time": state.started_at,
            },
        }

    def _subscribe_operator(self) -> Stream:
        stream_id = str(uuid.uuid4())
        headers = {"Content-Type": "application/json"}
        stream = Stream(headers=headers, on_gone=lambda: self._operator_gone(stream_id))
        self._operators[stream_id] = stream
        subscribed = {
            "get_state": views.state_view(self._state),
            "heartbeat_interval_seconds": self._state.options.heartbeat_interval_s,
        }
        stream.send(_record(build_event("SUBSCRIBED", subscribed)))
        stream.send(_record(HEARTBEAT))
        self._beat(self._operators, stream_id)
        return stream

    def _operator_gone(self, stream_id: str) -> None:
        self._operators.pop(stream_id, None)

    def _set_deactivated(self, call: Json) -> Response:
        body = call[call["type"].lower()]
        agent = self._state.agents.get(body["agent_id"]["value"])
        if not self._state.version.has(Feature.AGENT_DEACTIVATION):
            return Response(400, b"Failed to validate master::Call: Expecting 'type' to be present")
        if agent is None:
            return Response(400, b"Unknown agent")
        agents.set_deactivated(self._state, agent, is_deactivated=call["type"] == "DEACTIVATE_AGENT")
        return Response(200)

    def _beat(self, streams: dict[str, Stream], stream_id: str) -> None:
        """Send a heartbeat on a stream after each interval, as long as it lasts."""
        interval_s = self._state.options.heartbeat_interval_s

        def beat() -> None:
            if stream_id in streams:
                streams[stream_id].send(_record(HEARTBEAT))
                loop.call_later(interval_s, beat)

        loop = asyncio.get_running_loop()
        loop.call_later(interval_s, beat)

    async def _serve_agent(self, channel: Channel) -> None:
        """Take an agent's messages from its registration until it is gone."""
        first = await channel.receive()
        if first is None:
            return
        self._state.now = time.time()
        agent_id = self._admit(channel, first)
        self._flush()
        while (message := await channel.receive()) is not None:
            self._state.now = time.time()
            self._agent_message(agent_id, message)
            self._flush()
        self._agent_gone(agent_id, channel)

    def _admit(self, channel: Channel, first: Message) -> str:
        if first["type"] == "REGISTER":
            new_id = self._state.next_agent_id()
            self._agents[new_id] = channel
            agents.register(self._state, new_id, first["agent"])
            return new_id
        agent_id: str = first["agent_id"]
        earlier = self._agents.get(agent_id)
        if earlier is not None:
            self._agent_gone(agent_id, earlier)
        self._agents[agent_id] = channel
        agents.reregister(self._state, agent_id, first)
        return agent_id

    def _agent_message(self, agent_id: str, message: Message) -> None:
        agent = self._state.agents.get(agent_id)
        if agent is None:
            return
        if message["type"] == "PONG":
            agents.pong(agent)
        elif message["type"] == "UPDATE":
            update(self._state, agent_id, message)

    def _agent_gone(self, agent_id: str, channel: Channel) -> None:
        """Note the end of a channel, unless a newer one has taken its place."""
        channel.close()
        if self._agents.get(agent_id) is not channel:
            return
        del self._agents[agent_id]
        agent = self._state.agents.get(agent_id)
        if agent is not None:
            self._state.now = time.time()
            agents.disconnect(self._state, agent)
            self._flush()

    def _expire(self) -> None:
        subscriptions.remove_overdue(self._state)
        allocator.rescind_overdue(self._state)
        agents.give_up_recovered(self._state)

    async def _every(self, interval_s: float, act: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(interval_s)
            self._state.now = time.time()
            act()
            self._flush()

    def _flush(self) -> None:
        """Send everything that the state has queued, and save what a restart has to know."""
        for outgoing in self._state.take_outgoing():
            match outgoing:
                case ToFramework(stream_id, event):
                    self._schedulers[stream_id].send(_record(event))
                case EndStream(stream_id):
                    self._schedulers.pop(stream_id).close()
                case ToAgent(agent_id, message):
                    if agent_id in self._agents:
                        self._agents[agent_id].send(message)
                case ToOperators(event):
                    for stream in self._operators.values():
                        stream.send(_record(event))
        self._registry.save(self._state)


def _record(event: Json) -> bytes:
    """An event in the RecordIO format: its length, a newline, and itself."""
    text = json.dumps(event).encode()
    return str(len(text)).encode() + b"\n" + text


def _method_not_allowed(request: Request) -> Response:
    text = f"405 Method Not Allowed. Expecting one of {{ 'POST' }}, but received '{request.method}'."
    return Response(405, text.encode(), headers={"Allow": "POST"})


def _refusal(refused: Refused) -> Response:
    return Response(refused.status, refused.text.encode())
