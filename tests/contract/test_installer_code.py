"""What the installer promises about itself: Python 3.5, the standard library, one small archive, these commands."""

from __future__ import annotations

import ast
import marshal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, cast

import parso
import pytest

import calico_dcos.installer
from calico_dcos.artifacts import build_installer_archive, pack_source
from calico_dcos.installer.command_line import parse_arguments
from tests.contract.installer_fakes import find_pythons

PACKAGE = Path(calico_dcos.installer.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
CASES = Path(__file__).parents[1] / "unit/installer/cases/run_cases.py"


@pytest.mark.parametrize("source", [*SOURCES, CASES], ids=lambda path: path.name)
def test_every_file_is_python_3_5(source: Path) -> None:
    grammar: Any = parso.load_grammar(version="3.5")  # parso's stubs leave out what its grammars can do
    errors = grammar.iter_errors(grammar.parse(source.read_text()))
    assert [f"line {error.start_pos[0]}: {error.message}" for error in errors] == []


def test_only_what_the_library_of_python_3_5_has_is_used() -> None:
    vermin = Path(sys.executable).parent / "vermin"
    arguments = ["--target=3.5-", "--violations", "--no-tips", "--eval-annotations", str(PACKAGE)]
    done = subprocess.run([str(vermin), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_standard_library_is_imported_by_its_name(source: Path) -> None:
    depth = len(source.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert str(node.module).partition(".")[0] in sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom):
            assert node.level <= depth, f"line {node.lineno} leads out of the package"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_json_is_read_from_text(source: Path) -> None:
    # json.loads takes bytes from Python 3.6 on only, which no tool finds out.
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "json.loads":
            assert not ast.unparse(node.args[0]).endswith((".body", ".read()")), f"line {node.lineno}"


class _ForPeople(ast.NodeTransformer):
    """Takes out what a run does not need, so that the rest can be compared."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                del node.body[0]
            if not node.body and not isinstance(node, ast.Module):
                node.body.append(ast.Pass())
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "NamedTuple":
            name, fields = ast.literal_eval(node.args[0]), cast("ast.List", node.args[1])
            names = [ast.literal_eval(cast("ast.Tuple", field).elts[0]) for field in fields.elts]
            return ast.parse(f"namedtuple({name!r}, {' '.join(names)!r})", mode="eval").body
        return node


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_packed_does_the_same(source: Path) -> None:
    packed = pack_source(source.read_text())

    grammar: Any = parso.load_grammar(version="3.5")
    assert list(grammar.iter_errors(grammar.parse(packed))) == []
    expected, found = _ForPeople().visit(ast.parse(source.read_text())), ast.parse(packed)
    kept = {ast.dump(node) for node in found.body}
    for statement in (ast.unparse(node) for node in expected.body if ast.dump(node) not in kept):
        assert statement.startswith(("from typing import ", "if TYPE_CHECKING:")), statement
    used = {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}
    assert _list_typing(found) >= _list_typing(expected) & used


def _list_typing(module: ast.Module) -> set[str]:
    imports = [node for node in module.body if isinstance(node, ast.ImportFrom) and node.module == "typing"]
    return {alias.name for node in imports for alias in node.names}


def test_nothing_for_people_is_packed_and_texts_stay() -> None:
    source = r'''"""What it is."""

from typing import TYPE_CHECKING, List, NamedTuple, Optional

if TYPE_CHECKING:
    from elsewhere import Kind

Pair = NamedTuple("Pair", [("left", int), ("right", Optional[int])])


def tell(words: List[str], kind: "Kind" = None) -> Optional[str]:  # why
    """Says it."""
    if words and kind is not None:
        return "# no comment" if words else r"\d  \d"  # nor this
    return (1).real


class Error(Exception):
    """Only told."""
'''
    assert (
        pack_source(source)
        == """from collections import namedtuple
Pair=namedtuple('Pair','left right')
def tell(words,kind=None):
 if words and kind is not None:
  return '# no comment' if words else '\\\\d  \\\\d'
 return 1 .real
class Error(Exception):
 pass
"""
    )


@pytest.mark.parametrize("python", find_pythons())
def test_the_archive_is_small_and_runs(python: str, tmp_path: Path) -> None:
    archive = tmp_path / "installer.pyz"
    archive.write_bytes(build_installer_archive())
    assert archive.stat().st_size < 100_000
    done = subprocess.run([python, str(archive), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: installer.pyz" in done.stdout
    assert list(tmp_path.iterdir()) == [archive], "an operator's directory is left as it is"


def read_compiled(directory: Path) -> dict[str, bytes]:
    (kept,) = directory.glob("installer.pyz.*")
    return dict(marshal.loads(kept.read_bytes()))  # noqa: S302  (made by the line before)


def test_what_a_task_compiled_is_compiled_once(tmp_path: Path) -> None:
    archive = tmp_path / "installer.pyz"
    archive.write_bytes(build_installer_archive())
    command = [sys.executable, str(archive), "--help"]
    subprocess.run(command, env={"MESOS_SANDBOX": str(tmp_path)}, capture_output=True, check=True)

    (kept,) = tmp_path.glob("installer.pyz.*")
    compiled = read_compiled(tmp_path)
    compiled["installer.__main__"] = marshal.dumps(compile("def main(): return 42", "made up", "exec"))
    kept.write_bytes(marshal.dumps(compiled))
    assert subprocess.run(command, check=False).returncode == 42


@pytest.mark.parametrize("torn", [b"", b"\xfb", b"i", b"{", b"N", marshal.dumps([1, 2])])
def test_what_was_torn_is_compiled_again(torn: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "installer.pyz"
    archive.write_bytes(build_installer_archive())
    command = [sys.executable, str(archive), "--help"]
    subprocess.run(command, env={"MESOS_SANDBOX": str(tmp_path)}, capture_output=True, check=True)
    (kept,) = tmp_path.glob("installer.pyz.*")
    kept.write_bytes(torn)

    subprocess.run(command, env={"MESOS_SANDBOX": str(tmp_path)}, capture_output=True, check=True)

    assert "installer.command_line" in read_compiled(tmp_path)


def test_another_archive_takes_nothing_of_the_one_before(tmp_path: Path) -> None:
    archive = tmp_path / "installer.pyz"
    for text in ("1", "2"):
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("__main__.py", (PACKAGE / "bootstrap.py").read_text())
            packed.writestr("modules", f"\ninstaller/__init__.py\0\0installer/__main__.py\0def main(): return {text}\n")
        done = subprocess.run([sys.executable, str(archive)], env={"MESOS_SANDBOX": str(tmp_path)}, check=False)
        assert done.returncode == int(text)


@pytest.mark.parametrize("python", find_pythons())
def test_every_module_can_be_imported(python: str) -> None:
    names = [".".join(source.with_suffix("").relative_to(PACKAGE.parents[1]).parts) for source in SOURCES]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = subprocess.run([python, "-c", code], cwd=PACKAGE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("python", find_pythons())
def test_the_cases_of_the_unit_tests_come_out_the_same(python: str) -> None:
    done = subprocess.run([python, str(CASES)], capture_output=True, text=True, check=False)
    print(f"{python}: {done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "inspect",
        "inspect --root /tmp/host",
        "apply docker-cluster-store",
        "apply cni --dry-run",
        "apply cni --dry-run --json",
        "apply all --dry-run",
        "apply calico-node --dry-run",
        "apply agent-restart --root /tmp/host",
        "supervise etcd-proxy",
        "supervise etcd-proxy --health",
        "supervise calico-node",
        "supervise calico-node --health --root /tmp/host",
    ],
)
def test_the_commands_of_the_steps_are_taken(arguments: str) -> None:
    assert parse_arguments(arguments.split()).command == arguments.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "remove cni",
        "apply",
        "apply inspect",
        "apply calico-node",
        "apply all",
        "apply cni --json",
        "supervise cni",
        "inspect x",
    ],
)
def test_other_commands_are_wrong_usage(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(arguments.split())
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err
