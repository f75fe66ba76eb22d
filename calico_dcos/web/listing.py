"""The part of the table that somebody asked for: filtered, sorted, one page of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .board import Board, View
from .outlook import OUTLOOKS, is_outlook
from .views import GROUPS, Json

MAX_LIMIT = 1000
MAX_OFFSET = 1_000_000
MAX_SEARCH_LENGTH = 200
KINDS = ("private", "public")
# What asks for an operator first.
_ATTENTION = {"failed": 0, "working": 1, "waiting": 2, "complete": 3}


@lru_cache(maxsize=65_536)
def split_name(name: str) -> tuple[tuple[int, int, str], ...]:
    """Make names comparable as people read them: agent2 comes before agent10."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", name) if part
    )


_SORTS: dict[str, Callable[[Json], Any]] = {
    "name": lambda row: split_name(row["key"]),
    "attention": lambda row: (_ATTENTION[row["group"]], row["slot_since"] or 0.0),
    "status": lambda row: (row["status"], row["message"]),
    "since": lambda row: (row["since"] is None, row["since"] or 0.0),
    "mesos": lambda row: split_name(row["mesos_version"]),
    "kind": lambda row: row["is_public"],
}
SORTS = tuple(_SORTS)
ORDERS = ("asc", "desc")


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows somebody wants to see.

    Attributes:
        search: every word of it must be in a row's name, id, address, version, kind, status or reason.
        groups: of the summary's counters; empty for all.
        kind: "private" or "public", empty for both.
        outlook: what is left to change, one of OUTLOOKS, empty for all.
        limit: rows of one page, None for all.
    """

    search: str = ""
    groups: tuple[str, ...] = ()
    kind: str = ""
    outlook: str = ""
    sort: str = "name"
    is_descending: bool = False
    limit: int | None = None
    offset: int = 0


class QueryError(ValueError):
    """A query that means nothing; its text names the parameter and what it takes."""


def parse_query(arguments: Mapping[str, str]) -> Query:
    """Read a query from the parameters of a URL.

    Raises:
        QueryError: a parameter has a value that it does not take.
    """
    search = arguments.get("q", "")
    if len(search) > MAX_SEARCH_LENGTH:
        raise QueryError(f"q: at most {MAX_SEARCH_LENGTH} characters")
    groups = tuple(arguments["group"].split(",")) if "group" in arguments else ()
    for group in groups:
        _require("group", group, GROUPS)
    return Query(
        search=search.lower(),
        groups=groups,
        kind=_require("kind", arguments["kind"], KINDS) if "kind" in arguments else "",
        outlook=_require("outlook", arguments["outlook"], OUTLOOKS) if "outlook" in arguments else "",
        sort=_require("sort", arguments.get("sort", "name"), SORTS),
        is_descending=_require("order", arguments.get("order", "asc"), ORDERS) == "desc",
        limit=_parse_number("limit", arguments["limit"], 1, MAX_LIMIT) if "limit" in arguments else None,
        offset=_parse_number("offset", arguments.get("offset", "0"), 0, MAX_OFFSET),
    )


def _require(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise QueryError(f"{name}: one of {', '.join(allowed)}")
    return value


def _parse_number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and least <= int(text[:10]) <= most):
        raise QueryError(f"{name}: a whole number from {least} to {most}")
    return int(text)


def select_view(board: Board, query: Query) -> View:
    """Choose the rows that a query asks for."""
    rows = [row for row in board.rows.values() if _is_wanted(row, query)]
    # The name decides between rows that are otherwise equal.
    rows.sort(key=_SORTS["name"])
    rows.sort(key=_SORTS[query.sort], reverse=query.is_descending)
    end = None if query.limit is None else query.offset + query.limit
    page = rows[query.offset : end]
    return View(board, {row["key"]: row for row in page}, len(rows), is_paged=query.limit is not None)


def _is_wanted(row: Json, query: Query) -> bool:
    if query.groups and row["group"] not in query.groups:
        return False
    if query.kind and row["is_public"] is not (query.kind == "public"):
        return False
    if not is_outlook(row["outlook"], query.outlook):
        return False
    if not query.search:
        return True
    kind = "public" if row["is_public"] else "private"
    versions = f"{row['mesos_version']} {row['docker_version']} {row['dcos_version']}"
    told = f"{row['key']} {row['agent_id']} {row['ip']} {versions} {kind} {row['status']} {row['message']}".lower()
    return all(word in told for word in query.search.split())
