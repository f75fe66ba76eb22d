"""Records no larger than a store takes: what is too large is cut down, and nobody else's record waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from calico_dcos.core.connectivity import Run
from calico_dcos.core.model import Agent, Note

from .codec import encode, encode_facts

SHORT_HISTORY = 5
SHORT_NOTE = 200


@dataclass(frozen=True, slots=True)
class Fitted:
    """A record, and what was left out of it.

    Attributes:
        content: None where nothing of it fits.
        cut: what was left out, in words; empty if nothing was.
    """

    content: bytes | None
    cut: str = ""


def fit_agent(agent: Agent, max_bytes: int) -> Fitted:
    """Write an agent's record: what decisions follow from always fits, and is left out last."""
    content = encode(agent)
    size = len(content)
    for told, cut in _CUTS:
        if len(content) <= max_bytes:
            return Fitted(content)
        agent = cut(agent)
        content = encode(agent)
        if len(content) <= max_bytes:
            return Fitted(content, f"it has {size} bytes, more than {max_bytes}: {told}")
    return Fitted(content, f"it has {size} bytes, more than {max_bytes}: {_CUTS[-1][0]}")


def fit_facts(facts: Mapping[str, Any], max_bytes: int) -> Fitted:
    """Write the record of a host's facts, or a note in their place: they are for display alone."""
    content = encode_facts(facts)
    if len(content) <= max_bytes:
        return Fitted(content)
    cut = f"they have {len(content)} bytes, more than {max_bytes}: they are not stored"
    return Fitted(encode_facts({"facts": cut}), cut)


def fit_run(run: Run, max_bytes: int) -> Fitted:
    """Write the record of a connectivity test, or nothing: it is of use today alone."""
    content = encode(run)
    if len(content) <= max_bytes:
        return Fitted(content)
    return Fitted(None, f"it has {len(content)} bytes, more than {max_bytes}: it is not stored")


def _shorten_history(agent: Agent) -> Agent:
    notes = tuple(Note(note.at, note.text[:SHORT_NOTE]) for note in agent.history[-SHORT_HISTORY:])
    return replace(agent, history=notes)


def _drop_inspection(agent: Agent) -> Agent:
    """Leave the look out: a scheduler that starts from this looks again, before anything else."""
    return replace(agent, inspection=None)


_CUTS: tuple[tuple[str, Callable[[Agent], Agent]], ...] = (
    ("most of its history is not stored", _shorten_history),
    ("neither most of its history nor what was seen on the host is stored", _drop_inspection),
)
