"""Files that are served as they are: the page's own assets, and the artifacts that agents fetch.

Only what is listed is served; a path is a name to look up, and never becomes part of a file name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tornado.iostream import StreamClosedError

from .endpoint import Endpoint

CHUNK_BYTES = 64 * 1024

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file, and how it is served.

    Attributes:
        tag: changes with the content.
        caching: value of Cache-Control.
    """

    path: Path
    tag: str
    content_type: str
    caching: str


def list_assets() -> dict[str, ServedFile]:
    """List the page's assets by their path on the server; browsers ask each time whether they changed."""
    return {
        "" if file.name == _PAGE else f"static/{file.name}": ServedFile(
            file, _read_tag(file), _TYPES[file.suffix], "no-cache"
        )
        for file in sorted(_STATIC.iterdir())
        if file.suffix in _TYPES
    }


def list_artifacts(artifacts: Mapping[str, Path]) -> dict[str, ServedFile]:
    """List artifacts by `<sha256>/<name>`, where the sum is the content's: what has such a path never changes."""
    caching = "public, max-age=31536000, immutable"
    return {
        f"artifacts/{key}": ServedFile(path, key.partition("/")[0], "application/octet-stream", caching)
        for key, path in artifacts.items()
    }


def _read_tag(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Files(Endpoint):
    """Every path of a listed file."""

    def initialize(self, *, files: Mapping[str, ServedFile]) -> None:
        """Take what the endpoint needs."""
        self._files = files

    async def get(self, name: str) -> None:
        """Send the file."""
        await self._answer(name)

    async def head(self, name: str) -> None:
        """Tell the file's size and tag: the fetcher of Mesos asks for the size before it makes room in its cache."""
        await self._answer(name)

    async def _answer(self, name: str) -> None:
        file = self._files.get(name)
        if file is None:
            self.answer_error(HTTPStatus.NOT_FOUND, "nothing is here")
            return
        self.set_header("Etag", f'"{file.tag}"')
        self.set_header("Cache-Control", file.caching)
        if self.check_etag_header():
            self.set_status(HTTPStatus.NOT_MODIFIED)
            return
        self.set_header("Content-Type", file.content_type)
        self.set_header("Content-Length", str(file.path.stat().st_size))
        if self.request.method != "HEAD":
            await self._send(file.path)

    async def _send(self, path: Path) -> None:
        try:
            with path.open("rb") as content:
                while chunk := content.read(CHUNK_BYTES):
                    self.write(chunk)
                    # Waits until the client took it: a large file is never in memory as a whole.
                    await self.flush()
        except StreamClosedError:
            return
