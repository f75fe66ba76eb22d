"""The commands of the DC/OS SDK, for its command line and page: their words, codes and texts, our commands behind.

interrupt and stop are pause, continue and start are resume, restart is retry and resume, forceComplete is
force-complete. A phase is an agent, by its name or by its UUID; a step likewise. What is complete is not done again
when it is restarted: its host is looked at again, and facts decide.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from calico_dcos.core.command import Command, CommandName, Outcome, Verdict
from calico_dcos.core.model import Status, StepName

from .board import Feed
from .commands import CODES, CommandEndpoint, UnansweredError
from .operator import Hands
from .plan import PhaseView, PlanView, StepView
from .views import DEPLOY, build_id

ALREADY_TEXT = "Command has already been reported or completed"
COMMANDS = {
    "interrupt": (CommandName.PAUSE,),
    "stop": (CommandName.PAUSE,),
    "continue": (CommandName.RESUME,),
    "start": (CommandName.RESUME,),
    "restart": (CommandName.RETRY, CommandName.RESUME),
    "forceComplete": (CommandName.FORCE_COMPLETE,),
}
# These two always succeed, and are about the whole plan.
UNCONDITIONAL = frozenset({"start", "stop"})
# These two take a step, too.
OF_STEPS = frozenset({"restart", "forceComplete"})
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class SdkCommands(CommandEndpoint):
    """`/v1/plans/<plan>/<command>?phase=&step=`, and the same without a plan's name for the deploy plan."""

    def initialize(self, *, feed: Feed, hands: Hands, word: str = "") -> None:
        """Take what the endpoint needs, and the command that it takes."""
        super().initialize(feed=feed, hands=hands)
        self._word = word

    async def post(self, plan: str = DEPLOY) -> None:
        """Take a command."""
        word = self._word
        phase = None if word in UNCONDITIONAL else self.get_query_argument("phase", None)
        step = self.get_query_argument("step", None) if word in OF_STEPS else None
        if plan != DEPLOY:
            self.answer_text(f"Plan {plan} not found", HTTPStatus.NOT_FOUND)
            return
        if step is not None and phase is None:
            self.answer_text("Missing phase", HTTPStatus.BAD_REQUEST)
            return
        parameters = parse_parameters(self.request.body) if word == "start" else {}
        if parameters is None:
            self.answer_text("Couldn't parse parameters: a JSON object of variables", HTTPStatus.BAD_REQUEST)
            return
        view = self._feed.read_now().snapshot.plan
        meant = None if phase is None else find_phase(view.phases, phase)
        step_view = None if step is None or meant is None else find_step(meant, step)
        if phase is not None and meant is None:
            self.answer_text(f"Phase {phase} not found", HTTPStatus.NOT_FOUND)
        elif step is not None and step_view is None:
            self.answer_text(f"Step {step} not found", HTTPStatus.NOT_FOUND)
        elif is_done_already(word, step_view or meant or view):
            self.answer_text(ALREADY_TEXT, HTTPStatus.ALREADY_REPORTED)
        else:
            received = word
            if word in OF_STEPS:
                received = f"{word} for Plan: {plan}, Phase: {phase or 'null'}, Step: {step or 'null'}"
            elif word == "start":
                listed = ", ".join(f"{name}={value}" for name, value in parameters.items())
                received = f"start {plan} with parameters: {{{listed}}}"
            names = COMMANDS["restart" if word == "start" and view.status is Status.COMPLETE else word]
            key = "" if meant is None else meant.name
            await self._obey(names, received, key, None if step_view is None else step_view.name)

    async def _obey(self, names: tuple[CommandName, ...], received: str, key: str, step: StepName | None) -> None:
        reason = f"by the SDK's {self._word}"
        verdicts: list[Verdict] = []
        try:
            for name in names:
                only = None if name is CommandName.RESUME else step
                verdicts.append(await self.ask(Command(name, key, only, self.who, reason)))
        except UnansweredError as error:
            self.answer_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        if self._word in UNCONDITIONAL or any(verdict.outcome is Outcome.ACCEPTED for verdict in verdicts):
            self.answer_json({"message": f"Received cmd: {received}"})
        elif verdicts[0].outcome is Outcome.ALREADY:
            self.answer_text(ALREADY_TEXT, HTTPStatus.ALREADY_REPORTED)
        else:
            self.answer_error(CODES[verdicts[0].outcome], verdicts[0].message)


def find_phase(phases: Iterable[PhaseView], name: str) -> PhaseView | None:
    """The phase of this name or UUID."""
    is_id = _is_uuid(name)
    wanted = name.lower()
    return next(
        (phase for phase in phases if (build_id(DEPLOY, phase.name) == wanted if is_id else phase.name == name)), None
    )


def find_step(phase: PhaseView, name: str) -> StepView | None:
    """The step of this name or UUID."""
    is_id = _is_uuid(name)
    wanted = name.lower()
    return next(
        (
            step
            for step in phase.steps
            if (build_id(DEPLOY, phase.name, step.name.value) == wanted if is_id else step.name.value == name)
        ),
        None,
    )


def is_done_already(word: str, meant: PlanView | PhaseView | StepView) -> bool:
    """Whether the SDK would say that there is nothing to do, whatever our commands would."""
    if word == "restart":
        return meant.status is Status.PENDING and not _has_attempts(meant)
    return word not in UNCONDITIONAL and meant.status is Status.COMPLETE


def _has_attempts(meant: PlanView | PhaseView | StepView) -> bool:
    """Whether a restart has failures to forget."""
    match meant:
        case PlanView():
            return any(_has_attempts(phase) for phase in meant.phases)
        case PhaseView():
            return any(_has_attempts(step) for step in meant.steps)
        case StepView():
            return meant.attempts > 0


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def parse_parameters(body: bytes) -> dict[str, Any] | None:
    """Read the variables for which a plan is started; None if the body is no object of them."""
    if not body.strip():
        return {}
    try:
        document: Any = json.loads(body)
    except ValueError:
        return None
    is_understood = isinstance(document, dict) and all(PARAMETER.match(name) for name in document)
    return document if is_understood else None
