"""Words and environment files, as systemd reads them."""

from __future__ import annotations

import pytest

from calico_dcos.installer.unit_words import expand_words, parse_environment_file, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1 B=2", ["A=1", "B=2"]),
        ('"A=1 2" B=3', ["A=1 2", "B=3"]),
        ("A=1\\x202 B=3", ["A=1 2", "B=3"]),
        ("A='1 2'", ["A=1 2"]),
        (r'"A=\"1\" 2"', ['A="1" 2']),
        (r"A=\0402", ["A= 2"]),
        ("", []),
    ],
)
def test_words_are_split_as_systemd_splits_them(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("text", ['"A=1', "A='1", r"A=\q", "A=\\"])
def test_what_cannot_be_split_for_certain_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        split_words(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\n# B=2\n; C=3\n\nD=4", {"A": "1", "D": "4"}),
        ("A = 1 \n", {"A": "1"}),
        ("A='1 2'\nB=\"3 4\"\n", {"A": "1 2", "B": "3 4"}),
        ("A=1 \\\n  2\n", {"A": "1   2"}),
        ('A="1\n2"\nB=3\n', {"A": "1\n2", "B": "3"}),
        ('A="say \\"x\\""\n', {"A": 'say "x"'}),
        ("A=it's\nB=1\n", {"A": "it's", "B": "1"}),
        ("export A=1\n", {"export A": "1"}),
        ("no assignment\nA=1\n", {"A": "1"}),
    ],
)
def test_environment_files_are_read_as_systemd_reads_them(text: str, values: dict[str, str]) -> None:
    assert parse_environment_file(text) == values


def test_a_file_with_an_open_quote_is_not_read() -> None:
    with pytest.raises(ValueError, match="quote"):
        parse_environment_file("A='1\n")


@pytest.mark.parametrize(
    ("words", "expanded"),
    [
        (["$A"], ["1", "2 3"]),
        (["${A}"], ['1 "2 3"']),
        (["--x=${B}/y"], ["--x=b/y"]),
        (["$UNSET", "${UNSET}"], [""]),
        (["$$A"], ["$A"]),
    ],
)
def test_references_are_expanded_as_systemd_expands_them(words: list[str], expanded: list[str]) -> None:
    assert expand_words(words, {"A": '1 "2 3"', "B": "b"}) == expanded


@pytest.mark.parametrize("word", ["${A:-x}", "$(date)", "x$A"])
def test_other_references_are_not_guessed(word: str) -> None:
    with pytest.raises(ValueError, match="no reference"):
        expand_words([word], {})
