"""Reads words and assignments as systemd does, in what it tells of a unit and in environment files; no I/O.

What cannot be read for certain raises ValueError: a flag that is overlooked counts as one that is not given, and a key
of the same name in daemon.json then keeps Docker from starting.
"""

import re
from typing import Dict, List, Optional, Tuple

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_NUMBERED = re.compile(r"x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_REFERENCE = re.compile(r"\$(?:\{([^}]*)\}|(\$)|)")
COMMENTS = ("#", ";")


def split_words(text: str) -> List[str]:
    r"""Split at blanks; quotes hold a word together, and ``\x20`` stands for a blank, as systemctl shows it.

    Raises:
        ValueError: a quote is not closed, or an escape is not known.
    """
    words = []  # type: List[str]
    index = 0
    while index < len(text):
        if text[index] in " \t\n\r":
            index += 1
            continue
        word, index = _read_word(text, index)
        words.append(word)
    return words


def _read_word(text: str, index: int) -> Tuple[str, int]:
    """Read a word from here on, and say where it ends."""
    word, quote = "", ""
    while index < len(text) and (quote or text[index] not in " \t\n\r"):
        letter = text[index]
        index += 1
        if letter == "\\" and quote != "'":
            letter, index = _read_escape(text, index)
            word += letter
        elif letter == quote:
            quote = ""
        elif letter in "\"'" and not quote:
            quote = letter
        else:
            word += letter
    if quote:
        raise ValueError("a quote is not closed")
    return word, index


def _read_escape(text: str, index: int) -> Tuple[str, int]:
    match = _NUMBERED.match(text, index)
    if match is not None:
        code = match.group(1) or match.group(3)
        return chr(int(code, 16) if code else int(match.group(2), 8)), match.end()
    letter = text[index : index + 1]
    if letter == "" or (letter.isalnum() and letter not in _ESCAPES):
        raise ValueError("an escape is not known")
    return _ESCAPES.get(letter, letter), index + 1


def parse_environment_file(text: str) -> Dict[str, str]:
    """Read an environment file: ``NAME = value``, values in quotes, lines that go on after a backslash.

    systemd passes over lines without a ``=``, and over names that are none, as in ``export NAME=value``; those are
    here as they stand, so that whoever looks for the name can tell.

    Raises:
        ValueError: a quote is not closed.
    """
    values = {}  # type: Dict[str, str]
    for line in _join_lines(text):
        name, equals, value = line.partition("=")
        if equals:
            values[name.strip()] = _unquote(value.strip())
    return values


def _join_lines(text: str) -> List[str]:
    """Join lines that go on after a backslash, or inside of quotes; comments are left out, which never go on so."""
    lines = []  # type: List[str]
    pending = ""
    for line in text.splitlines():
        if not pending and (line.lstrip().startswith(COMMENTS) or not line.strip()):
            continue
        pending += line
        if _ends_in_backslash(pending):
            pending = pending[:-1]
        elif _has_open_quote(pending.partition("=")[2]):
            pending += "\n"
        else:
            lines.append(pending)
            pending = ""
    if pending:
        if _has_open_quote(pending.partition("=")[2]):
            raise ValueError("a quote is not closed")
        lines.append(pending)
    return lines


def _ends_in_backslash(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _has_open_quote(value: str) -> bool:
    """Whether a value opens a quote and does not close it; in the middle of a bare value it is a letter like others."""
    text = value.lstrip()
    return text[:1] in ("'", '"') and _find_end(text) is None


def _find_end(text: str) -> Optional[int]:
    quote = text[0]
    escaped = False
    for index, letter in enumerate(text[1:], 1):
        if escaped:
            escaped = False
        elif letter == "\\" and quote == '"':
            escaped = True
        elif letter == quote:
            return index
    return None


def _unquote(value: str) -> str:
    """Take the quotes off a value: what stands after the closing one belongs to it, too."""
    if value[:1] not in ("'", '"'):
        return re.sub(r"\\(.)", r"\1", value)
    end = _find_end(value)
    inner, rest = value[1:end], value[(end or 0) + 1 :]
    if value[0] == '"':
        inner = re.sub(r'\\(["\\`$\n])', r"\1", inner)
    return inner + _unquote(rest.strip()) if rest.strip() else inner


def expand_words(words: List[str], environment: Dict[str, str]) -> List[str]:
    """Expand ``$NAME`` (split into words) and ``${NAME}`` (inside of a word) as systemd does; unset ones are empty.

    Raises:
        ValueError: a reference has another form, or a value cannot be split.
    """
    expanded = []  # type: List[str]
    for word in words:
        if word.startswith("$") and _NAME.match(word[1:]):
            expanded.extend(split_words(environment.get(word[1:], "")))
        else:
            expanded.append(_REFERENCE.sub(lambda match: _expand(match, environment), word))
    return expanded


def _expand(match: "re.Match[str]", environment: Dict[str, str]) -> str:
    name, dollar = match.group(1), match.group(2)
    if dollar:
        return "$"
    if name is None or not _NAME.match(name):
        raise ValueError("{} is no reference that systemd knows".format(match.group(0)))
    return environment.get(name, "")


def find_names(words: List[str]) -> List[str]:
    """Find the names that words refer to."""
    names = []  # type: List[str]
    for word in words:
        if word.startswith("$") and _NAME.match(word[1:]):
            names.append(word[1:])
        else:
            names += [match.group(1) for match in _REFERENCE.finditer(word) if match.group(1)]
    return names
