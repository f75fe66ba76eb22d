"""Decides how long a service may go without proof: pure; what was looked at comes as values."""

from enum import Enum
from typing import NamedTuple, Optional

from ..plans.changes import Decision, describe_unproven

DOWN_LIMIT_S = 60.0
# BIRD waits longer than that between two tries, and the other side has to hear of this node first.
SESSIONS_LIMIT_S = 180.0
# What has to be asked may itself take long to come back, and until then nothing can be said of the service.
AWAY_LIMIT_S = 300.0


class Lack(Enum):
    """What a service lacks."""

    NOTHING = "nothing: it is proven"
    WORK = "it does not work on this host"
    SESSIONS = "it works on this host, and has no sessions with others yet"
    SIGHT = "it could not be looked at"


LIMITS_S = {Lack.NOTHING: 0.0, Lack.WORK: DOWN_LIMIT_S, Lack.SESSIONS: SESSIONS_LIMIT_S, Lack.SIGHT: AWAY_LIMIT_S}

# is_proven: whether it was proven once. since_s: since when it lacks what it lacks; bad_since_s: since when anything.
Standing = NamedTuple(
    "Standing",
    [
        ("is_proven", bool),
        ("lack", Lack),
        ("since_s", float),
        ("bad_since_s", float),
        ("reason", str),
    ],
)
UNSEEN = Standing(is_proven=False, lack=Lack.SIGHT, since_s=0.0, bad_since_s=0.0, reason="nothing was looked at yet")


def begin_anew(standing: Standing, now_s: float) -> Standing:
    """Begin to watch another start of a service: it has the whole time to settle."""
    return UNSEEN._replace(is_proven=standing.is_proven, since_s=now_s, bad_since_s=now_s)


def note(standing: Standing, decision: Decision, now_s: float, *, is_local: bool) -> Standing:
    """Note a look; is_local: it was at what is this host's own, sessions with others left out."""
    lack = find_lack(decision, is_local=is_local)
    was_well = standing.lack is Lack.NOTHING
    return Standing(
        is_proven=standing.is_proven or lack is Lack.NOTHING,
        lack=lack,
        since_s=standing.since_s if lack is standing.lack else now_s,
        bad_since_s=now_s if was_well else standing.bad_since_s,
        reason=describe_unproven(decision),
    )


def find_lack(decision: Decision, *, is_local: bool) -> Lack:
    """Find what a look says that the service lacks."""
    if decision.proof is not None:
        return Lack.NOTHING
    if decision.unknown is not None:
        return Lack.SIGHT
    return Lack.WORK if is_local else Lack.SESSIONS


def find_end(standing: Standing, now_s: float) -> Optional[str]:
    """Find out whether it has lacked that for too long, and why; None while there is hope."""
    if standing.lack is Lack.NOTHING:
        return None
    is_over = now_s - standing.since_s > LIMITS_S[standing.lack] or now_s - standing.bad_since_s > AWAY_LIMIT_S
    return standing.reason if is_over else None
