"""The OpenAPI document of the HTTP API: what `application` serves, told to machines. Pure."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from calico_dcos.core.model import Status
from calico_dcos.troubles import Source

from .listing import KINDS, MAX_LIMIT, MAX_OFFSET, MAX_SEARCH_LENGTH, ORDERS, SORTS
from .metrics import PROMETHEUS
from .openapi_commands import SCHEMAS, describe_commands
from .outlook import OUTLOOKS
from .plan import Badge
from .sdk_views import Health
from .views import DEPLOY, GROUPS, Json

VERSION = "1"
_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_STRINGS: Json = {"type": "array", "items": {"type": "string"}}
_OBJECT: Json = {"type": "object"}
_MOMENT: Json = {"type": ["number", "null"], "description": "seconds since the epoch"}
_NAME: Json = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _object(*, optional: tuple[str, ...] = (), **properties: Any) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _refer(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(schema: Json, description: str, content_type: str = _JSON) -> Json:
    return {"description": description, "content": {content_type: {"schema": schema}}}


def _get(summary: str, schema: Json, *parameters: Json, also: Json | None = None, content_type: str = _JSON) -> Json:
    """Describe a path that is read, by its answer of 200 and others."""
    answers: Json = {"200": _answer(schema, "as asked", content_type), **(also or {})}
    operation: Json = {"summary": summary, "responses": answers}
    return {"get": {**operation, "parameters": list(parameters)} if parameters else operation}


def _query(name: str, schema: Json, description: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema, **more}


_REFUSED = {"400": _answer(_refer("Error"), "a parameter has a value that it does not take")}
_MISSING = {"404": _answer(_refer("Error"), "it is not there")}
_MISSING_TEXT = {"404": _answer({"type": "string"}, "it is not there", _TEXT)}

_LISTING_PARAMETERS = (
    _query("q", {"type": "string", "maxLength": MAX_SEARCH_LENGTH}, "words that a row must have"),
    _query(
        "group",
        {"type": "array", "items": {"type": "string", "enum": list(GROUPS)}, "minItems": 1},
        "what the agents do",
        style="form",
        explode=False,
    ),
    _query("kind", {"type": "string", "enum": list(KINDS)}, "which agents"),
    _query("outlook", {"type": "string", "enum": list(OUTLOOKS)}, "what is left to change there"),
    _query("sort", {"type": "string", "enum": list(SORTS)}, "by what rows are sorted"),
    _query("order", {"type": "string", "enum": list(ORDERS)}, "which way"),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "rows of a page; all without it"),
    _query("offset", {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET}, "rows before the page"),
)
_STATUS = {"type": "string", "enum": [status.value for status in Status]}
_STEP = _object(
    name={"type": "string"},
    status=_STATUS,
    badge={
        "type": "string",
        "enum": [badge.value for badge in Badge],
        "description": "what the status does not say: off and waived steps are COMPLETE without being done, refused "
        "ones are in ERROR without having been tried, unknown ones could not be looked at",
    },
    message={"type": "string"},
    since=_MOMENT,
    attempts={"type": "integer"},
    task_id={"type": "string"},
    done_bytes={"type": ["integer", "null"]},
    total_bytes={"type": ["integer", "null"]},
)
_PAUSE = {
    **_object(at={"type": "number"}, who={"type": "string"}, reason={"type": "string"}),
    "type": ["object", "null"],
}
_NODE = {
    **_object(name={"type": "string"}, address={"type": "string"}),
    "type": ["object", "null"],
    "description": "what Calico knows the host as, or would",
}
_ROW = _object(
    key={"type": "string"},
    agent_id={"type": "string"},
    hostname={"type": "string"},
    ip={"type": "string"},
    port={"type": "integer"},
    is_public={"type": "boolean"},
    mesos_version={"type": "string"},
    docker_version={"type": "string", "description": "empty before the host was inspected"},
    dcos_version={"type": "string", "description": "empty on plain Mesos, and before the host was inspected"},
    status=_STATUS,
    group={"type": "string", "enum": list(GROUPS)},
    message={"type": "string"},
    since=_MOMENT,
    slot_since=_MOMENT,
    pause=_PAUSE,
    walk_s={"type": ["number", "null"], "description": "seconds from the first change to the end of the phase"},
    outlook=_object(
        is_inspected={"type": "boolean"},
        node=_NODE,
        changes={"type": "object", "additionalProperties": {"type": "integer"}, "description": "how many, by step"},
        restarts=_STRINGS,
        refused={**_STRINGS, "description": "steps that must not be done there"},
        unclear={**_STRINGS, "description": "steps that could not be looked at, or are of no use although in place"},
    ),
    steps={"type": "array", "items": _refer("Step")},
)
_TROUBLES: Json = {
    "type": "array",
    "description": "what is wrong with what the scheduler depends on, the worst first",
    "items": _object(
        source={"type": "string", "enum": [source.value for source in Source]},
        words={"type": "string"},
        remedy={"type": "string", "description": "what can be done, empty where waiting is all"},
        since=_MOMENT,
        stops_all={"type": "boolean", "description": "whether nothing works while it lasts"},
    ),
}
_SUMMARY = _object(
    service={"type": "string"},
    framework_id={"type": "string"},
    master={"type": "string"},
    is_connected={"type": "boolean"},
    troubles=_TROUBLES,
    status=_STATUS,
    errors=_STRINGS,
    message={"type": "string", "description": "what keeps the whole walk waiting, empty if nothing does"},
    pause=_PAUSE,
    total={"type": "integer"},
    complete={"type": "integer"},
    working={"type": "integer"},
    waiting={"type": "integer"},
    failed={"type": "integer"},
    left_s={"type": ["number", "null"], "description": "estimated seconds until the walk ends"},
    off={**_STRINGS, "description": "steps that are off"},
    is_preflight={"type": "boolean", "description": "whether agents are only looked at"},
    outlook={
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "required": ["inspected", *OUTLOOKS],
        "description": "agents of which each word is said",
    },
    slots={"type": "integer"},
    slots_held={"type": "integer"},
    active={"type": "array", "items": _refer("Agent")},
    next={**_STRINGS, "description": "keys of the agents that take a slot next"},
    reasons={"type": "array", "items": _object(reason={"type": "string"}, agents={"type": "integer"})},
)
_LISTING = _object(
    optional=("order",),
    now={"type": "number"},
    summary=_refer("Summary"),
    matching={"type": "integer"},
    agents={"type": "array", "items": _refer("Agent")},
    gone=_STRINGS,
    order=_STRINGS,
)
_SDK_STEP = _object(
    id={"type": "string", "format": "uuid"}, status=_STATUS, name={"type": "string"}, message={"type": "string"}
)
_SDK_PHASE = _object(
    id={"type": "string", "format": "uuid"},
    name={"type": "string"},
    steps={"type": "array", "items": _SDK_STEP},
    strategy={"type": "string"},
    status=_STATUS,
)
_SDK_PLAN = _object(
    phases={"type": "array", "items": _SDK_PHASE},
    errors=_STRINGS,
    strategy={"type": "string"},
    status=_STATUS,
)
_POD_INSTANCE = _object(name={"type": "string"}, tasks={"type": "array", "items": _OBJECT})
_PLAN_ANSWERS: Json = {
    "202": _answer(_refer("Plan"), "the plan is not complete"),
    "417": _answer(_refer("Plan"), "the plan has errors"),
}


def _describe_ours() -> Json:
    also_503 = {"503": _answer(_OBJECT, "it does not work, and why")}
    follow = "live events: `snapshot`, then `agents` with what changed"
    return {
        "/health": _get(
            "whether the scheduler works",
            _object(
                optional=("reason",), is_healthy={"type": "boolean"}, reason={"type": "string"}, troubles=_TROUBLES
            ),
            also=also_503,
        ),
        "/v1/agents": _get("agents", _refer("Listing"), *_LISTING_PARAMETERS, also=_REFUSED),
        "/v1/agents/{name}": _get("one agent, by its key, Mesos id or hostname", _refer("Agent"), _NAME, also=_MISSING),
        "/v1/events": _get(
            follow,
            {"type": "string"},
            *_LISTING_PARAMETERS,
            also={**_REFUSED, "503": _answer(_refer("Error"), "too many clients follow already")},
            content_type="text/event-stream; charset=utf-8",
        ),
        "/v1/metrics": _get("the SDK's metrics", _OBJECT),
        "/v1/metrics/prometheus": _get("metrics for Prometheus", {"type": "string"}, content_type=PROMETHEUS),
        "/v1/openapi.json": _get("this document", _OBJECT),
    }


def _describe_sdk() -> Json:
    ids = {"type": "array", "items": {"type": "string", "format": "uuid"}}
    health = _object(value={"type": "integer"}, reasons=_STRINGS)
    bodies = {str(int(code)): _answer(health, code.name) for code in Health}
    bodies |= {
        str(int(code)): {"description": code.name} for code in (Health.DEPLOYING_PENDING, Health.RECOVERING_STARTING)
    }
    return {
        "/v1/health": {"get": {"summary": "the SDK's health", "responses": bodies}},
        "/v1/plans": _get("names of the plans", _STRINGS),
        "/v1/plans/{name}": _get(
            f"a plan; there is {DEPLOY}", _refer("Plan"), _NAME, also={**_PLAN_ANSWERS, **_MISSING_TEXT}
        ),
        "/v1/plan": _get("the deploy plan", _refer("Plan"), also=_PLAN_ANSWERS),
        "/v1/state/frameworkId": _get("Mesos' id of the framework", _STRINGS, also=_MISSING),
        "/v1/endpoints": _get("names of the endpoints", _STRINGS),
        "/v1/endpoints/{name}": _get(
            "where an endpoint is", _object(dns=_STRINGS, address=_STRINGS), _NAME, also=_MISSING_TEXT
        ),
        "/v1/pod": _get("names of the pods: our agents", _STRINGS),
        "/v1/pod/status": _get(
            "services of all agents",
            _object(
                service={"type": "string"},
                pods={
                    "type": "array",
                    "items": _object(name={"type": "string"}, instances={"type": "array", "items": _POD_INSTANCE}),
                },
            ),
        ),
        "/v1/pod/{name}/status": _get("services of an agent", _POD_INSTANCE, _NAME, also=_MISSING_TEXT),
        "/v1/pod/{name}/info": _get(
            "tasks of an agent", {"type": "array", "items": _OBJECT}, _NAME, also=_MISSING_TEXT
        ),
        "/v1/configurations": _get("ids of the configurations", ids),
        "/v1/configurations/targetId": _get("id of the wanted configuration", ids),
        "/v1/configurations/{name}": _get(
            "the effective settings without secrets, by the id of the configuration or as target",
            _object(id={"type": "string", "format": "uuid"}, settings=_OBJECT),
            _NAME,
            also=_MISSING_TEXT,
        ),
        "/v1/state/properties": _get("names of the properties", _STRINGS),
        "/v1/state/properties/{name}": _get("a property", {"type": "string"}, _NAME, also=_MISSING_TEXT),
        "/v1/state/files": _get("files: none", _STRINGS),
        "/v1/debug/plans": _get(
            "the plan in short",
            _OBJECT,
            _query("plan", {"type": "string"}, "its name"),
            _query("phase", {"type": "string"}, "an agent"),
            _query("step", {"type": "string"}, "a step"),
            also=_MISSING_TEXT,
        ),
        "/v1/debug/taskStatuses": _get("states of all services", _OBJECT),
        "/v1/debug/reservations": _get("reservations: none", _OBJECT),
        "/v1/debug/threads": _get("what the threads do", {"type": "string"}, content_type=_TEXT),
        "/v2/debug/offers": _get("what became of the newest offers", _OBJECT),
    }


@cache
def build_openapi() -> Json:
    """Build the document; paths are relative to where it was found, so that it holds behind any prefix."""
    schemas = {
        "Error": _object(status={"type": "integer"}, error={"type": "string"}),
        "Step": _STEP,
        "Agent": _ROW,
        "Summary": _SUMMARY,
        "Listing": _LISTING,
        "Plan": _SDK_PLAN,
        **SCHEMAS,
    }
    refused = _answer(_refer("Error"), HTTPStatus.METHOD_NOT_ALLOWED.phrase)
    paths = {**_describe_ours(), **_describe_sdk(), **describe_commands()}
    for operations in paths.values():
        for operation in operations.values():
            # What takes commands says in its own words why it does not.
            operation["responses"].setdefault("405", refused)
    return {
        "openapi": "3.1.0",
        "info": {"title": "calico-dcos", "version": VERSION},
        "servers": [{"url": "../"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }
