"""The sums of downloads for which no setting gives one: the first agent's counts for all, until it is taken back."""

from __future__ import annotations

from dataclasses import replace

from .command import Outcome, Unpin, Verdict
from .events import Downloaded
from .state import State

COMMAND = "unpin"


def fold_downloaded(state: State, event: Downloaded) -> State:
    """Take in the sum of a download, if its task is that of a step that makes this download; the first sum counts."""
    place = state.tasks.get(event.task_id)
    if place is None or event.url not in state.policy.by_name[place[1]].downloads or event.url in state.pins:
        return state
    unsaved = replace(
        state.unsaved,
        pins={**state.unsaved.pins, event.url: event.sha256},
        unpinned=tuple(url for url in state.unsaved.unpinned if url != event.url),
    )
    return replace(state, pins=state.pins.set(event.url, event.sha256), unsaved=unsaved, revision=state.revision + 1)


def obey_unpin(state: State, command: Unpin, now: float) -> tuple[State, Verdict]:
    """Take a sum back, with a line in the audit log."""
    urls = [url for url, sha256 in state.pins.items() if command.pin in (url, sha256)]
    if not urls:
        return state, Verdict(Outcome.UNKNOWN, "no such pin: name it by its URL or its sum, as the list has them")
    verdict = Verdict(Outcome.ACCEPTED, "the sum is taken back: the next one that is reported counts for all")
    pins = state.pins
    for url in urls:
        pins = pins.delete(url)
    unsaved = replace(
        state.unsaved,
        pins={url: sha256 for url, sha256 in state.unsaved.pins.items() if url not in urls},
        unpinned=(*state.unsaved.unpinned, *urls),
    )
    effect = f"{verdict.message} ({', '.join(sorted(state.pins[url] for url in urls))})"
    state = replace(state, pins=pins, unsaved=unsaved)
    return state.with_audit(now, command.who, COMMAND, reason=command.reason, effect=effect), verdict
