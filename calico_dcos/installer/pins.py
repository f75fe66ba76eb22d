"""Pins: which sum each download had when it was installed: where no sum is wanted, it tells later changes."""

import json
from typing import Dict, NamedTuple

from .files import FileError, read_file, write_file
from .host import STATE_DIR, Host

PINS_FILE = STATE_DIR + "/pins.json"

Pin = NamedTuple("Pin", [("url", str), ("sha256", str)])


def read_pins(host: Host) -> Dict[str, Pin]:
    """Read the pins by the names of what was installed; a file that is not readable pins nothing."""
    try:
        content = json.loads((read_file(host.path(PINS_FILE)) or b"{}").decode("utf-8"))
        return {name: Pin(entry["url"], entry["sha256"]) for name, entry in content.items()}
    except (FileError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_pin(host: Host, name: str, pin: Pin) -> None:
    """Save one pin; FileError if that is not possible."""
    pins = dict(read_pins(host))
    pins[name] = pin
    content = {name: {"url": pin.url, "sha256": pin.sha256} for name, pin in pins.items()}
    text = json.dumps(content, indent=4, sort_keys=True) + "\n"
    write_file(host, host.path(PINS_FILE), text.encode("utf-8"))
