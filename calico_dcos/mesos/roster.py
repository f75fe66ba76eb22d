"""Who exists: reads the agents from the master, whether or not they were ever offered."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import requests

from calico_dcos.core.events import Event, RosterRead

from .master import Login, MasterError, find_master, open_session
from .reading import MalformedError
from .translate import parse_roster

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
# How often it is looked whether a roster is needed before its time.
URGENT_S = 1.0


class RosterError(Exception):
    """The roster could not be read; the text says why in one line."""


def read_roster(master: str, *, timeout_s: float = TIMEOUT_S, login: Login | None = None) -> RosterRead:
    """Ask the leading master for all agents; a master that does not lead sends us on to it.

    Args:
        master: as it is configured.
        timeout_s: for each of the few requests.
        login: for a Mesos that authenticates.

    Raises:
        RosterError: no answer, or none that makes sense.
    """
    began_at = time.monotonic()
    try:
        address = find_master(master, timeout_s=timeout_s)
        with open_session(login) as session:
            answer = session.get(f"http://{address}/slaves", timeout=timeout_s)
            answer.raise_for_status()
            roster = parse_roster(answer.json())
    except (MasterError, requests.RequestException) as error:
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
        timeout_s: for each request.
        login: for a Mesos that authenticates.
    """

    def __init__(
        self,
        *,
        master: str,
        interval_s: float,
        post: Callable[[Event], None],
        is_urgent: Callable[[], bool] = lambda: False,
        timeout_s: float = TIMEOUT_S,
        login: Login | None = None,
    ) -> None:
        self._master = master
        self._interval_s = interval_s
        self._post = post
        self._is_urgent = is_urgent
        self._timeout_s = timeout_s
        self._login = login
        self._trouble = ""
        self._stopping = threading.Event()
        self._unread = 0
        self._thread = threading.Thread(target=self._poll_for_ever, name="roster", daemon=True)

    def start(self) -> None:
        """Read for the first time, and go on until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a request under way is waited for."""
        self._stopping.set()
        self._thread.join()

    def _poll_for_ever(self) -> None:
        while not self._stopping.is_set():
            began_at = time.monotonic()
            self._poll()
            took_s = time.monotonic() - began_at
            self._rest(time.monotonic() + compute_pause_s(self._interval_s, took_s))

    def _rest(self, until: float) -> None:
        """Wait until a moment of the monotonic clock, or until a roster is needed at once."""
        while (left_s := until - time.monotonic()) > 0:
            if self._stopping.wait(min(URGENT_S, left_s)) or self._is_urgent():
                return

    def _poll(self) -> None:
        try:
            roster = read_roster(self._master, timeout_s=self._timeout_s, login=self._login)
        except RosterError as error:
            # The same trouble is told once, not at each interval.
            if str(error) != self._trouble:
                log.warning("%s", error)
            self._trouble = str(error)
            return
        if self._trouble:
            log.info("Reads the agents from the master again: %d", len(roster.agents))
        self._trouble = ""
        if roster.unread != self._unread:
            log.warning("Of the master's list of agents, %d make no sense", roster.unread)
        self._unread = roster.unread
        self._post(roster)
