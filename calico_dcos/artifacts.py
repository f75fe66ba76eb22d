"""What tasks fetch from the scheduler: files known by their sha256, the installer's archive first of all."""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tokenize
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calico_dcos.installer.bootstrap import CODES, SEPARATOR, TEXT_NAME

INSTALLER = "installer.pyz"
# The archive's own name for the package: inside it there is no calico_dcos that could be imported by mistake.
ARCHIVE_PACKAGE = "installer"
_BOOTSTRAP = "bootstrap.py"
# A NamedTuple without the types of its fields.
_NAMEDTUPLE = "namedtuple"
# A file that hosts fetch, as it stands in what is wanted of them.
Download = Mapping[str, Any]
_WORD = re.compile(r"\w{3,}")
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

    What is written in it for people and for type checkers stays behind, and its modules are one text: every agent
    fetches it for every task.
    """
    package = Path(__file__).parent / "installer"
    sources = {path: pack_source(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))}
    bootstrap = sources.pop(package / _BOOTSTRAP)
    modules = [(f"{ARCHIVE_PACKAGE}/{path.relative_to(package)}", text) for path, text in sources.items()]
    text = SEPARATOR.join(part for module in modules for part in module)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", bootstrap.encode())
        _add(archive, TEXT_NAME, _abbreviate(text))
    return buffer.getvalue()


def _abbreviate(text: str) -> bytes:
    """Write one byte for each of the words that take most room; deflate alone needs three for what it saw before.

    Raises:
        UnicodeEncodeError: the text has letters beyond ASCII, whose bytes stand for words.
    """
    text.encode("ascii")  # or raise
    counts = Counter(_WORD.findall(text))
    words = sorted(counts, key=lambda word: (counts[word] * (1 - len(word)), word))[: len(CODES)]
    codes = {word: chr(code) for word, code in zip(words, CODES, strict=False)}
    written = _WORD.sub(lambda match: codes.get(match.group(), match.group()), text)
    return f"{' '.join(words)}\n{written}".encode("latin-1")


def pack_source(source: str) -> str:
    """Take out of a module what changes nothing of what it does: prose, annotations, room."""
    text = ast.unparse(_Bare().visit(ast.parse(source)))
    return "".join(_squeeze(tokenize.generate_tokens(io.StringIO(text).readline)))


class _Bare(ast.NodeTransformer):
    """Leaves out docstrings, annotations, and imports for them alone."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
        for statement in node.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "typing":
                statement.names = [alias for alias in statement.names if alias.name in used]
        if _NAMEDTUPLE in used:
            node.body.insert(_count_docstring(node), ast.ImportFrom("collections", [ast.alias(_NAMEDTUPLE)], 0))
        node.body = [each for each in node.body[_count_docstring(node) :] if getattr(each, "names", True)]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body = node.body[_count_docstring(node) :] or [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        node.body = node.body[_count_docstring(node) :] or [ast.Pass()]
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id="NamedTuple"), args=[name, ast.List(elts=fields)]):
                names = [ast.unparse(field.elts[0]) for field in fields if isinstance(field, ast.Tuple)]
                fields_only = ast.Constant(" ".join(ast.literal_eval(name) for name in names))
                return ast.Call(ast.Name(_NAMEDTUPLE), [name, fields_only], [])
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_If(self, node: ast.If) -> ast.If | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        self.generic_visit(node)
        return node


def _count_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> int:
    return int(ast.get_docstring(node, clean=False) is not None)


def _squeeze(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[str]:
    """Write tokens with as little room as they need: one space for each indentation, and between words."""
    depth, before = 0, "\n"
    for token in tokens:
        depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        if token.type in {tokenize.INDENT, tokenize.DEDENT, tokenize.NL, tokenize.ENDMARKER}:
            continue
        text = "\n" if token.type == tokenize.NEWLINE else token.string
        if before == "\n":
            yield " " * depth
        elif _is_wordy(before[-1]) and (_is_wordy(text[0]) or (text == "." and before[0].isdigit())):
            yield " "
        yield text
        before = text


def _is_wordy(letter: str) -> bool:
    # A quote counts: a letter in front of it would become its prefix.
    return letter.isalnum() or letter in "_\"'"


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


def map_downloads(wanted: Any, change: Callable[[Download], Download]) -> Any:
    """Change each download in what is wanted, wherever it stands there: it is an object with "url" and "sha256"."""
    if isinstance(wanted, Mapping):
        if wanted.keys() >= {"url", "sha256"}:
            return change(wanted)
        return {name: map_downloads(part, change) for name, part in wanted.items()}
    return [map_downloads(part, change) for part in wanted] if isinstance(wanted, list) else wanted


def list_downloads(wanted: Any) -> list[Download]:
    """List the downloads in what is wanted, wherever they stand there."""
    found: list[Download] = []

    def note(download: Download) -> Download:
        found.append(download)
        return download

    map_downloads(wanted, note)
    return found
