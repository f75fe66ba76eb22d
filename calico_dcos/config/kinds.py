"""What a setting can be: how its text becomes a value, and what a package option of that kind takes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

# Patterns are also those of the package's options: what Cosmos can refuse before anything runs. All of them take the
# empty text, which stands for "not given", because a form cannot take an option back once it has been typed. None takes
# a quotation mark or a backslash: the package's template puts options into JSON as they are.
TEXT = r'^[^"\\\x00-\x1f]*$'
WORD = r'^[^\s"\\]*$'
LONG_WORD = r'^([^\s"\\]{16,})?$'
LOGIN = r'^([^\s":\\]+:[^\s"\\]+)?$'
NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
ADDRESS = r"^([A-Za-z0-9.:_-]+)?$"
DNS_NAME = r"^[A-Za-z0-9._-]*$"
HOST_AND_PORT = r'^([^\s"\\/]+:[0-9]+)?$'
URL = r'^(https?://[^\s"\\]+)?$'
URLS = r'^(https?://[^\s,"\\]+(,https?://[^\s,"\\]+)*)?$'
PATH = r'^(/[^\s"\\]*)?$'
SHA256 = r"^([0-9A-Fa-f]{64})?$"
MASTER = r'^(zk://[^\s/"\\]+/[^\s"\\]+|http://[^\s/,"\\]+/?|[^\s/:,"\\]+:[0-9]{1,5})?$'
STORE = r'^((sqlite|etcd|etcd\+srv|zk)://[^\s"\\]+)?$'
ZK = r'^(zk://[^\s/"\\]+/[^\s"\\]+)?$'
CLUSTER_STORE = r'^((etcd|consul|zk)://[^\s"\\]+)?$'
CIDR = r"^([0-9A-Fa-f.:]+/[0-9]+)?$"
CIDRS = r"^([0-9.]+/[0-9]+(,[0-9.]+/[0-9]+)*)?$"
PAIRS = r'^([A-Za-z_][A-Za-z0-9_]*=[^";\\\x00-\x1f]*(;[A-Za-z_][A-Za-z0-9_]*=[^";\\\x00-\x1f]*)*;?)?$'


class Kind(Protocol):
    """One kind of value."""

    @property
    def allowed(self) -> str:
        """What it takes, as the end of a sentence."""

    def parse(self, text: str) -> Any:
        """Make the value of a text that is not empty.

        Raises:
            ValueError: it takes something else.
        """

    def describe(self) -> Mapping[str, Any]:
        """Say in JSON schema what a package option of this kind takes."""


@dataclass(frozen=True, slots=True)
class Text:
    """Any text; with a pattern, only what matches it."""

    allowed: str = "text"
    pattern: str = ""

    def parse(self, text: str) -> str:
        """Take what matches the pattern."""
        if self.pattern and re.search(self.pattern, text) is None:
            raise ValueError(text)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string."""
        return {"type": "string", "pattern": self.pattern or TEXT}


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where state goes."""

    allowed: str = "sqlite:///path, etcd://hosts/prefix, etcd+srv://name/prefix or zk://hosts/path"

    def parse(self, text: str) -> str:
        """Take it as it is: whoever opens the store says what is wrong with it, and hides its password."""
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string that looks like the URL of a store."""
        return {"type": "string", "pattern": STORE}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words."""
        return f"one of {', '.join(word for word in self.words if word)}"

    def parse(self, text: str) -> str:
        """Take one of the words."""
        if text not in self.words:
            raise ValueError(text)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string out of the words."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    allowed: str = "one of true, false"

    def parse(self, text: str) -> bool:
        """Take "true" and "false", and nothing that only looks like them."""
        if text not in {"true", "false"}:
            raise ValueError(text)
        return text == "true"

    def describe(self) -> Mapping[str, Any]:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, both included."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        """The bounds."""
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, text: str) -> int:
        """Take a whole number within the bounds."""
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError(text)
        return number

    def describe(self) -> Mapping[str, Any]:
        """An integer."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both included."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        """The bounds."""
        return f"a number from {format_number(self.low)} to {format_number(self.high)}"

    def parse(self, text: str) -> float:
        """Take a number within the bounds."""
        number = float(text)
        # A comparison with "not a number" is false, whichever way it is written.
        if math.isnan(number) or not self.low <= number <= self.high:
            raise ValueError(text)
        return number

    def describe(self) -> Mapping[str, Any]:
        """A number."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class AbsolutePath:
    """A path on an agent; slashes at its end mean nothing."""

    allowed: str = "an absolute path"

    def parse(self, text: str) -> str:
        """Take an absolute path, without the slashes at its end."""
        if not text.startswith("/"):
            raise ValueError(text)
        return text.rstrip("/") or "/"

    def describe(self) -> Mapping[str, Any]:
        """A string that begins with a slash."""
        return {"type": "string", "pattern": PATH}


@dataclass(frozen=True, slots=True)
class Url:
    """The address of a download.

    Attributes:
        ending: what it has to end with, empty if anything will do.
    """

    ending: str = ""

    @property
    def allowed(self) -> str:
        """The schemes, and the ending."""
        return "an http:// or https:// URL" + (f" that ends with {self.ending}" if self.ending else "")

    def parse(self, text: str) -> str:
        """Take a URL with a host."""
        if not is_url(text, ("http", "https")) or not text.endswith(self.ending):
            raise ValueError(text)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string that looks like a URL."""
        pattern = f'^(https?://[^\\s"\\\\]+{re.escape(self.ending)})?$' if self.ending else URL
        return {"type": "string", "pattern": pattern}


@dataclass(frozen=True, slots=True)
class Urls:
    """Addresses, separated by commas."""

    allowed: str = "http:// or https:// URLs of etcd, separated by commas"

    def parse(self, text: str) -> str:
        """Take URLs with a host each."""
        if not all(is_url(url, ("http", "https")) for url in text.split(",")):
            raise ValueError(text)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string that looks like URLs."""
        return {"type": "string", "pattern": URLS}


@dataclass(frozen=True, slots=True)
class Sha256:
    """The sum of a download."""

    allowed: str = "64 hexadecimal digits"

    def parse(self, text: str) -> str:
        """Take a sum in either case."""
        digits = 64
        if len(text) != digits or set(text.lower()) - set("0123456789abcdef"):
            raise ValueError(text)
        return text.lower()

    def describe(self) -> Mapping[str, Any]:
        """A string of so many digits, or none."""
        return {"type": "string", "pattern": SHA256}


@dataclass(frozen=True, slots=True)
class MasterAddress:
    """Where the Mesos master is."""

    allowed: str = "host:port, http://host:port or zk://host:port,.../path"

    def parse(self, text: str) -> str:
        """Take an address in one of the three forms."""
        if re.search(MASTER, text) is None or not is_url(text if "://" in text else f"http://{text}", ("http", "zk")):
            raise ValueError(text)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string that looks like an address."""
        return {"type": "string", "pattern": MASTER}


@dataclass(frozen=True, slots=True)
class Texts:
    """A mapping of names to texts: pairs that a package option can hold, or JSON where a value needs more."""

    allowed: str = 'NAME=value pairs separated by ";", or a JSON object of strings'

    def parse(self, text: str) -> Mapping[str, str]:
        """Take pairs, or a JSON object whose values are strings."""
        if not text.startswith(("{", "[")):
            return self._parse_pairs(text)
        parsed = json.loads(text)
        if not isinstance(parsed, dict) or not all(isinstance(item, str) for item in parsed.values()):
            raise ValueError(text)
        return parsed

    def _parse_pairs(self, text: str) -> Mapping[str, str]:
        if re.search(PAIRS, text) is None:
            raise ValueError(text)
        pairs = [pair.partition("=") for pair in text.split(";") if pair]
        return {name: value for name, _, value in pairs}

    def describe(self) -> Mapping[str, Any]:
        """A string of pairs: JSON in an option would need quotation marks, which the template cannot carry."""
        return {"type": "string", "pattern": PAIRS}


def format_number(number: float) -> str:
    """Write a number the way a person would."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def format_value(value: Any) -> str:
    """Write a value as the text of an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return format_number(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def is_url(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether a text is a URL of one of these schemes, with a host."""
    try:
        parts = urlsplit(value.strip())
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        # zk://a:1,b:2/path has no single port; its hosts are checked when it is opened.
        return value.startswith("zk://") and "zk" in schemes
    return parts.scheme in schemes and bool(parts.netloc) and has_port
