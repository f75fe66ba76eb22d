"""Puts a stand-in into the root of a simulated host, as an executable file under its real name."""

import shlex
import sys
from pathlib import Path

import calico_dcos

_PROJECT = Path(calico_dcos.__file__).parent.parent
_START = "import sys; sys.path.insert(0, {project!r}); from {module} import main; sys.exit(main({root!r}))"


def build_launcher(module: str, root: Path) -> str:
    """Build a script that calls `main(root)` of a module.

    It runs this process's Python, isolated (-I) from the caller's environment and without site-packages (-S), which
    halves the start-up time.
    """
    code = build_start(module, root)
    return f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS -c {shlex.quote(code)} "$@"\n'


def build_start(module: str, root: Path) -> str:
    """Build what Python is to run (-c) for that."""
    return _START.format(project=str(_PROJECT), module=module, root=str(root))


def write_launcher(path: Path, *, module: str, root: Path) -> None:
    """Write that script as an executable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(build_launcher(module, root), encoding="utf-8")
    path.chmod(0o755)
