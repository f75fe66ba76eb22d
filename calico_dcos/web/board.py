"""The board that everybody looks at: rows of the table, and what changed between two looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from calico_dcos.core.plan import PhaseView

from .views import Json, build_row, build_summary
from .walk import Snapshot, Walk

# Rows in one message: a page shows the first of thousands while the others are on their way.
ROWS_PER_MESSAGE = 500
# How old a board may be while nothing but time changes: messages count seconds.
MAX_AGE_S = 1.0
# After building a board, this many times as long passes before the next is built: the scheduler shares our processor.
REST_FACTOR = 10.0


@dataclass(frozen=True, slots=True)
class Board:
    """A snapshot as it is shown.

    Attributes:
        rows: by agent key; a row that did not change is the same object as on the board before.
    """

    snapshot: Snapshot
    summary: Json
    phases: Mapping[str, PhaseView]
    rows: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Delta:
    """What somebody who saw one board has to be told to see another.

    Attributes:
        is_whole: whether it replaces everything that was shown.
        gone: keys of agents that are there no more.
    """

    at: float
    is_whole: bool
    summary: Json
    rows: tuple[Json, ...]
    gone: tuple[str, ...] = ()


def build_board(service: str, snapshot: Snapshot, before: Board | None = None) -> Board:
    """Build the board of a snapshot, with the rows of the board before where they are the same."""
    phases = {phase.name: phase for phase in snapshot.plan.phases}
    rows = {key: build_row(snapshot.agents[key], phase) for key, phase in phases.items()}
    if before is not None:
        rows = {key: known if (known := before.rows.get(key)) == row else row for key, row in rows.items()}
    return Board(snapshot, build_summary(service, snapshot), phases, rows)


def build_whole(board: Board) -> Delta:
    """Tell everything."""
    return Delta(board.snapshot.at, is_whole=True, summary=board.summary, rows=tuple(board.rows.values()))


def build_delta(shown: Board | None, board: Board) -> Delta | None:
    """Compare two boards; None if they look the same. With none shown yet, everything is new."""
    if shown is None:
        return build_whole(board)
    rows = tuple(row for key, row in board.rows.items() if shown.rows.get(key) is not row)
    gone = tuple(key for key in shown.rows if key not in board.rows)
    if not rows and not gone and shown.summary == board.summary:
        return None
    return Delta(board.snapshot.at, is_whole=False, summary=board.summary, rows=rows, gone=gone)


def build_listing(delta: Delta) -> Json:
    """Build the document that tells a delta."""
    return {"now": delta.at, "summary": delta.summary, "agents": list(delta.rows), "gone": list(delta.gone)}


def format_messages(delta: Delta) -> Iterator[str]:
    """Write a delta as server-sent events: `snapshot` starts everything anew, `agents` adds to what is shown."""
    for start in range(0, max(1, len(delta.rows)), ROWS_PER_MESSAGE):
        is_first = start == 0
        part = Delta(
            at=delta.at,
            is_whole=delta.is_whole and is_first,
            summary=delta.summary,
            rows=delta.rows[start : start + ROWS_PER_MESSAGE],
            gone=delta.gone if is_first else (),
        )
        name = "snapshot" if part.is_whole else "agents"
        yield f"event: {name}\ndata: {json.dumps(build_listing(part), separators=(',', ':'))}\n\n"


class Feed:
    """The newest board, built once for all who look, and at a pace that leaves the scheduler its processor."""

    def __init__(self, *, service: str, walk: Walk, read_clock: Callable[[], float]) -> None:
        self._service = service
        self._walk = walk
        self._read_clock = read_clock
        self._board: Board | None = None
        self._built_at = 0.0
        self._took_s = 0.0

    def read(self) -> Board:
        """Get the newest board; it is as old as MAX_AGE_S and the pace allow."""
        started_at = self._read_clock()
        if self._board is not None and self._is_fresh(self._board, started_at - self._built_at):
            return self._board
        self._board = build_board(self._service, self._walk.read_snapshot(), self._board)
        self._built_at = self._read_clock()
        self._took_s = self._built_at - started_at
        return self._board

    def _is_fresh(self, board: Board, age_s: float) -> bool:
        if age_s < self._took_s * REST_FACTOR:
            return True
        return age_s < MAX_AGE_S and self._walk.read_revision() == board.snapshot.revision
