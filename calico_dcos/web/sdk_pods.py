"""The pods of the DC/OS SDK: an agent is a pod of one instance, and its services are the pod's tasks."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from calico_dcos.core.command import Command, CommandName, Outcome
from calico_dcos.core.model import Agent

from .board import Feed
from .commands import CODES, CommandEndpoint, UnansweredError
from .endpoint import Endpoint
from .feed_endpoint import FeedEndpoint
from .operator import Hands
from .sdk_views import build_pod, build_task_infos, build_task_name, list_services
from .views import find_keys

# There is no "replace": an agent is where it is.
POD_COMMANDS = {"pause": CommandName.PAUSE, "resume": CommandName.RESUME, "restart": CommandName.RETRY}


class Pods(FeedEndpoint):
    """`/v1/pod`: the names of the pods, which are our agents."""

    def get(self) -> None:
        """Answer the names."""
        self.answer_json(list(self._feed.read().rows))


class PodStatuses(Endpoint):
    """`/v1/pod/status`: the services of every agent."""

    def initialize(self, *, feed: Feed, service: str) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._service = service

    def get(self) -> None:
        """Answer the pods."""
        agents = self._feed.read().snapshot.agents
        self.answer_json({"service": self._service, "pods": [build_pod(agents[key]) for key in sorted(agents)]})


class PodEndpoint(FeedEndpoint):
    """A path of one pod."""

    def find_agent(self, name: str) -> Agent | None:
        """Find the agent that a pod's name means; None if there is none, which is answered with 404."""
        snapshot = self._feed.read().snapshot
        keys = find_keys(snapshot, name)
        if len(keys) == 1:
            return snapshot.agents[keys[0]]
        self.answer_text(f"Pod {name} not found", HTTPStatus.NOT_FOUND)
        return None


class PodStatus(PodEndpoint):
    """`/v1/pod/<agent>/status`: the services of one agent."""

    def get(self, name: str) -> None:
        """Answer the pod's only instance."""
        agent = self.find_agent(name)
        if agent is not None:
            self.answer_json(build_pod(agent)["instances"][0])


class PodInfo(PodEndpoint):
    """`/v1/pod/<agent>/info`: what Mesos was told of the services of one agent."""

    def get(self, name: str) -> None:
        """Answer the tasks."""
        agent = self.find_agent(name)
        if agent is not None:
            self.answer_json(build_task_infos(agent))


class PodCommands(CommandEndpoint):
    """`/v1/pod/<agent>/<command>`: pause, resume and retry for one agent, in the SDK's words."""

    def initialize(self, *, feed: Feed, hands: Hands, word: str = "") -> None:
        """Take what the endpoint needs, and the command that it takes."""
        super().initialize(feed=feed, hands=hands)
        self._word = word

    async def post(self, name: str) -> None:
        """Take a command; the body may name tasks, but an agent is commanded as a whole."""
        snapshot = self._feed.read_now().snapshot
        keys = find_keys(snapshot, name)
        if len(keys) != 1:
            self.answer_text(f"Pod {name} not found", HTTPStatus.NOT_FOUND)
            return
        agent = snapshot.agents[keys[0]]
        tasks = [build_task_name(agent, step) for step, _ in list_services(agent)]
        chosen = parse_task_names(self.request.body)
        if chosen is None:
            self.answer_error(HTTPStatus.BAD_REQUEST, "the body is no JSON list of names of tasks")
        elif chosen and set(chosen) != set(tasks):
            self.answer_error(
                HTTPStatus.CONFLICT, f"an agent is commanded as a whole: {', '.join(tasks) or 'no tasks'}"
            )
        else:
            await self._obey(agent.key, tasks)

    async def _obey(self, key: str, tasks: list[str]) -> None:
        reason = f"by the SDK's pod {self._word}"
        try:
            verdict = await self.ask(Command(POD_COMMANDS[self._word], key, None, self.who, reason))
        except UnansweredError as error:
            self.answer_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        if verdict.outcome in (Outcome.ACCEPTED, Outcome.ALREADY):
            self.answer_json({"pod": key, "tasks": tasks})
        else:
            self.answer_error(CODES[verdict.outcome], verdict.message)


def parse_task_names(body: bytes) -> list[str] | None:
    """Read a list of names of tasks, empty if there is no body; None if it is something else."""
    if not body.strip():
        return []
    try:
        document: Any = json.loads(body)
    except ValueError:
        return None
    is_list = isinstance(document, list) and all(isinstance(name, str) for name in document)
    return document if is_list else None
