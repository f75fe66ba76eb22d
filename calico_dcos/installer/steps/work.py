"""What every step gets to do its changes with, and how it fails."""

from typing import NamedTuple

from ..facts import Facts
from ..host import Host
from ..report import Reporter
from ..wanted import Wanted

Work = NamedTuple("Work", [("host", Host), ("wanted", Wanted), ("facts", Facts), ("reporter", Reporter)])


class StepError(Exception):
    """A change failed: why in one line, what a tool said in several; what could be put back has been."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
