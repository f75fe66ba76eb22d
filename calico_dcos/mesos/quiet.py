"""pymesos, imported without what it does to the whole process: it takes SIGINT for itself."""

from __future__ import annotations

import signal

_handler = signal.getsignal(signal.SIGINT)
import pymesos  # noqa: E402 - the handler of before is read first
import pymesos.process  # noqa: E402
from pymesos.detector import MasterDetector  # noqa: E402

signal.signal(signal.SIGINT, _handler)

__all__ = ["MasterDetector", "pymesos"]
