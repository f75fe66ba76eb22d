"""Who exists: reads the agents from the master, whether or not they were ever offered."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from calico_dcos.core.events import Event, RosterRead
from calico_dcos.core.model import UNTRIED
from calico_dcos.outbound import URGENT_S, Caller, CallError, Poller
from calico_dcos.troubles import Source, Troubles

from .master import Login, MasterError, advise, ask_master, find_master
from .reading import MalformedError
from .translate import parse_roster

# For all of it: the list of 10,000 agents is tens of MB.
DEADLINE_S = 60.0
MAX_BYTES = 256 * 1024 * 1024
ZOOKEEPER_S = 10.0
# After this at the latest it is tried again to read it.
MAX_RETRY_S = 30.0
REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class RosterError(Exception):
    """The roster could not be read; the text says why in one line.

    Attributes:
        status: of the master's answer, 0 where there was none that says no.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def read_roster(
    master: str, *, timeout_s: float = DEADLINE_S, login: Login | None = None, caller: Caller | None = None
) -> RosterRead:
    """Ask the leading master for all agents; a master that does not lead sends us on to it.

    Args:
        master: as it is configured.
        timeout_s: for each of the few requests, from its beginning to its end.
        login: for a Mesos that authenticates.
        caller: makes the calls.

    Raises:
        RosterError: no answer, or none that makes sense.
    """
    began_at = time.monotonic()
    try:
        address = find_master(master, timeout_s=min(timeout_s, ZOOKEEPER_S))
        answer = ask_master(
            caller or Caller(), address, "/slaves", login=login, deadline_s=timeout_s, max_bytes=MAX_BYTES
        )
        if answer.status != HTTPStatus.OK:
            told = " ".join(answer.body[:200].decode(errors="replace").split())
            words = f"the Mesos master does not tell its agents: it answers {answer.status} {told}".rstrip()
            raise RosterError(words, answer.status)
        roster = parse_roster(json.loads(answer.body))
    except (MasterError, CallError) as error:
        raise RosterError(f"cannot read the agents from the master: {error}") from error
    except (MalformedError, ValueError, RecursionError) as error:
        raise RosterError(f"the master's list of agents makes no sense: {error}") from error
    return replace(roster, took_s=time.monotonic() - began_at)


def compute_pause_s(interval_s: float, took_s: float) -> float:
    """How long to rest after a reading: the list of 10,000 agents is tens of MB, which the master has to write anew.

    Args:
        interval_s: as it is configured.
        took_s: for the reading; the master is kept busy for at most a twentieth of the time.
    """
    return max(interval_s, 19 * took_s)


class RosterPoller:
    """Reads the roster from time to time, in a thread of its own.

    Args:
        master: as it is configured.
        interval_s: between two readings; longer where the master takes long to answer.
        post: takes each roster that was read.
        is_urgent: whether decisions wait for one.
        troubles: where it is told that it cannot be read.
        timeout_s: for each request.
        login: for a Mesos that authenticates.
        jitter: gives a number between 0 and 1; a pause after a failure is shortened by up to half.
    """

    def __init__(  # noqa: PLR0913 - what is at its edges has many parts
        self,
        *,
        master: str,
        interval_s: float,
        post: Callable[[Event], None],
        is_urgent: Callable[[], bool] = lambda: False,
        troubles: Troubles | None = None,
        timeout_s: float = DEADLINE_S,
        login: Login | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._master = master
        self._interval_s = interval_s
        self._post = post
        self._troubles = troubles or Troubles()
        self._timeout_s = timeout_s
        self._login = login
        self._jitter = jitter
        self._is_wanted = is_urgent
        self._backoff = UNTRIED
        self._caller = Caller()
        poller = Poller(name="roster", poll=self.poll, caller=self._caller, is_urgent=self.is_urgent)
        self.start, self.stop = poller.start, poller.stop

    def is_urgent(self) -> bool:
        """Whether to read before the time: not what could not be read, which has a time of its own."""
        return self._backoff == UNTRIED and self._is_wanted()

    def poll(self) -> float:
        """Read the roster, and post or tell what comes of it; gives the seconds until the next reading."""
        began_at = time.monotonic()
        try:
            roster = read_roster(self._master, timeout_s=self._timeout_s, login=self._login, caller=self._caller)
        except RosterError as error:
            is_refused = error.status in REFUSALS
            self._troubles.tell(Source.ROSTER, str(error), advise(error.status), stops_all=is_refused)
            return self._back_off(time.monotonic() - began_at, str(error))
        self._backoff = UNTRIED
        self._tell_unread(roster.unread)
        self._post(roster)
        return compute_pause_s(self._interval_s, time.monotonic() - began_at)

    def _back_off(self, took_s: float, reason: str) -> float:
        """Let the master be for a while: decisions may wait for it, and asking every second helps none of them."""
        self._backoff = self._backoff.grow(0.0, URGENT_S, min(self._interval_s, MAX_RETRY_S), reason)
        # A master that takes long to answer is not asked again at once.
        return max(took_s, self._backoff.until * (1.0 - self._jitter() / 2))

    def _tell_unread(self, count: int) -> None:
        if count:
            words = f"{count} in the Mesos master's list of agents make no sense: nobody is taken for absent"
            self._troubles.tell(Source.ROSTER, words, "see their id, hostname and pid in its /slaves")
        else:
            self._troubles.end(Source.ROSTER)
