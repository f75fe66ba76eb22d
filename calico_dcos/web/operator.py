"""Who may command the walk, and who they are: pure functions of a request's headers.

The token travels in a header that no other site's page can set, never in a cookie: a browser that is lured into posting
here has nothing to show.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from calico_dcos.core.command import AuditEntry, Verdict
from calico_dcos.core.events import AnyCommand

TOKEN_HEADER = "X-Calico-Token"  # noqa: S105 - the name of a header, not a token
OPERATOR_HEADER = "X-Calico-Operator"
MAX_NAME_LENGTH = 100
READ_ONLY = (
    "read-only: no operator token is set; set the option Security.operator-token (CALICO_DCOS_OPERATOR_TOKEN) to "
    "allow commands"
)


@dataclass(frozen=True, slots=True)
class Hands:
    """The way for commands. All of it is called in the web's thread and must not block.

    Attributes:
        submit: passes a command on; its answer comes once it is stored.
        find_trouble: why the scheduler cannot store anything at present, None if it can.
        read_audit: the entries of the audit log by their place, and how many there ever were.
        token: what whoever commands has to show, empty where nobody may.
        timeout_s: how long an answer is waited for.
    """

    submit: Callable[[AnyCommand], Future[Verdict]]
    find_trouble: Callable[[], str | None]
    read_audit: Callable[[], tuple[Mapping[int, AuditEntry], int]]
    token: str = field(default="", repr=False)
    timeout_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request to command something is not granted."""

    status: HTTPStatus
    reason: str


def find_rejection(headers: Mapping[str, str], token: str) -> Rejection | None:
    """Why whoever sent these headers may not command, None if they may.

    Args:
        headers: of the request; names are looked up as they are written here.
        token: what they have to show, empty where nobody may command.
    """
    if not token:
        return Rejection(HTTPStatus.FORBIDDEN, READ_ONLY)
    if _is_from_other_site(headers):
        return Rejection(HTTPStatus.FORBIDDEN, "a page of another site may not give commands")
    shown = _list_tokens(headers)
    if not shown:
        how = f"a command needs the operator token: Authorization: Bearer <token>, or {TOKEN_HEADER}: <token>"
        return Rejection(HTTPStatus.UNAUTHORIZED, how)
    if not any(hmac.compare_digest(one.encode(), token.encode()) for one in shown):
        return Rejection(HTTPStatus.FORBIDDEN, "this is not the operator token")
    return None


def _list_tokens(headers: Mapping[str, str]) -> list[str]:
    """Behind DC/OS's proxy, Authorization says who logged in there; then the token is in a header of its own."""
    scheme, _, credential = headers.get("Authorization", "").partition(" ")
    bearer = credential.strip() if scheme.lower() == "bearer" else ""
    return [token for token in (headers.get(TOKEN_HEADER, "").strip(), bearer) if token]


def _is_from_other_site(headers: Mapping[str, str]) -> bool:
    # Browsers say so themselves, and are right also where a proxy changed the host's name.
    site = headers.get("Sec-Fetch-Site", "")
    if site:
        return site not in {"same-origin", "none"}
    origin = headers.get("Origin", "")
    if not origin:
        return False
    hosts = {headers.get("Host", ""), headers.get("X-Forwarded-Host", "")} - {""}
    return urlsplit(origin).netloc not in hosts


def name_operator(headers: Mapping[str, str], peer: str) -> str:
    """Say who commands: the DC/OS user, else who they say they are, else where they are.

    DC/OS's proxy verified its token before it passed the request on; whoever reaches us another way can claim to be
    anyone, but has to know the operator token.
    """
    return find_dcos_user(headers.get("Authorization", "")) or clean(headers.get(OPERATOR_HEADER, "")) or peer


def find_dcos_user(authorization: str) -> str:
    """The uid in a DC/OS token, empty if there is none."""
    credential = authorization.strip().rpartition(" ")[2].removeprefix("token=")
    parts = credential.split(".")
    jwt_parts = 3
    if len(parts) != jwt_parts:
        return ""
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return ""
    uid = claims.get("uid") if isinstance(claims, dict) else None
    return clean(uid) if isinstance(uid, str) else ""


def clean(text: str, length: int = MAX_NAME_LENGTH) -> str:
    """Make a text fit for one line of a log."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()[:length]
