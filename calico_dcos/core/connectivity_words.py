"""The connectivity test in words: one line an action, and lines for the log."""

from __future__ import annotations

from collections.abc import Iterator

from .connectivity import Outcome, Pair, Result, Run

_LABELS = {Outcome.PASSED: "ok", Outcome.FAILED: "failed", Outcome.NOT_TESTED: "not tested"}


def describe_result(pair: Pair, result: Result) -> str:
    """Say in one line how an action went."""
    action = f"{pair.client} -> {pair.server}: {result.test} {result.action}"
    return f"{action}: {_LABELS[result.outcome]}: {result.message}"


def describe_run(run: Run) -> str:
    """Say in one line how a run stands or came out."""
    count = len(run.pairs)
    ended = sum(pair.ended_at is not None for pair in run.pairs)
    if not run.is_over:
        return f"connectivity test: {ended} of {count} pairs of agents are through"
    if run.end_reason:
        return f"connectivity test: {run.end_reason}"
    failed = sum(pair.outcome is Outcome.FAILED for pair in run.pairs)
    if failed:
        return f"connectivity test: {failed} of {count} pairs of agents failed"
    if run.outcome is Outcome.PASSED:
        return f"connectivity test: all {count} pairs of agents passed"
    return "connectivity test: nothing failed, and not everything was tested"


def describe_progress(before: Run | None, after: Run | None) -> Iterator[str]:
    """Say what went on since: pairs that came to their end, with what failed there, and the end of the run."""
    if after is None or after is before:
        return
    is_new = before is None or before.id != after.id
    if is_new:
        yield f"connectivity test {after.id} begins on {', '.join(stand.agent_key for stand in after.stands)}"
    known = {} if is_new or before is None else {pair.client: pair for pair in before.pairs}
    for pair in after.pairs:
        old = known.get(pair.client)
        if pair.ended_at is None or (old is not None and old.ended_at is not None):
            continue
        yield f"connectivity test: {pair.client} -> {pair.server}: {_LABELS[pair.outcome]}"
        yield from (describe_result(pair, one) for one in pair.results if one.outcome is Outcome.FAILED)
    if after.is_over and (is_new or (before is not None and not before.is_over)):
        yield describe_run(after)
