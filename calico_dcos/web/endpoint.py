"""What all endpoints have in common: safe headers, JSON answers, errors as JSON."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from tornado.web import RequestHandler

from .listing import Query, QueryError, parse_query
from .views import Json

HEADERS = {
    # Nothing from other sites, and nothing written into the page; other sites must not frame it.
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_METHODS = ("GET", "HEAD", "POST")


class Endpoint(RequestHandler):
    """One path of the server."""

    def set_default_headers(self) -> None:
        """Set what every answer carries, errors too."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def compute_etag(self) -> str | None:
        """Do without tags on what changes all the time."""
        return None

    def data_received(self, chunk: bytes) -> None:
        """Take no streamed body; an endpoint that does says so."""

    def answer_json(self, document: Json | list[Any], status: int = HTTPStatus.OK) -> None:
        """End the request with a JSON document."""
        self.answer_json_text(json.dumps(document, separators=(",", ":")), status)

    def answer_json_text(self, text: str, status: int = HTTPStatus.OK) -> None:
        """End the request with a JSON document that is written already."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(text)

    def answer_text(self, text: str, status: int = HTTPStatus.OK) -> None:
        """End the request with a line of plain text."""
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text)

    def answer_error(self, status: int, reason: str) -> None:
        """End the request with the reason why it was not granted."""
        self.answer_json({"status": status, "error": reason}, status)

    def write_error(self, status_code: int, **_details: Any) -> None:
        """Turn an exception into an answer; what went wrong inside stays inside."""
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(filter(self._has_method, _METHODS)))
        self.answer_error(status_code, HTTPStatus(status_code).phrase)

    def _has_method(self, method: str) -> bool:
        name = method.lower()
        return getattr(type(self), name) is not getattr(RequestHandler, name)


class ListingEndpoint(Endpoint):
    """A path that tells rows of the table, and takes the parameters that choose them."""

    def read_query(self) -> Query | None:
        """Read the parameters; None if they mean nothing, which is answered with 400."""
        arguments = {name: values[-1].decode("utf-8", "replace") for name, values in self.request.arguments.items()}
        try:
            return parse_query(arguments)
        except QueryError as error:
            self.answer_error(HTTPStatus.BAD_REQUEST, str(error))
            return None
