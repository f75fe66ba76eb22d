"""What the image installs is pinned: every requirement of the program is in the lock, with sums."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
OURS = "http-parser"


def read_lock(name: str) -> dict[str, str]:
    text = (TOP / "requirements" / name).read_text(encoding="utf-8")
    return {
        canonicalize_name(found): version for found, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    }


def test_lock_satisfies_what_the_program_requires() -> None:
    locked = read_lock("run.lock")

    wanted = [Requirement(text) for text in requires("calico-dcos") or () if "extra ==" not in text]
    for requirement in wanted:
        if requirement.name != OURS:
            name = canonicalize_name(requirement.name)
            assert name in locked, f"run `make lock`: {requirement}"
            assert requirement.specifier.contains(locked[name]), f"run `make lock`: {requirement}"
    assert OURS not in locked


def test_every_pinned_release_has_sums() -> None:
    for name in ("build.lock", "run.lock"):
        text = (TOP / "requirements" / name).read_text(encoding="utf-8")
        assert len(re.findall(r"^\S+==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)) == len(read_lock(name))


def test_image_is_named_and_pinned_the_same_everywhere() -> None:
    dockerfile = (TOP / "Dockerfile").read_text(encoding="utf-8")
    version = re.findall(r'version="([^"]+)"', (TOP / "setup.py").read_text(encoding="utf-8"))[0]

    assert f'org.opencontainers.image.version="{version}"' in dockerfile
    assert f'"version": "{version}"' in (TOP / "universe/package.json").read_text(encoding="utf-8")
    assert "latest" not in dockerfile
