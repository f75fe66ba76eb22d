"""What a proof consists of: checks, each of which was seen to hold, fails, or could not be made."""

from typing import List, NamedTuple, Optional, Union

from ..unknown import Unknown
from .changes import Decision, could_not_look, find_at_fault, prove

Fault = NamedTuple("Fault", [("reason", str), ("remedy", str)])
# Exactly one of the three is there.
Check = NamedTuple("Check", [("seen", Optional[str]), ("fault", Optional[Fault]), ("unknown", Optional[str])])


def saw(words: str) -> Check:
    """Build a check that holds; empty words where there is nothing to look at."""
    return Check(words, None, None)


def fails(reason: str, remedy: str) -> Check:
    """Build a check that fails."""
    return Check(None, Fault(reason, remedy), None)


def was_not_seen(what: str, why: Union[Unknown, str]) -> Check:
    """Build a check that could not be made."""
    return Check(None, None, "{}: {}".format(what, why.reason if isinstance(why, Unknown) else why))


def settle(decision: Decision, checks: List[Check]) -> Decision:
    """Settle whether a step that is set up as wanted serves its purpose; a failure outweighs what is not known."""
    if decision.proof is None:
        return decision
    faults = [check.fault for check in checks if check.fault is not None]
    unknowns = [check.unknown for check in checks if check.unknown is not None]
    if faults:
        settled = find_at_fault(faults[0].reason, faults[0].remedy)
    elif unknowns:
        settled = could_not_look("; ".join(unknowns))
    else:
        settled = prove("; ".join([decision.proof] + [check.seen for check in checks if check.seen]))
    return settled._replace(warnings=decision.warnings)
