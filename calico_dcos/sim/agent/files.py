"""Sandboxes over HTTP: /files/browse, /files/read and /files/download."""

from __future__ import annotations

import stat
from pathlib import Path

from calico_dcos.sim.wire import Response, json_response

LONGEST_READ = 1 << 16


def answer_files(path: str, query: dict[str, str], root: Path) -> Response:
    """Answer a request for files under a root; 404 for everything else."""
    file = Path(query.get("path", ""))
    if not file.is_absolute() or not file.resolve().is_relative_to(root.resolve()) or not file.exists():
        return Response(404)
    if path == "/files/browse" and file.is_dir():
        return json_response([_entry(child) for child in sorted(file.iterdir())])
    if path == "/files/read" and file.is_file():
        return _read(file, query)
    if path == "/files/download" and file.is_file():
        return Response(200, file.read_bytes(), "application/octet-stream")
    return Response(404)


def _read(file: Path, query: dict[str, str]) -> Response:
    """A part of a file; offset -1 asks for its size."""
    offset = int(query.get("offset", "-1"))
    if offset < 0:
        return json_response({"data": "", "offset": file.stat().st_size})
    with file.open("rb") as opened:
        opened.seek(offset)
        data = opened.read(min(int(query.get("length", LONGEST_READ)), LONGEST_READ))
    return json_response({"data": data.decode(errors="replace"), "offset": offset})


def _entry(path: Path) -> dict[str, object]:
    status = path.lstat()
    return {
        "path": str(path),
        "mode": stat.filemode(status.st_mode),
        "size": status.st_size,
        "mtime": status.st_mtime,
        "nlink": status.st_nlink,
        "uid": str(status.st_uid),
        "gid": str(status.st_gid),
    }
