"""What became of the newest offers, and why: the answer to "why does nothing happen"."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping

from calico_dcos.core.actions import Decline, Launch, LaunchTrial
from calico_dcos.core.resources import Offer
from calico_dcos.scheduler import Turn

from .views import Json

LENGTH = 100


class OfferBook:
    """Remembers the answers to offers: the newest LENGTH of them, and how many there were of each kind.

    Written by the scheduler's thread, read by the web's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Json] = deque(maxlen=LENGTH)
        self._outcomes: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._agents: Counter[str] = Counter()

    def observe(self, turn: Turn) -> None:
        """Note the answers of one turn of the scheduler."""
        offers = {held.offer.id: held.offer for held in turn.before.offers.values()}
        offers |= {offer.id: offer for offer in turn.offers}
        with self._lock:
            for action in turn.actions:
                if isinstance(action, Launch | LaunchTrial):
                    self._note(turn.at, [action.offer_id], offers, "accepted", action.reason)
                elif isinstance(action, Decline):
                    self._note(turn.at, action.offer_ids, offers, "rejected", action.reason)

    def _note(
        self, at: float, ids: tuple[str, ...] | list[str], offers: Mapping[str, Offer], outcome: str, reason: str
    ) -> None:
        for offer_id in ids:
            offer = offers.get(offer_id)
            hostname = "" if offer is None else offer.hostname
            explanation = reason.removeprefix(f"{hostname}: ")
            self._outcomes[outcome] += 1
            if outcome == "rejected":
                self._agents[hostname] += 1
                self._reasons[explanation] += 1
                self._trim()
            self._entries.appendleft(
                {
                    "timestamp": at,
                    "pod-instance-name": hostname,
                    "outcome": outcome,
                    "explanation": explanation,
                    "offer": "" if offer is None else _describe(offer),
                },
            )

    def _trim(self) -> None:
        # Reasons name agents and times, so their number has no bound of its own.
        if len(self._reasons) > 2 * LENGTH:
            self._reasons = Counter(dict(self._reasons.most_common(LENGTH)))

    def build_document(self) -> Json:
        """Build what the SDK's /v2/debug/offers tells."""
        with self._lock:
            return {
                "acceptedCount": self._outcomes["accepted"],
                "rejectedCount": self._outcomes["rejected"],
                "failureReasons": dict(self._reasons.most_common()),
                "rejectedAgents": dict(self._agents.most_common()),
                "offers": list(self._entries),
            }


def _describe(offer: Offer) -> str:
    parts = [f"{part.name}({part.role}): {part.amount:g}" for part in offer.resources if not part.ranges]
    return f"{offer.id} on {offer.hostname} ({offer.agent_id}): {', '.join(parts)}"
