"""How log lines are written: as text for people, or as one JSON object each for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

TEXT = "text"
JSON = "json"
FORMATS = (TEXT, JSON)
_TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object for each line: at, level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logs(level: str, form: str) -> None:
    """Write the logs of this process to its standard error."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(JsonFormatter() if form == JSON else logging.Formatter(_TEXT_FORMAT))
    logging.basicConfig(level=level, handlers=[output])
