"""The reports of our own tasks: who may send them, and where they go."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, cast

from tornado.web import stream_request_body

from calico_dcos.mailbox import Allowance, Mailbox

from .endpoint import Endpoint
from .reports import MalformedReportError, parse_report

# Ten times what an installer tells of a host with many containers.
MAX_REPORT_BYTES = 256 * 1024
# A longer body is read to its end and thrown away, so that its sender can read our answer; one that is longer still
# is cut off.
MAX_DISCARDED_BYTES = 16 * MAX_REPORT_BYTES
# When a report that found no room, and one above its task's allowance, is to be sent again.
BUSY_RETRY_S = 5
RATE_RETRY_S = 1


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where reports go. All of it is called in the web's thread and must not block.

    Attributes:
        issue_token: the token that belongs to a task id, whether or not there is such a task.
        knows_task: whether a task id is one that a step remembers.
        mailbox: where the scheduler takes them from.
        allowance: how many each task may send.
    """

    issue_token: Callable[[str], str]
    knows_task: Callable[[str], bool]
    mailbox: Mailbox
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a report is not taken, and in how many seconds it may be sent again if it may."""

    status: HTTPStatus
    reason: str
    retry_s: int | None = None


def find_refusal(inbox: Inbox, task_id: str, authorization: str) -> Refusal | None:
    """Why a report of this task with this Authorization header is not taken, None if it is.

    The token comes first: without the right one nobody learns which tasks there are.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return Refusal(HTTPStatus.UNAUTHORIZED, "a report needs the token of its task: Authorization: Bearer <token>")
    expected = inbox.issue_token(task_id)
    if not hmac.compare_digest(token.strip().encode(), expected.encode()):
        return Refusal(HTTPStatus.FORBIDDEN, "this is not the token of this task")
    if not inbox.knows_task(task_id):
        return Refusal(HTTPStatus.NOT_FOUND, f"no task {task_id}")
    if not inbox.allowance.take(task_id):
        reason = f"a task sends {inbox.allowance.burst} reports at once, and then one each second"
        return Refusal(HTTPStatus.TOO_MANY_REQUESTS, reason, RATE_RETRY_S)
    return None


class _Bounded(Protocol):
    """A connection whose bodies have a bound; Tornado's type for connections leaves it out."""

    def set_max_body_size(self, max_body_size: int) -> None: ...


@stream_request_body
class Reports(Endpoint):
    """`/v1/reports/<task>`: 204 taken, 400 malformed, 401 no token, 403 wrong token, 404 no such task, 413 too long.

    429 too many of this task, and 503 too many that wait for the scheduler: both say when to try again.
    """

    def initialize(self, *, inbox: Inbox) -> None:
        """Take what the endpoint needs."""
        self._inbox = inbox
        self._body = bytearray()
        self._refusal: Refusal | None = None
        self._reserved = 0

    def prepare(self) -> None:
        """Judge the sender before the body comes: nothing is kept of what is not welcome."""
        cast("_Bounded", self.request.connection).set_max_body_size(MAX_DISCARDED_BYTES)
        authorization = self.request.headers.get("Authorization", "")
        task_id = self.path_args[0]
        self._refusal = find_refusal(self._inbox, task_id, authorization)
        if self._refusal is None:
            told = self.request.headers.get("Content-Length", "")
            size = min(int(told[:12]), MAX_REPORT_BYTES) if told.isdecimal() else MAX_REPORT_BYTES
            if self._inbox.mailbox.reserve(task_id, size):
                self._reserved = size
            else:
                reason = "too many reports wait for the scheduler, which may wait for its store"
                self._refusal = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, reason, BUSY_RETRY_S)

    def on_finish(self) -> None:
        """Give room back that was not used."""
        if self._reserved:
            self._inbox.mailbox.release(self.path_args[0], self._reserved)
            self._reserved = 0

    def on_connection_close(self) -> None:
        """Give room back to a report that never came whole."""
        self.on_finish()

    def data_received(self, chunk: bytes) -> None:
        """Take a part of the body, or throw it away."""
        if self._refusal is None and len(self._body) + len(chunk) > MAX_REPORT_BYTES:
            self._body.clear()
            reason = f"a report is at most {MAX_REPORT_BYTES} bytes"
            self._refusal = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        if self._refusal is None:
            self._body += chunk

    def post(self, task_id: str) -> None:
        """Take a report."""
        if self._refusal is not None:
            if self._refusal.status is HTTPStatus.UNAUTHORIZED:
                self.set_header("WWW-Authenticate", "Bearer")
            if self._refusal.retry_s is not None:
                self.set_header("Retry-After", str(self._refusal.retry_s))
            self.answer_error(self._refusal.status, self._refusal.reason)
            return
        try:
            report = parse_report(task_id, bytes(self._body))
        except MalformedReportError as error:
            self.answer_error(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._inbox.mailbox.put_report(report, self._reserved)
        self._reserved = 0
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()
