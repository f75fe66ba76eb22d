"""The board that everybody looks at: rows of the table, and what changed between two looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .plan import PhaseView
from .views import Json, build_row, build_summary
from .walk import Snapshot, Walk

# Rows in one message: a page shows the first of thousands while the others are on their way.
ROWS_PER_MESSAGE = 500
# How old a board may be while nothing but time changes: messages count seconds.
MAX_AGE_S = 1.0
# After building a board, this many times as long passes before the next is built: the scheduler shares our processor.
REST_FACTOR = 3.0


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
class View:
    """The part of a board that one client looks at.

    Attributes:
        rows: by agent key, in the order in which they are shown.
        matching: how many rows there are that the client asked for, on this page or on others.
        is_paged: whether the client asked for a page, and so has to be told the order of its rows.
    """

    board: Board
    rows: Mapping[str, Json]
    matching: int
    is_paged: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """What somebody who saw one view has to be told to see another.

    Attributes:
        is_whole: whether it replaces everything that was shown.
        gone: keys of agents that are there no more.
        order: keys of all rows of a page; None where it did not change, or was not asked for.
    """

    at: float
    is_whole: bool
    summary: Json
    matching: int
    rows: tuple[Json, ...]
    gone: tuple[str, ...] = ()
    order: tuple[str, ...] | None = None


def build_board(service: str, snapshot: Snapshot, before: Board | None = None) -> Board:
    """Build the board of a snapshot, with the rows of the board before where they are the same."""
    phases = {phase.name: phase for phase in snapshot.plan.phases}
    rows = {key: _choose_row(key, snapshot, phase, before) for key, phase in phases.items()}
    return Board(snapshot, build_summary(service, snapshot, rows.values()), phases, rows)


def _choose_row(key: str, snapshot: Snapshot, phase: PhaseView, before: Board | None) -> Json:
    agent = snapshot.agents[key]
    if before is None or key not in before.rows:
        return build_row(agent, phase)
    known = before.rows[key]
    if before.phases[key] is phase and before.snapshot.agents[key] is agent:
        return known
    row = build_row(agent, phase)
    return known if known == row else row


def view_all(board: Board) -> View:
    """Look at the whole board."""
    return View(board, board.rows, len(board.rows))


def build_whole(view: View) -> Delta:
    """Tell everything."""
    board = view.board
    return Delta(
        board.snapshot.at,
        is_whole=True,
        summary=board.summary,
        matching=view.matching,
        rows=tuple(view.rows.values()),
        order=tuple(view.rows) if view.is_paged else None,
    )


def build_delta(shown: View | None, view: View) -> Delta | None:
    """Compare two views; None if they look the same. With none shown yet, everything is new."""
    if shown is None:
        return build_whole(view)
    board = view.board
    rows = tuple(row for key, row in view.rows.items() if shown.rows.get(key) is not row)
    gone = tuple(key for key in shown.rows if key not in view.rows)
    order = tuple(view.rows) if view.is_paged and list(view.rows) != list(shown.rows) else None
    is_same = not rows and not gone and order is None and shown.matching == view.matching
    if is_same and shown.board.summary == board.summary:
        return None
    return Delta(
        board.snapshot.at,
        is_whole=False,
        summary=board.summary,
        matching=view.matching,
        rows=rows,
        gone=gone,
        order=order,
    )


def build_listing(delta: Delta) -> Json:
    """Build the document that tells a delta."""
    listing: Json = {
        "now": delta.at,
        "summary": delta.summary,
        "matching": delta.matching,
        "agents": list(delta.rows),
        "gone": list(delta.gone),
    }
    return listing if delta.order is None else {**listing, "order": list(delta.order)}


def format_messages(delta: Delta) -> Iterator[str]:
    """Write a delta as server-sent events: `snapshot` starts everything anew, `agents` adds to what is shown."""
    for start in range(0, max(1, len(delta.rows)), ROWS_PER_MESSAGE):
        is_first = start == 0
        part = Delta(
            at=delta.at,
            is_whole=delta.is_whole and is_first,
            summary=delta.summary,
            matching=delta.matching,
            rows=delta.rows[start : start + ROWS_PER_MESSAGE],
            gone=delta.gone if is_first else (),
            order=delta.order if start + ROWS_PER_MESSAGE >= len(delta.rows) else None,
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
        return self._build(started_at)

    def read_now(self) -> Board:
        """Get the board of the newest state, whatever it costs: what an operator says is judged by that."""
        if self._board is not None and self._walk.read_revision() == self._board.snapshot.revision:
            return self._board
        return self._build(self._read_clock())

    def _build(self, started_at: float) -> Board:
        is_first = self._board is None
        self._board = build_board(self._service, self._walk.read_snapshot(), self._board)
        self._built_at = self._read_clock()
        # The first board is built from nothing, which says little of the next.
        self._took_s = 0.0 if is_first else self._built_at - started_at
        return self._board

    def _is_fresh(self, board: Board, age_s: float) -> bool:
        if age_s < self._took_s * REST_FACTOR:
            return True
        return age_s < MAX_AGE_S and self._walk.read_revision() == board.snapshot.revision
