"""What tasks fetch from the scheduler: files known by their sha256, the installer's archive first of all."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calico_dcos.installer.bootstrap import TEXT_NAME

INSTALLER = "installer.pyz"
# The archive's own name for the package: inside it there is no calico_dcos that could be imported by mistake.
ARCHIVE_PACKAGE = "installer"
_BOOTSTRAP = "bootstrap.py"
# The oldest time that a zip file can hold: archives of equal sources are equal to the byte.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that the scheduler serves."""

    name: str
    sha256: str
    path: Path

    @property
    def url_path(self) -> str:
        """Its place below the scheduler's address."""
        return f"artifacts/{self.sha256}/{self.name}"


def build_installer_archive() -> bytes:
    """Pack the installer into an archive that any Python from 3.5 on runs; equal sources give equal bytes.

    What is written in it for people stays behind, and its modules are one text: every agent fetches it for every task.
    """
    package = Path(__file__).parent / "installer"
    sources = {path: strip_prose(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))}
    bootstrap = sources.pop(package / _BOOTSTRAP)
    modules = {_name(path.relative_to(package)): [path.stem == "__init__", text] for path, text in sources.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", bootstrap.encode())
        _add(archive, TEXT_NAME, json.dumps(modules, ensure_ascii=False, separators=(",", ":")).encode())
    return buffer.getvalue()


def _name(path: Path) -> str:
    """Name the module of a file below the package."""
    parts = path.parent.parts if path.stem == "__init__" else path.with_suffix("").parts
    return ".".join((ARCHIVE_PACKAGE, *parts))


def strip_prose(source: str) -> str:
    """Take docstrings and comments out of a module; each line keeps its number, so that a traceback can be read."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or ast.get_docstring(node) is None:
            continue
        docstring = node.body[0]
        last = docstring.end_lineno or docstring.lineno
        lines[docstring.lineno - 1 : last] = [""] * (last - docstring.lineno + 1)
        # A body of a docstring alone must have something left.
        lines[docstring.lineno - 1] = " " * docstring.col_offset + "pass"
    code = "\n".join(lines) + "\n"
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines) + "\n"


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, compresslevel=9)


def publish_installer(directory: Path) -> Artifact:
    """Write the installer's archive into a directory, for the scheduler to serve."""
    path = directory / INSTALLER
    path.write_bytes(build_installer_archive())
    return publish(path)


def publish(path: Path) -> Artifact:
    """Make a file known by its sum.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return Artifact(path.name, hashlib.file_digest(file, "sha256").hexdigest(), path)


def map_artifacts(artifacts: Iterable[Artifact]) -> dict[str, Path]:
    """Say what may be fetched: "<sha256>/<name>" and the file behind it, and nothing else."""
    return {f"{artifact.sha256}/{artifact.name}": artifact.path for artifact in artifacts}
