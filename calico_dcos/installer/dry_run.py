"""The dry run: tells what would be done, why, and with which impact; does and sends nothing."""

import json
from typing import Any, Dict, List, TextIO

from .inspection import Inspection
from .plans.changes import Change, Decision
from .redaction import hide_all
from .wanted import STEPS, Wanted, is_enabled

EXIT_POSSIBLE, EXIT_REFUSED = 0, 3
ALL = "all"


def show_plan(step: str, inspection: Inspection, wanted: Wanted, out: TextIO, *, as_json: bool) -> int:
    """Write the plan of one step, or of all; 3 when one that is wanted would be refused."""
    steps = STEPS if step == ALL else (step,)
    if as_json:
        document = {name: build_document(inspection.plan[name], is_wanted=is_enabled(wanted, name)) for name in steps}
        out.write(json.dumps(hide_all({"steps": document}), indent=2, sort_keys=True) + "\n")
    else:
        lines = [build_lines(name, inspection.plan[name], is_wanted=is_enabled(wanted, name)) for name in steps]
        out.write("".join(line + "\n" for step_lines in lines for line in step_lines))
    is_refused = any(inspection.plan[name].refusal is not None and is_enabled(wanted, name) for name in steps)
    return EXIT_REFUSED if is_refused else EXIT_POSSIBLE


def build_document(decision: Decision, *, is_wanted: bool) -> Dict[str, Any]:
    """Build the JSON form of one step's plan."""
    return {
        "is_enabled": is_wanted,
        "changes": [build_change(change) for change in decision.changes],
        "refusal": decision.refusal,
        "unknown": decision.unknown,
        "fault": decision.fault,
        "proof": decision.proof,
        "warnings": decision.warnings,
    }


def build_change(change: Change) -> Dict[str, Any]:
    """Build the JSON form of a change."""
    return {
        "message": change.message,
        "reason": change.reason,
        "restarts": change.restarts,
        "impact": change.impact,
    }


def _head(decision: Decision) -> str:
    if decision.changes:
        return "1 change" if len(decision.changes) == 1 else "{} changes".format(len(decision.changes))
    if decision.refusal is not None:
        return "refused"
    if decision.unknown is not None:
        return "could not look"
    return "in place, but of no use" if decision.fault is not None else "nothing to do"


def build_lines(step: str, decision: Decision, *, is_wanted: bool) -> List[str]:
    """Build the lines of one step's plan, for people."""
    disabled = "" if is_wanted else " (disabled: nothing of this is done)"
    lines = ["{}: {}{}".format(step, _head(decision), disabled)]
    said = decision.refusal or decision.unknown or decision.fault or decision.proof
    lines += ["  {}".format(said)] if said else []
    for change in decision.changes:
        lines.append("  would {}".format(change.message))
        lines.append("    because {}".format(change.reason))
        lines.append("    impact: {}".format(change.impact))
    lines += ["  warning: {}".format(warning) for warning in decision.warnings]
    return lines
