"""The guides: links lead somewhere, and every command, option and make target in them exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from calico_dcos.__main__ import main
from calico_dcos.package.schema import list_options

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", TOP / "CHANGELOG.md", *sorted((TOP / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)]*)?\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))


def read_lines(page: Path) -> list[str]:
    """Read the lines of all blocks, those that end in a backslash joined with the next."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@each_page
def test_links_lead_to_files(page: Path) -> None:
    for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def find_calls(page: Path) -> list[list[str]]:
    """Find the calls of our program: at the start of a line, from the environment, or within $(...)."""
    call = re.compile(r"(?:^|\$\()(?:\.venv/bin/)?calico-dcos ([^)>|]*)")
    return [shlex.split(found) for line in read_lines(page) for found in call.findall(line)]


@each_page
def test_commands_of_ours_are_as_the_guides_have_them(page: Path) -> None:
    for name, *words in find_calls(page):
        with click.Context(main) as context:
            command = main.get_command(context, name)
            assert command is not None, name
            if isinstance(command, click.Group):
                continue
            known = {text for parameter in command.params for text in parameter.opts}
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= known | {"--help"}, (name, given - known)


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in read_lines(page):
        found = re.match(r"make ([a-z-]+)", line)
        if found:
            assert found[1] in targets, line


@each_page
def test_options_that_a_guide_names_in_its_text_exist(page: Path) -> None:
    if "decisions" in page.parts:
        return
    keys = {(option.section, option.key) for option in list_options()}
    text = page.read_text(encoding="utf-8")
    for section in {section for section, _ in keys}:
        for key in re.findall(rf"`{re.escape(section)}\.([a-z-]+)`", text):
            assert (section, key) in keys, f"{section}.{key}"
