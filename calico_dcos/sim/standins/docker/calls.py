"""A call of the API, the answer to it, and the error that stands for a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A call: what the route found in the path, the query, and the body if it is JSON."""

    arguments: tuple[str, ...]
    query: Mapping[str, str]
    body: dict[str, Any]

    def is_set(self, name: str) -> bool:
        """Whether a switch of the query is on."""
        return self.query.get(name, "0").lower() in ("1", "true")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; content other than bytes is sent as JSON, None as nothing."""

    status: int
    content: Any = None
    content_type: str = "application/json"


class ApiError(Exception):
    """Docker's answer to a call that it cannot carry out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
