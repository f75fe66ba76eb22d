"""Talks to the API of a running scheduler."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests

Json = dict[str, Any]

TIMEOUT_S = 30.0
# The plan's own codes: complete, not yet, with errors.
_ANSWERS = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.ALREADY_REPORTED, HTTPStatus.EXPECTATION_FAILED)


class ClientError(Exception):
    """The scheduler was not reached, or did not do what was asked; the text is one line for people.

    Attributes:
        is_refusal: whether the scheduler answered, and refused.
    """

    def __init__(self, text: str, *, is_refusal: bool = False) -> None:
        super().__init__(text)
        self.is_refusal = is_refusal


class Client:
    """The API at a URL, which may have a prefix such as /service/calico.

    Args:
        url: of the status page.
        token: the operator's, for commands; empty for reading.
        dcos_token: of the DC/OS user, where the URL leads through DC/OS's proxy; empty elsewhere.
    """

    def __init__(self, url: str, *, token: str = "", dcos_token: str = "") -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        if token:
            self._session.headers["X-Calico-Token"] = token
        if dcos_token:
            self._session.headers["Authorization"] = f"token={dcos_token}"

    def read_listing(self, **query: str) -> Json:
        """Read rows of agents, with the summary.

        Raises:
            ClientError: they were not had.
        """
        return self._ask("GET", "v1/agents", params=query)

    def read_agent(self, name: str) -> Json:
        """Read all that is known of an agent: by its key, Mesos agent id or hostname.

        Raises:
            ClientError: it was not had.
        """
        return self._ask("GET", f"v1/agents/{quote(name, safe='')}")

    def read_preflight(self, outlook: str = "") -> Json:
        """Read what would change and restart, on all agents or on those that a word of `outlook` is said of.

        Raises:
            ClientError: it was not had.
        """
        return self._ask("GET", "v1/preflight", params={"outlook": outlook} if outlook else {})

    def read_preflight_csv(self, outlook: str = "") -> str:
        """Read the same as CSV.

        Raises:
            ClientError: it was not had.
        """
        url = f"{self._url}/v1/preflight"
        wanted = {"format": "csv", **({"outlook": outlook} if outlook else {})}
        try:
            answer = self._session.get(url, params=wanted, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise ClientError(f"{url}: nothing answers ({_find_cause(error)}); see --url") from error
        if not answer.headers.get("Content-Type", "").startswith("text/csv"):
            raise ClientError(f"{url}: no scheduler of calico-dcos answers there (status {answer.status_code})")
        return answer.content.decode("utf-8")

    def command(self, word: str, *, agent: str = "", step: str = "", reason: str = "") -> str:
        """Have a command obeyed; without an agent it is for the whole walk.

        Returns:
            What was done, or that it was so already.

        Raises:
            ClientError: it was not obeyed.
        """
        path = f"v1/agents/{quote(agent, safe='')}/commands" if agent else "v1/plans/deploy/commands"
        body = {"command": word, "step": step or None, "reason": reason}
        return str(self._ask("POST", path, json=body).get("message", ""))

    def read_pins(self) -> Json:
        """Read the sums that downloads have to have where no setting gives one.

        Raises:
            ClientError: they were not had.
        """
        return self._ask("GET", "v1/pins")

    def unpin(self, pin: str, reason: str = "") -> str:
        """Take the sum of a download back: by its URL or by itself.

        Raises:
            ClientError: it was not taken back.
        """
        body = {"command": "unpin", "pin": pin, "reason": reason}
        return str(self._ask("POST", "v1/pins", json=body).get("message", ""))

    def read_connectivity(self) -> Json:
        """Read the newest run of the connectivity test: `run`, None before the first.

        Raises:
            ClientError: it was not had.
        """
        return self._ask("GET", "v1/connectivity")

    def start_connectivity(self, agents: list[str], reason: str = "") -> str:
        """Start a connectivity test on these agents, or on complete ones where none is named.

        Raises:
            ClientError: it was not started.
        """
        body = {"command": "start", "agents": agents, "reason": reason}
        return str(self._ask("POST", "v1/connectivity", json=body).get("message", ""))

    def stop_connectivity(self, reason: str = "") -> str:
        """End the connectivity test that is going on.

        Raises:
            ClientError: it was not ended.
        """
        return str(self._ask("POST", "v1/connectivity", json={"command": "stop", "reason": reason}).get("message", ""))

    def _ask(self, method: str, path: str, **options: Any) -> Json:
        url = f"{self._url}/{path}"
        try:
            answer = self._session.request(method, url, timeout=TIMEOUT_S, **options)
            document = answer.json()
        except requests.JSONDecodeError as error:
            raise ClientError(
                f"{url}: no scheduler of calico-dcos answers there (status {answer.status_code})"
            ) from error
        except requests.RequestException as error:
            raise ClientError(f"{url}: nothing answers ({_find_cause(error)}); see --url") from error
        if answer.status_code not in _ANSWERS:
            told = document.get("message") or document.get("error") if isinstance(document, dict) else None
            raise ClientError(str(told or f"{url}: status {answer.status_code}"), is_refusal=True)
        if not isinstance(document, dict):
            raise ClientError(f"{url}: no scheduler of calico-dcos answers there")
        return document


def _find_cause(error: BaseException) -> str:
    """The innermost reason: what wraps it repeats the address."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__
