"""One look at the host: its facts, and the changes that follow from them."""

import time
from typing import Dict, NamedTuple

from .facts import Facts, read_facts
from .host import Host
from .plans import plan_changes
from .plans.changes import Decision
from .wanted import Wanted

# begun_at_s is monotonic: what was seen is as old as the start of the look.
Inspection = NamedTuple("Inspection", [("facts", Facts), ("plan", Dict[str, Decision]), ("begun_at_s", float)])


def read_inspection(host: Host, wanted: Wanted) -> Inspection:
    """Read all facts and plan every step; nothing is changed."""
    begun_at_s = time.monotonic()
    facts = read_facts(host, wanted)
    return Inspection(facts, plan_changes(facts, wanted), begun_at_s)
