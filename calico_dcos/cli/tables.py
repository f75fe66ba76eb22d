"""The walk as it is drawn on a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .words import (
    Json,
    describe_left,
    describe_node,
    describe_preflight,
    describe_steps,
    find_current,
    list_troubles,
)

STYLES = {
    "COMPLETE": "green",
    "ERROR": "bold red",
    "DELAYED": "yellow",
    "STARTED": "cyan",
    "STARTING": "cyan",
    "IN_PROGRESS": "cyan",
}
MARKS = {"COMPLETE": "✓", "ERROR": "✕", "DELAYED": "↻", "STARTED": "…", "STARTING": "…", "WAITING": "‖"}
# What the status does not say stands in its place.
BADGES = {
    "off": ("○", "dim"),
    "waived": ("~", "dim"),
    "refused": ("⊘", "bold red"),
    "unknown": ("?", "yellow"),
    "at fault": ("!", "bold red"),
}
BAR_WIDTH = 40


def draw_status(listing: Json) -> RenderableType:
    """Draw the state of the walk: a bar, who is at work, what others wait for."""
    summary = listing["summary"]
    head = Text.assemble(
        (f"{summary['service']} ", "bold"),
        (summary["status"], STYLES.get(summary["status"], "")),
        f"  {summary['complete']} of {summary['total']} agents complete",
    )
    left = describe_left(summary)
    if left:
        head.append(f", {left}", "dim")
    # A bar alone does not end its line.
    bar = Table.grid()
    bar.add_row(ProgressBar(total=max(1, summary["total"]), completed=summary["complete"], width=BAR_WIDTH))
    parts: list[RenderableType] = [head, bar]
    told = [*list_troubles(summary), *filter(None, [summary.get("message")])]
    parts += [Text(line, "yellow") for line in told]
    if summary["active"]:
        parts.append(draw_agents({"agents": summary["active"]}))
    parts += [Text(f"{waiting['agents']:>5} {waiting['reason']}", "dim") for waiting in summary["reasons"]]
    parts += [Text(error, "bold red") for error in summary["errors"]]
    return Group(*parts)


def draw_agents(listing: Json) -> RenderableType:
    """Draw a row for each agent."""
    table = Table("agent", "Mesos", "steps", "status", "step", "reason", box=None, pad_edge=False)
    for row in listing["agents"]:
        current = find_current(row)
        name = Text(row["key"])
        if row["is_public"]:
            name.append(" public", "dim")
        table.add_row(
            name,
            row["mesos_version"],
            draw_steps(row),
            Text(row["status"], STYLES.get(row["status"], "")),
            "" if current is None else current["name"],
            Text(row["message"]),
        )
    return table


def draw_preflight(document: Json) -> RenderableType:
    """Draw a row for each agent, with what would change and restart, and a line for all of them."""
    # The column takes its room only where it has something to tell.
    has_nodes = any(agent["node"] is not None for agent in document["agents"])
    head = ("agent", "Calico node") if has_nodes else ("agent",)
    table = Table(*head, "would change", "would restart", "refused", "unclear", box=None, pad_edge=False)
    for agent in document["agents"]:
        idle = "nothing" if agent["is_inspected"] else "not inspected yet"
        steps = describe_steps(agent["changes"])
        table.add_row(
            Text(agent["key"]),
            *([Text(describe_node(agent))] if has_nodes else []),
            Text(steps) if steps else Text(idle, "dim"),
            Text(", ".join(agent["restarts"]), "yellow"),
            Text("\n".join(f"{step}: {reason}" for step, reason in agent["refusals"].items()), "bold red"),
            Text("\n".join(f"{step}: {reason}" for step, reason in agent["doubts"].items()), "yellow"),
        )
    return Group(table, Text(describe_preflight(document), "bold"))


def draw_steps(row: Json) -> Text:
    """Draw the steps as a row of marks."""
    return Text.assemble(
        *(
            BADGES.get(step["badge"], (MARKS.get(step["status"], "·"), STYLES.get(step["status"], "dim")))
            for step in row["steps"]
        )
    )
