"""The kind of setting that says how an agent's address is found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

ADDRESS_METHOD = r'^(first-found|(can-reach|interface|skip-interface|cidr)=[^\s"\\]+)?$'


@dataclass(frozen=True, slots=True)
class AddressMethod:
    """How an agent's address is found."""

    allowed: str = (
        "first-found, can-reach=ADDRESS, interface=REGEX,..., skip-interface=REGEX,... or cidr=NETWORK,... (IPv4)"
    )

    def parse(self, text: str) -> str:
        """Take a method whose regular expressions and networks can be read."""
        if re.search(ADDRESS_METHOD, text) is None:
            raise ValueError(text)
        word, _, value = text.partition("=")
        parts = value.split(",")
        if word == "cidr":
            for part in parts:
                IPv4Network(part, strict=False)
        if word.endswith("interface"):
            for part in parts:
                _check_expression(part)
        return text

    def describe(self) -> Mapping[str, Any]:
        """A string that looks like a method."""
        return {"type": "string", "pattern": ADDRESS_METHOD}


def _check_expression(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(text) from error
    if not text:
        raise ValueError(text)
