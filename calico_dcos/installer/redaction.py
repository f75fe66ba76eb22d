"""Hides secrets in what leaves this program: both its streams and every report pass here, whoever wrote what is in it.

Secrets are known by their names (``token=...``, ``--password ...``, ``{"auth": ...}``, however often that JSON is
escaped) or by their form (a login in a URL, a header, a PEM block). Hiding too much costs less than too little.
"""

import re
from typing import Any, Dict, List, TextIO

HIDDEN = "(hidden)"
# No text that leaves is longer; the rest is left out of its middle.
TEXT_MAX = 1 << 16
SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|pwd$|credential|private|signature|^sig$|cookie|dockercfg|docker[_-]?config"
    r"|auth(?!or)|^(proxy-)?authorization$|(api|access|account|shared|encryption)[_-]?key|(^|[_.-])key$",
    re.IGNORECASE,
)
# Between the items of a list, which are read as one text: a flag's value may be the next item.
_JOINT = "\0"
# Quotes, as they are or escaped: in JSON within JSON, in what systemd shows.
_QUOTE = r"\\{0,15}[\"']|\\x2[27]|"
_NAMED = re.compile(
    r"(?P<quote>" + _QUOTE + r")(?<![\w.-])(?P<name>-{0,2}[\w.-]{1,128})(?P<end>" + _QUOTE + r")"
    r"(?P<joint>[ \t]*[=:][ \t\n]*|[ \t\0]+)"
)
_OPENING = re.compile(r"\\{0,15}[\"']|\\x2[27]|[\[{]")
# A value without quotes: of JSON, and of everything else.
_BARE_JSON, _BARE = re.compile(r"[^\s\0,}\]]*"), re.compile(r"[^\s\0]*")
_WORD = re.compile(r"-{0,2}[\w.-]{1,128}$")
_PLAIN = re.compile(r"(?:true|false|null|none|yes|no|on|off)\b", re.IGNORECASE)
_BRACKET = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|[\[\]{}]", re.DOTALL)
_PATTERNS = [
    # A block of keys; one of which only the end, or only the middle, is seen.
    (re.compile(r"-----BEGIN ([^-\n]{1,64})-----.*?(?:-----END \1-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\A.*-----END [^-\n]{1,64}-----", re.DOTALL), HIDDEN),
    (re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{64,}={0,2}"), lambda match: _hide_base64(match.group())),
    (re.compile(r"(://)[^/\s\0]{1,512}@"), r"\1" + HIDDEN + "@"),
    (re.compile(r"(://)[^/\s\0:@]{1,256}:(?!\d+\W)[^\s\0@\"']{1,512}@"), r"\1" + HIDDEN + "@"),
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}:[^\s\0@/\"',:]{1,256}@(?!sha\d+:)(?=[\w\[])"), HIDDEN + "@"),
    (re.compile(r"(?i)\b((?:proxy-)?authorization\\*[\"']?\s*[:=]\s*\\*[\"']?)[^\n\0\"'\\]+"), r"\1" + HIDDEN),
    (re.compile(r"(?i)\b((?:set-)?cookie\\*[\"']?\s*:\s*\\*[\"']?)[^\n\0\"'\\]+"), r"\1" + HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)([ \t]+)[\w+/=.~-]{8,}"), r"\1\2" + HIDDEN),
    # What signs itself: a JSON web token.
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.?[\w-]*"), HIDDEN),
]  # type: List[Any]


class HidingStream:
    """A stream on which secrets are hidden; a text as long as a whole document is read line by line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write a text."""
        for part in [text] if len(text) < TEXT_MAX else text.splitlines(keepends=True):
            self._out.write(hide_secrets(part))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's own."""
        return getattr(self._out, name)


def is_secret_name(name: str) -> bool:
    """Whether a variable or option of this name may hold a secret."""
    return SECRET_NAME.search(name) is not None


def hide_secrets(text: str) -> str:
    """Hide the secrets in a text: ``http://user:password@proxy``, ``splunk-token=...``, ``--password ...``."""
    if len(text) > TEXT_MAX:
        text = "{} (... left out ...) {}".format(text[: TEXT_MAX // 2], text[-TEXT_MAX // 2 :])
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return _hide_named(text)


def hide_all(value: Any) -> Any:
    """Hide the secrets in all texts of a document of JSON, and what stands there under a secret's name."""
    if isinstance(value, str):
        return hide_secrets(value)
    if isinstance(value, dict):
        return {hide_secrets(str(name)): _hide_member(str(name), member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return _hide_items(list(value))
    return value


def hide_values(values: Dict[str, str]) -> Dict[str, str]:
    """Hide the values of variables that may be secrets; which there are is told of all."""
    return {name: HIDDEN if is_secret_name(name) else hide_secrets(value) for name, value in values.items()}


def _hide_member(name: str, value: Any) -> Any:
    if not is_secret_name(name) or value is None or isinstance(value, bool) or value in ("", [], {}):
        return hide_all(value)
    return HIDDEN


def _hide_items(items: List[Any]) -> List[Any]:
    """Hide in a list; its texts may be the words of one command line."""
    if items and all(isinstance(item, str) and _JOINT not in item for item in items):
        return hide_secrets(_JOINT.join(map(_hide_word, items))).split(_JOINT)
    return [hide_all(item) for item in items]


def _hide_word(word: str) -> str:
    """Hide the value of a word that is a variable or a flag: it may have blanks, as its quotes are read already."""
    name, equals, _ = word.partition("=")
    return name + equals + HIDDEN if equals and _WORD.match(name) and is_secret_name(name.lstrip("-")) else word


def _hide_base64(text: str) -> str:
    """Hide a line of a block of keys; a sum in hexadecimal digits is none."""
    return text if text.upper() == text or text.lower() == text else HIDDEN


def _hide_named(text: str) -> str:
    """Hide what follows a secret's name, in whichever notation."""
    shown, done = [], 0
    match = _NAMED.search(text)
    while match is not None:
        begin = match.end()
        if not _is_secret(match):
            # The value of a harmless name may itself be a name: what follows a blank, an equals sign or a quote.
            begin = max(match.end("name"), match.start() + 1)
        else:
            quote = match.group("end")
            end = _find_end(text, begin, "" if quote else match.group("quote"), is_json=bool(quote))
            if end > begin and _PLAIN.fullmatch(text[begin:end]) is None:
                shown += [text[done:begin], _hide_value(text[begin:end], is_json=bool(quote))]
                begin = done = end
        match = _NAMED.search(text, begin)
    return "".join([*shown, text[done:]])


def _is_secret(match: "re.Match[str]") -> bool:
    """Whether this is the name of a secret; only a flag's name has its value after a mere blank."""
    is_blank = not match.group("joint").strip(" \t\0\n")
    if is_blank and not match.group("name").startswith("-"):
        return False
    return is_secret_name(match.group("name").lstrip("-"))


def _find_end(text: str, begin: int, quote: str, *, is_json: bool) -> int:
    """Find where a value ends: at its own closing quote or bracket, at that of the whole assignment, or at a blank."""
    if quote:
        return _find_quote(text, begin, quote)
    opening = _OPENING.match(text, begin)
    end = begin
    if opening is not None and opening.group() in "[{":
        end = _find_bracket(text, begin)
    elif opening is not None:
        end = min(len(text), _find_quote(text, opening.end(), opening.group()) + len(opening.group()))
    if opening is not None and is_json:
        return end
    # A shell takes what follows a closing quote for a part of the same word.
    bare = (_BARE_JSON if is_json else _BARE).match(text, end)
    return bare.end() if bare is not None else end


def _find_quote(text: str, begin: int, quote: str) -> int:
    """Find the closing quote; one with more backslashes before it belongs to the value."""
    end = text.find(quote, begin)
    while end > begin and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    return end if end >= 0 else len(text)


def _find_bracket(text: str, begin: int) -> int:
    depth = 0
    for match in _BRACKET.finditer(text, begin):
        if len(match.group()) == 1 and match.group() != '"':
            depth += 1 if match.group() in "[{" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _hide_value(value: str, *, is_json: bool) -> str:
    """Write the sign for a hidden value, in the quotes that were there: JSON stays JSON."""
    quote = _OPENING.match(value)
    if quote is not None and quote.group() not in "[{":
        return quote.group() + HIDDEN + (quote.group() if quote.group() in value[quote.end() :] else "")
    return '"{}"'.format(HIDDEN) if is_json else HIDDEN
