"""What is configured of one step, whoever goes by it: hosts, the walk, and people who ask what is going to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A step as configured. The module of its section builds it and lists it in its PARTS.

    Attributes:
        wanted: what hosts are to look like, as the installer reads it; "enable" says whether it is done at all.
        words: what it does to an agent, for people.
        cpus: of its task.
        mem_mb: of its task.
        ports: claimed from an offer that has them; an offer without them will do as well.
    """

    wanted: Mapping[str, Any]
    words: str
    cpus: float
    mem_mb: float
    ports: tuple[int, ...] = ()

    @property
    def is_enabled(self) -> bool:
        """Whether it is done, and not looked at alone."""
        return self.wanted["enable"] is True


def build_download(url: str, sha256: str) -> dict[str, Any]:
    """A file that agents fetch; without a sum, the first agent's sum counts for all."""
    return {"url": url, "sha256": sha256 or None}
