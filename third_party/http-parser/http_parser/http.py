"""The methods of http-parser's HttpParser that pymesos 0.3.15 calls, over httptools' response parser."""

from __future__ import annotations

import httptools


class _Response:
    """What httptools' callbacks tell of one response."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.has_headers = False
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1")] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.has_headers = True

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.is_complete = True


class HttpParser:
    """A parser of one HTTP response that arrives in pieces of any size.

    There is no attribute `errno`, on purpose: pymesos takes one as the sign of another implementation.
    """

    def __init__(self) -> None:
        self._response = _Response()
        self._parser = httptools.HttpResponseParser(self._response)
        self._errno = 0

    def execute(self, data: bytes, length: int) -> int:
        """Take the first `length` bytes of `data`; return how many were parsed: all of them, or 0 after an error."""
        if self._errno:
            return 0
        try:
            self._parser.feed_data(data[:length])
        except httptools.HttpParserError:
            self._errno = 1
            return 0
        return length

    def get_errno(self) -> int:
        """0 while nothing is wrong with the response, else 1."""
        return self._errno

    def is_headers_complete(self) -> bool:
        """Whether the status and all headers are there."""
        return self._response.has_headers

    def get_status_code(self) -> int:
        """The status of the response; 0 before it is there."""
        return int(self._parser.get_status_code())

    def get_headers(self) -> dict[str, str]:
        """The headers so far, named as the server wrote them; of a repeated header the last."""
        return dict(self._response.headers)

    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return any(
            name.lower() == "transfer-encoding" and "chunked" in value.lower()
            for name, value in self._response.headers.items()
        )

    def is_partial_body(self) -> bool:
        """Whether a part of the body waits to be taken."""
        return bool(self._response.body)

    def recv_body(self) -> bytes:
        """Take what there is of the body."""
        body = b"".join(self._response.body)
        self._response.body.clear()
        return body

    def is_message_complete(self) -> bool:
        """Whether the response is there to its end."""
        return self._response.is_complete
