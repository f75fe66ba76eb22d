"""Settings of who the scheduler is to the master, and who may command it."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import LOGIN, LONG_WORD, WORD, Text
from .settings import setting

SECTION = "Security"
DESCRIPTION = "Who the scheduler is to the Mesos master, and who may command it."


@dataclass(frozen=True)
class SecuritySettings:
    """Credentials."""

    principal: str = setting(
        Text("a principal without blanks", WORD),
        "",
        f"{SECTION}.principal",
        "Mesos principal of the framework. Empty: none.",
    )
    secret: str = setting(
        Text(),
        "",
        f"{SECTION}.secret",
        "Secret of the principal, for masters that authenticate frameworks.",
        is_secret=True,
        vault_key="service-account-secret",
    )
    agent_login: str = setting(
        Text("a principal, a colon and a secret, without blanks", LOGIN),
        "",
        f"{SECTION}.agent-login",
        "Principal and secret, with a colon between them, for agents that want a login for what they tell of "
        "themselves (authenticate_http_readonly). Whoever may see a task of Mesos sees its environment, and so this.",
        is_secret=True,
    )
    operator_token: str = setting(
        Text("a token without blanks, of at least 16 characters", LONG_WORD),
        "",
        f"{SECTION}.operator-token",
        "What an operator has to show to pause, resume, retry or skip. Empty: the page and the API are read-only.",
        is_secret=True,
    )
