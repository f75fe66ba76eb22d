"""The part of the OpenAPI document that describes the connectivity test. Pure."""

from __future__ import annotations

from calico_dcos.core.connectivity import MAX_AGENTS, TESTS, Outcome

from .commands import MAX_REASON_LENGTH
from .connectivity import START, STATUSES, STOP
from .views import Json


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT: Json = {"type": "string"}
_MOMENT: Json = {"type": ["number", "null"], "description": "seconds since the epoch"}
_RESULT = _object(
    test={"type": "string", "enum": list(TESTS)},
    action={"type": "string", "description": "what was tried, such as tcp; start where its peers never came up"},
    outcome={"type": "string", "enum": [outcome.value for outcome in Outcome]},
    message=_TEXT,
    rtt_ms={"type": ["number", "null"], "description": "round-trip time in milliseconds"},
    mtu={"type": ["integer", "null"], "description": "bytes of the largest packet that passed unfragmented"},
)
_PAIR = _object(
    client=_TEXT,
    server=_TEXT,
    status={"type": "string", "enum": list(STATUSES)},
    message={"type": "string", "description": "what it waits for, empty once it is through"},
    results={"type": "array", "items": _RESULT},
)
_RUN = _object(
    id=_TEXT,
    status={"type": "string", "enum": list(STATUSES)},
    message=_TEXT,
    started_at={"type": "number"},
    ended_at=_MOMENT,
    who=_TEXT,
    reason=_TEXT,
    tests={"type": "array", "items": {"type": "string", "enum": list(TESTS)}},
    left_out={"type": "object", "additionalProperties": {"type": "string"}, "description": "why not, by test"},
    pairs={"type": "array", "items": _PAIR},
)
_COMMAND: Json = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "enum": [START, STOP]},
        "agents": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "maxItems": MAX_AGENTS,
            "description": "keys, Mesos ids or hostnames; those that are complete where none is named",
        },
        "reason": {"type": ["string", "null"], "maxLength": MAX_REASON_LENGTH},
    },
    "required": ["command"],
    "additionalProperties": False,
}
RUN_SCHEMAS: Json = {"ConnectivityRun": _RUN, "ConnectivityCommand": _COMMAND}


def describe_reading() -> Json:
    """Describe how the newest run is read."""
    run = {"anyOf": [{"$ref": "#/components/schemas/ConnectivityRun"}, {"type": "null"}]}
    content = {"application/json; charset=utf-8": {"schema": _object(now={"type": "number"}, run=run)}}
    return {
        "summary": "the newest run of the connectivity test, null before the first",
        "responses": {"200": {"description": "as asked", "content": content}},
    }
