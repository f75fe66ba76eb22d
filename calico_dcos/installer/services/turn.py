"""Waits for the turn of a supervisor: never two of one service on a host, and the next one goes on where one ended."""

from contextlib import ExitStack, contextmanager
from typing import Callable, Iterator

from ..host import Host
from ..lock import LockedError, hold_lock
from .stop import StopSignal

RETRY_S = 0.5


@contextmanager
def wait_turn(host: Host, service: str, stop: StopSignal, tell: Callable[[str], None]) -> Iterator[bool]:
    """Hold the service's lock for a ``with`` block, however long it takes to get it; False when asked to end first.

    The supervisor before this one may be the task of an agent that lost touch with its master: nobody can say when it
    ends. Failing after a while would count as a fault of this host, and be tried again for the same end.
    """
    with ExitStack() as held:
        is_told = False
        while True:
            try:
                held.enter_context(hold_lock(host, service, 0))
                break
            except LockedError:
                if not is_told:
                    tell("waits for its turn: another supervisor of {} runs on this host".format(service))
                is_told = True
            if stop.wait(RETRY_S):
                yield False
                return
        yield True
