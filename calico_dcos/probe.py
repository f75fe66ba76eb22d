"""Asks a scheduler on this machine whether it works: what the image's health check does."""

from __future__ import annotations

import requests

TIMEOUT_S = 10


def probe_health(port: int) -> str | None:
    """Ask; None if all is well, else why not."""
    try:
        # Never through a proxy that the environment names.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"http://127.0.0.1:{port}/health", timeout=TIMEOUT_S)
    except requests.RequestException as error:
        return f"nothing answers on port {port}: {error}"
    return None if answer.ok else f"status {answer.status_code}: {answer.text.strip()}"
