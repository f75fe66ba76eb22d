"""How a report of the installer becomes an event: strict, because a misread report would be acted on."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from calico_dcos.core.connectivity import TESTS, Outcome, Result
from calico_dcos.core.events import Downloaded, Failed, Inspected, Probed, Progressed, Report, Served
from calico_dcos.core.model import Change, Inspection, Node, StepName

MAX_MESSAGE_LENGTH = 500
MAX_DETAIL_LENGTH = 4000
MAX_URL_LENGTH = 2000
MAX_DEPTH = 32
# Actions of one pair of the connectivity test; an installer of this release takes a dozen.
MAX_RESULTS = 40

_RESTARTS = ("docker", "mesos-agent")
# What an inspection decides about: everything but itself.
_STEPS = tuple(name.value for name in StepName if name is not StepName.INSPECT)
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,29}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class MalformedReportError(ValueError):
    """A report is not of the agreed form; the text is one line that names the field."""


def parse_report(task_id: str, body: bytes) -> Report:
    """Read the body of a report; fields that this version does not know are ignored.

    Texts that are too long are cut: half a reason is better than none.

    Raises:
        MalformedReportError: it is not of the agreed form.
    """
    document = _Fields(_parse_object(body), "")
    kind = document.get("kind")
    match kind:
        case "inspection":
            return _parse_inspection(task_id, document)
        case "progress":
            return Progressed(
                task_id=task_id,
                message=document.line("message"),
                done_bytes=document.optional_size("done_bytes"),
                total_bytes=document.optional_size("total_bytes"),
            )
        case "failure":
            return Failed(task_id=task_id, reason=document.line("reason"), detail=document.detail("detail"))
        case "downloaded":
            return _parse_download(task_id, document)
        case "served":
            return Served(task_id=task_id, address=document.matching("address", _ADDRESS, "address"))
        case "probed":
            return _parse_probed(task_id, document)
        case _:
            raise MalformedReportError(
                f"kind: {_show(kind)} is none of inspection, progress, failure, downloaded, served, probed"
            )


def _parse_inspection(task_id: str, document: _Fields) -> Inspected:
    changes = document.child("changes")
    changes.check_names(_STEPS)
    inspection = Inspection(
        at=0.0,
        settings="",
        # A step that is left out would count as done, so all have to be there.
        changes={step: tuple(_parse_change(change) for change in changes.children(step)) for step in _STEPS},
        refusals=_parse_words(document.child("refusals")),
        facts=document.child("facts").content,
        warnings=_parse_warnings(document),
        # An installer of an older release sends none of these: then nothing is known of its steps.
        unknowns=_parse_words(document.optional_child("unknowns")),
        faults=_parse_words(document.optional_child("faults")),
        proofs=_parse_words(document.optional_child("proofs")),
        node=None if document.get("node") is None else _parse_node(document.child("node")),
    )
    return Inspected(task_id=task_id, inspection=inspection, took_s=document.seconds("took_s"))


def _parse_words(fields: _Fields) -> dict[str, str]:
    """Read one line for each of some steps."""
    fields.check_names(_STEPS)
    return {step: fields.line(step) for step in fields.content}


def _parse_node(fields: _Fields) -> Node:
    return Node(name=fields.line("name"), address=fields.line("address"))


def _parse_warnings(document: _Fields) -> dict[str, tuple[str, ...]]:
    """Read the warnings; an installer of an older task sends none."""
    if document.get("warnings") is None:
        return {}
    warnings = document.child("warnings")
    warnings.check_names(_STEPS)
    return {step: warnings.lines(step) for step in warnings.content}


def _parse_change(fields: _Fields) -> Change:
    return Change(
        message=fields.line("message"),
        reason=fields.line("reason"),
        impact=fields.line("impact"),
        restarts=fields.optional_choice("restarts", _RESTARTS),
    )


def _parse_download(task_id: str, document: _Fields) -> Downloaded:
    url = document.text("url")
    if not url or len(url) > MAX_URL_LENGTH or not url.isprintable():
        raise MalformedReportError(f"url: {_show(url)} is no URL of at most {MAX_URL_LENGTH} characters")
    sha256 = document.text("sha256")
    if not _SHA256.fullmatch(sha256):
        raise MalformedReportError(f"sha256: {_show(sha256)} is not 64 lower-case hexadecimal digits")
    return Downloaded(task_id=task_id, url=url, sha256=sha256)


def _parse_probed(task_id: str, document: _Fields) -> Probed:
    results = document.children("results")
    if len(results) > MAX_RESULTS:
        raise MalformedReportError(f"results: {len(results)} are more than {MAX_RESULTS}")
    is_last = document.get("is_last")
    if not isinstance(is_last, bool):
        raise MalformedReportError(f"is_last: {_show(is_last)} is neither true nor false")
    return Probed(task_id=task_id, results=tuple(_parse_result(one) for one in results), is_last=is_last)


def _parse_result(fields: _Fields) -> Result:
    has_rtt = fields.get("rtt_ms") is not None
    return Result(
        test=fields.choice("test", TESTS),
        action=fields.matching("action", _WORD, "name of an action"),
        outcome=_OUTCOMES[fields.choice("outcome", tuple(_OUTCOMES))],
        message=fields.line("message"),
        rtt_ms=fields.number("rtt_ms", "milliseconds") if has_rtt else None,
        mtu=fields.optional_size("mtu"),
    )


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_refuse_number, parse_float=_parse_float)
    except MalformedReportError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedReportError(f"body: no JSON: {_flatten(str(error))}") from error
    if not isinstance(document, dict):
        raise MalformedReportError("body: no JSON object")
    return {_clean(name): _clean(value) for name, value in document.items()}


def _clean(value: Any, depth: int = 1) -> Any:
    """Make a value fit to be stored and shown: no halves of characters, and no bottomless nesting."""
    if depth > MAX_DEPTH:
        raise MalformedReportError(f"body: nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        # JSON can spell half a character: an installer does so for a file name that is no UTF-8.
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_clean(name, depth): _clean(item, depth + 1) for name, item in value.items()}
    return value


def _refuse_number(text: str) -> NoReturn:
    raise MalformedReportError(f"body: no JSON: {text} is no number")


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse_number(_flatten(text))
    return number


def _flatten(text: str) -> str:
    """Make one printable line of a text, cut to the length of a message."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= MAX_MESSAGE_LENGTH else line[: MAX_MESSAGE_LENGTH - 1] + "…"


def _show(value: object) -> str:
    shown_length = 40
    text = _flatten(repr(value))
    return text if len(text) <= shown_length else text[:shown_length] + "…"


class _Fields:
    """One JSON object of a report, and where it stands in it."""

    def __init__(self, content: dict[str, Any], place: str) -> None:
        self.content = content
        self._place = place

    def get(self, name: str) -> Any:
        return self.content.get(name)

    def check_names(self, allowed: tuple[str, ...]) -> None:
        for name in self.content:
            if name not in allowed:
                self._fail(name, f"is none of {', '.join(allowed)}")

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            self._fail(name, f"{_show(value)} is no text")
        return value

    def line(self, name: str) -> str:
        line = _flatten(self.text(name))
        if not line:
            self._fail(name, "is empty")
        return line

    def lines(self, name: str) -> tuple[str, ...]:
        value = self.get(name)
        if not isinstance(value, list):
            self._fail(name, f"{_show(value)} is no list")
        items = _Fields({f"{name}[{index}]": item for index, item in enumerate(value)}, self._place)
        return tuple(items.line(item) for item in items.content)

    def detail(self, name: str) -> str:
        """Several lines, of which the last ones are kept: a journal's end tells most; empty if there are none."""
        if self.get(name) is None:
            return ""
        lines = self.text(name).splitlines()
        text = "\n".join("".join(char if char.isprintable() else " " for char in line) for line in lines)
        return text[-MAX_DETAIL_LENGTH:]

    def child(self, name: str) -> _Fields:
        value = self.get(name)
        if not isinstance(value, dict):
            self._fail(name, f"{_show(value)} is no object")
        return _Fields(value, f"{self._place}{name}.")

    def optional_child(self, name: str) -> _Fields:
        """Read an object, an empty one if there is none."""
        return _Fields({}, "") if self.get(name) is None else self.child(name)

    def children(self, name: str) -> list[_Fields]:
        value = self.get(name)
        if not isinstance(value, list):
            self._fail(name, f"{_show(value)} is no list")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                self._fail(f"{name}[{index}]", f"{_show(item)} is no object")
        return [_Fields(item, f"{self._place}{name}[{index}].") for index, item in enumerate(value)]

    def optional_choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.get(name)
        if value is None:
            return None
        if value not in choices:
            self._fail(name, f"{_show(value)} is none of {', '.join(choices)}")
        return str(value)

    def optional_size(self, name: str) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            self._fail(name, f"{_show(value)} is no number of bytes")
        return value

    def seconds(self, name: str) -> float:
        """Read a duration, 0 if there is none."""
        return 0.0 if self.get(name) is None else self.number(name, "seconds")

    def number(self, name: str, unit: str) -> float:
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
            self._fail(name, f"{_show(value)} is no number of {unit}")
        return float(value)

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        value = self.text(name)
        if not pattern.fullmatch(value):
            self._fail(name, f"{_show(value)} is no {what}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in choices:
            self._fail(name, f"{_show(value)} is none of {', '.join(choices)}")
        return value

    def _fail(self, name: str, fault: str) -> NoReturn:
        raise MalformedReportError(f"{_flatten(self._place + name)}: {fault}")
