"""The part of the OpenAPI document that describes commands, the audit log and the preflight. Pure."""

from __future__ import annotations

from calico_dcos.core.command import CommandName
from calico_dcos.core.model import StepName

from .commands import MAX_REASON_LENGTH
from .openapi_connectivity import RUN_SCHEMAS, describe_reading
from .outlook import OUTLOOKS
from .pins import MAX_PIN_LENGTH, UNPIN
from .preflight import FORMATS
from .sdk_commands import COMMANDS, UNCONDITIONAL
from .sdk_pods import POD_COMMANDS
from .views import DEPLOY, Json

_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_NAME: Json = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_TOKEN: Json = {
    "name": "X-Calico-Token",
    "in": "header",
    "required": False,
    "description": "the operator token; Authorization: Bearer takes it, too",
    "schema": {"type": "string", "pattern": "^[!-~]*$"},
}
_NOT_ALLOWED = {
    "401": "no operator token was shown",
    "403": "the wrong token, a page of another site, or no commands at all: read-only",
}
_COMMAND: Json = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "enum": [name.value for name in CommandName]},
        "step": {"type": ["string", "null"], "enum": [*(name.value for name in StepName), None]},
        "reason": {"type": "string", "maxLength": MAX_REASON_LENGTH},
    },
    "required": ["command"],
    "additionalProperties": False,
}
_ENTRY: Json = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "at": {"type": "number", "description": "seconds since the epoch"},
        "who": {"type": "string"},
        "command": {"type": "string"},
        "agent": {"type": ["string", "null"]},
        "step": {"type": ["string", "null"]},
        "reason": {"type": "string"},
        "effect": {"type": "string"},
    },
    "required": ["number", "at", "who", "command", "agent", "step", "reason", "effect"],
}

_UNPIN: Json = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "enum": [UNPIN]},
        "pin": {"type": "string", "minLength": 1, "maxLength": MAX_PIN_LENGTH, "description": "its URL or its sum"},
        "reason": {"type": ["string", "null"], "maxLength": MAX_REASON_LENGTH},
    },
    "required": ["command", "pin"],
}

SCHEMAS: Json = {
    "Unpin": _UNPIN,
    "Message": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
    "Command": _COMMAND,
    "AuditEntry": _ENTRY,
    **RUN_SCHEMAS,
}


def describe_commands() -> Json:
    """Describe the paths that take commands, and the audit log."""
    own = {
        "/v1/agents/{name}/commands": _describe_own("commands an agent"),
        "/v1/plans/{name}/commands": _describe_own(f"commands a plan; there is {DEPLOY}"),
        "/v1/connectivity": {
            "get": describe_reading(),
            **_describe_own("starts or stops a connectivity test", "ConnectivityCommand", parameters=()),
        },
        "/v1/pins": {
            "get": _describe_pins(),
            **_describe_own("takes the sum of a download back", "Unpin", parameters=()),
        },
        "/v1/audit": {"get": _describe_audit()},
        "/v1/preflight": {"get": _describe_preflight()},
    }
    of_plans = {f"/v1/plans/{{name}}/{word}": {"post": _describe_sdk(word, [_NAME])} for word in COMMANDS}
    of_the_plan = {f"/v1/plan/{word}": {"post": _describe_sdk(word, [])} for word in COMMANDS}
    of_pods = {f"/v1/pod/{{name}}/{word}": {"post": _describe_pod(word)} for word in POD_COMMANDS}
    return {**own, **of_plans, **of_the_plan, **of_pods}


def _tell(description: str, *kinds: str) -> Json:
    schema = {"$ref": "#/components/schemas/Message"}
    content = {kind: {"schema": schema if kind == _JSON else {"type": "string"}} for kind in kinds or (_JSON,)}
    return {"description": description, "content": content}


def _describe_own(summary: str, schema: str = "Command", parameters: tuple[Json, ...] = (_NAME,)) -> Json:
    codes = {
        "200": "obeyed and stored",
        "208": "so already",
        "400": "not understood",
        **_NOT_ALLOWED,
        "404": "it is not there",
        "409": "not possible now, and why",
        "503": "the store is away",
    }
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
    answers = {code: _tell(text) for code, text in {**codes, "405": "it takes POST"}.items()}
    return {
        "post": {"summary": summary, "parameters": [*parameters, _TOKEN], "requestBody": body, "responses": answers},
    }


def _describe_sdk(word: str, parameters: list[Json]) -> Json:
    names = [] if word in UNCONDITIONAL else ["phase"]
    names += ["step"] if word in {"restart", "forceComplete"} else []
    query = [{"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in names]
    answers = {
        "200": _tell("obeyed and stored"),
        "208": _tell("so already", _TEXT),
        "400": _tell("not understood", _TEXT, _JSON),
        **{code: _tell(text) for code, text in _NOT_ALLOWED.items()},
        "404": _tell("it is not there", _TEXT, _JSON),
        "405": _tell("it takes POST"),
        "409": _tell("not possible now, and why"),
        "503": _tell("the store is away"),
    }
    return {"summary": f"the SDK's {word}", "parameters": [*parameters, *query, _TOKEN], "responses": answers}


def _describe_pod(word: str) -> Json:
    names = {"type": "array", "items": {"type": "string"}}
    document = {
        "type": "object",
        "properties": {"pod": {"type": "string"}, "tasks": names},
        "required": ["pod", "tasks"],
    }
    answers = {
        "200": {"description": "obeyed and stored, or so already", "content": {_JSON: {"schema": document}}},
        "400": _tell("the body is no list of names"),
        **{code: _tell(text) for code, text in _NOT_ALLOWED.items()},
        "404": _tell("it is not there", _TEXT),
        "405": _tell("it takes POST"),
        "409": _tell("an agent is commanded as a whole"),
        "503": _tell("the store is away"),
    }
    return {
        "summary": f"the SDK's pod {word}: an agent and its services",
        "parameters": [_NAME, _TOKEN],
        "requestBody": {"required": False, "content": {"application/json": {"schema": names}}},
        "responses": answers,
    }


def _describe_audit() -> Json:
    number = {"type": "integer", "minimum": 0}
    listing = {
        "type": "object",
        "properties": {
            "entries": {"type": "array", "items": {"$ref": "#/components/schemas/AuditEntry"}},
            "next": {"type": ["integer", "null"], "description": "`before` of the next page"},
        },
        "required": ["entries", "next"],
    }
    refused = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {
        "summary": "commands that were obeyed, the newest first",
        "parameters": [
            {"name": "limit", "in": "query", "required": False, "schema": number},
            {"name": "before", "in": "query", "required": False, "schema": number},
        ],
        "responses": {
            "200": {"description": "as asked", "content": {_JSON: {"schema": listing}}},
            "400": {"description": "limit or before is no such number", "content": {_JSON: refused}},
        },
    }


def _describe_pins() -> Json:
    texts = {"url": {"type": "string"}, "sha256": {"type": "string"}}
    steps = {"type": "array", "items": {"type": "string"}, "description": "that fetch it today"}
    pin = {"type": "object", "properties": {**texts, "steps": steps}, "required": ["url", "sha256", "steps"]}
    listing = {"type": "object", "properties": {"pins": {"type": "array", "items": pin}}, "required": ["pins"]}
    return {
        "summary": "the sums that downloads have to have, where no setting gives one: the first that was reported",
        "responses": {"200": {"description": "as asked", "content": {_JSON: {"schema": listing}}}},
    }


def _describe_preflight() -> Json:
    document = {"type": "object", "required": ["now", "is_preflight", "total", "agents"]}
    refused = {"schema": {"$ref": "#/components/schemas/Error"}}
    answer = {_JSON: {"schema": document}, "text/csv; charset=utf-8": {"schema": {"type": "string"}}}
    return {
        "summary": "what the walk would change and restart, per agent and in sum",
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string", "enum": list(words)}}
            for name, words in (("format", FORMATS), ("outlook", OUTLOOKS))
        ],
        "responses": {
            "200": {"description": "as asked", "content": answer},
            "400": {"description": "no such format or outlook", "content": {_JSON: refused}},
        },
    }
