"""The sums that downloads have to have, as JSON, and the command that takes one back."""

from __future__ import annotations

import json
from typing import Any

from calico_dcos.core.command import Unpin
from calico_dcos.redaction import hide_secrets

from .commands import MAX_REASON_LENGTH, CommandEndpoint, MalformedCommandError
from .operator import clean
from .views import Json
from .walk import Snapshot

UNPIN = "unpin"
MAX_PIN_LENGTH = 2000


def build_pins(snapshot: Snapshot) -> Json:
    """Build the list: each pin, and the steps of today's settings that fetch it; none where nothing does any more."""
    return {
        "pins": [
            {
                "url": hide_secrets(url),
                "sha256": sha256,
                "steps": [step for step, urls in snapshot.downloads.items() if url in urls],
            }
            for url, sha256 in sorted(snapshot.pins.items())
        ]
    }


def parse_unpin(body: bytes, who: str) -> Unpin:
    """Read the command.

    Raises:
        MalformedCommandError: it is none.
    """
    try:
        document: Any = json.loads(body)
    except ValueError as error:
        raise MalformedCommandError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("command") != UNPIN:
        raise MalformedCommandError(f"the body is an object with command, which is {UNPIN}, pin and reason")
    pin, reason = document.get("pin"), document.get("reason") or ""
    if not isinstance(pin, str) or not 0 < len(pin) <= MAX_PIN_LENGTH or not isinstance(reason, str):
        raise MalformedCommandError("pin is the URL or the sum of one, and reason is a text")
    return Unpin(pin, who, clean(reason, MAX_REASON_LENGTH))


class Pins(CommandEndpoint):
    """`/v1/pins`: GET lists them, POST takes one back."""

    def get(self) -> None:
        """Answer the list."""
        self.answer_json(build_pins(self._feed.read_now().snapshot))

    async def post(self) -> None:
        """Take a command."""
        await self.carry_out(lambda: parse_unpin(self.request.body, self.who))
