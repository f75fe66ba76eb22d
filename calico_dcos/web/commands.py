"""The endpoints that take commands, in our own words, and the audit log.

A command is answered once it and its line in the audit log are stored: 200 obeyed, 208 so already, 400 not understood,
401 no token, 403 wrong token or read-only, 404 no such agent or plan, 409 not possible now, 503 the store is away. Each
answer has a message.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from calico_dcos.core.command import AUDIT_LENGTH, AuditEntry, Command, CommandName, Outcome, Verdict
from calico_dcos.core.events import AnyCommand
from calico_dcos.core.model import StepName

from .board import Feed
from .endpoint import Endpoint
from .operator import Hands, clean, find_rejection, name_operator
from .views import DEPLOY, Json, find_keys

MAX_REASON_LENGTH = 500
DEFAULT_LIMIT = 100
CODES = {
    Outcome.ACCEPTED: HTTPStatus.OK,
    Outcome.ALREADY: HTTPStatus.ALREADY_REPORTED,
    Outcome.REFUSED: HTTPStatus.CONFLICT,
    Outcome.UNKNOWN: HTTPStatus.NOT_FOUND,
}


Word = TypeVar("Word", CommandName, StepName)


class MalformedCommandError(ValueError):
    """A body is no command; the text says in one line why."""


class UnansweredError(Exception):
    """A command was not answered; the text says what became of it."""


def parse_command(body: bytes, agent_key: str, who: str) -> Command:
    """Read a command.

    Raises:
        MalformedCommandError: it is none.
    """
    try:
        document: Any = json.loads(body)
    except ValueError as error:
        raise MalformedCommandError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedCommandError("the body is not a JSON object")
    unknown = sorted(set(document) - {"command", "step", "reason"})
    if unknown:
        raise MalformedCommandError(f"a command has no {clean(unknown[0])}: it has command, step and reason")
    name = _find_word(document.get("command"), CommandName, "command")
    step = None if document.get("step") in (None, "") else _find_word(document["step"], StepName, "step")
    reason = document.get("reason") or ""
    if not isinstance(reason, str):
        raise MalformedCommandError("reason is not a text")
    return Command(name, agent_key, step, who, clean(reason, MAX_REASON_LENGTH))


def _find_word(word: Any, words: type[Word], what: str) -> Word:
    known = {one.value: one for one in words}
    if not isinstance(word, str) or word not in known:
        raise MalformedCommandError(f"{what} is one of {', '.join(known)}")
    return known[word]


class CommandEndpoint(Endpoint):
    """What all endpoints that take commands have in common."""

    def initialize(self, *, feed: Feed, hands: Hands) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._hands = hands

    def prepare(self) -> None:
        """Refuse whoever may not command, whatever they ask for."""
        if self.request.method != "POST":
            return
        rejection = find_rejection(self.request.headers, self._hands.token)
        if rejection is None:
            return
        if rejection.status is HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        self.answer_error(rejection.status, rejection.reason)

    def answer_error(self, status: int, reason: str) -> None:
        """End the request with the reason why it was not granted."""
        self.answer_json({"message": reason}, status)

    @property
    def who(self) -> str:
        """Who commands."""
        return name_operator(self.request.headers, self.request.remote_ip or "")

    def find_agent(self, name: str) -> str | None:
        """The key of the one agent that is meant; None, after an answer, if there is none or more than one."""
        keys = find_keys(self._feed.read_now().snapshot, name)
        if len(keys) == 1:
            return keys[0]
        several = f"{name} means several agents: {', '.join(keys)}"
        self.answer_error(HTTPStatus.NOT_FOUND, several if keys else f"no agent {name}")
        return None

    async def ask(self, command: AnyCommand) -> Verdict:
        """Pass a command on and wait for its answer.

        Raises:
            UnansweredError: there is none.
        """
        trouble = self._hands.find_trouble()
        if trouble is not None:
            raise UnansweredError(f"nothing was done: {trouble}")
        answer = self._hands.submit(command)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(answer)), self._hands.timeout_s)
        except TimeoutError as error:
            if answer.cancel():
                raise UnansweredError("nothing was done: the scheduler is busy or its store is away") from error
            told = "the command waits for the store, and is obeyed once that is back: see the audit log"
            raise UnansweredError(told) from error

    async def obey(self, agent_key: str) -> None:
        """Take the command in the body, and answer."""
        await self.carry_out(lambda: parse_command(self.request.body, agent_key, self.who))

    async def carry_out(self, read_command: Callable[[], AnyCommand]) -> None:
        """Carry a command out, and answer; read_command raises MalformedCommandError where there is none."""
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            self.answer_error(HTTPStatus.BAD_REQUEST, "a command is JSON: Content-Type: application/json")
            return
        try:
            verdict = await self.ask(read_command())
        except MalformedCommandError as error:
            self.answer_error(HTTPStatus.BAD_REQUEST, str(error))
        except UnansweredError as error:
            self.answer_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        else:
            self.answer_json({"message": verdict.message}, CODES[verdict.outcome])


class AgentCommands(CommandEndpoint):
    """`/v1/agents/<key, Mesos agent id or hostname>/commands`: commands for one agent."""

    async def post(self, name: str) -> None:
        """Take a command."""
        key = self.find_agent(name)
        if key is not None:
            await self.obey(key)


class PlanCommands(CommandEndpoint):
    """`/v1/plans/<plan>/commands`: commands for the whole walk."""

    async def post(self, name: str) -> None:
        """Take a command."""
        if name != DEPLOY:
            self.answer_error(HTTPStatus.NOT_FOUND, f"no plan {name}: there is {DEPLOY}")
            return
        await self.obey("")


def list_audit(
    entries: Mapping[int, AuditEntry], count: int, *, limit: int, before: int | None = None
) -> Iterator[AuditEntry]:
    """List entries, the newest first.

    Args:
        entries: by their place.
        count: how many were ever made.
        limit: how many at most.
        before: only those with a smaller number.
    """
    newest = count if before is None else min(count, before)
    oldest = max(0, count - AUDIT_LENGTH, newest - limit)
    for number in range(newest - 1, oldest - 1, -1):
        entry = entries.get(number % AUDIT_LENGTH)
        if entry is not None and entry.number == number:
            yield entry


class Audit(Endpoint):
    """`/v1/audit?limit=&before=`: the commands that were obeyed, the newest first."""

    def initialize(self, *, hands: Hands) -> None:
        """Take what the endpoint needs."""
        self._hands = hands

    def get(self) -> None:
        """Answer a page of the log; `next` is the `before` of the page after it, null on the last."""
        unknown = sorted(set(self.request.query_arguments) - {"limit", "before"})
        if unknown:
            self.answer_error(HTTPStatus.BAD_REQUEST, f"no parameter {clean(unknown[0])}: there are limit and before")
            return
        try:
            limit = self._read_number("limit", DEFAULT_LIMIT)
            before = self._read_number("before", -1)
        except ValueError:
            self.answer_error(HTTPStatus.BAD_REQUEST, "limit and before are whole numbers, 0 or more")
            return
        places, count = self._hands.read_audit()
        start = count if before < 0 else min(before, count)
        entries = list(list_audit(places, count, limit=min(limit, AUDIT_LENGTH), before=start))
        oldest = max(0, count - AUDIT_LENGTH)
        has_more = bool(entries) and entries[-1].number > oldest
        listed = [_build_entry(entry) for entry in entries]
        self.answer_json({"entries": listed, "next": entries[-1].number if has_more else None})

    def _read_number(self, name: str, default: int) -> int:
        text = self.get_query_argument(name, "")
        if not text:
            return default
        if not text.isdecimal() or not text.isascii():
            raise ValueError(text)
        return int(text[:18])


def _build_entry(entry: AuditEntry) -> Json:
    return {
        "number": entry.number,
        "at": entry.at,
        "who": entry.who,
        "command": entry.command,
        "agent": entry.agent or None,
        "step": entry.step or None,
        "reason": entry.reason,
        "effect": entry.effect,
    }
