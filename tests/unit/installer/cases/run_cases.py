"""Runs the cases of this directory: (facts of a host, what is wanted) -> what the plan says, all of it as data.

In Python 3.5's grammar and with its library only, because ``python run_cases.py`` runs them on the oldest Python of a
machine; ``test_cases.py`` runs the same ones here. A case says what differs from an ordinary host (``host.json``, on
which nothing is left to do) and from what is ordinarily wanted (``wanted.json``):

- ``facts``: place -> value, ``docker.engine.version`` or ``cni.configs.0.network``;
- ``outputs``: place -> files under ``outputs/``, what a real tool said there, read as the installer reads it;
- ``wanted``: place -> value;
- ``plan``: step -> ``actions`` (names, in order), ``restarts``, ``reason``, ``impact``, ``refusal``, ``unknown``,
  ``fault``, ``proof``, ``warning``: texts are parts of what is said. A step that is not named is proven, and warns of
  nothing.
"""

import copy
import json
import os
import sys
from typing import Any, Dict, List

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.abspath(os.path.join(HERE, *[os.pardir] * 4))
if PROJECT not in sys.path:
    sys.path.insert(0, PROJECT)

from calico_dcos.installer.facts import Facts  # noqa: E402  (it is found by the line above)
from calico_dcos.installer.facts.calico_node import parse_container  # noqa: E402
from calico_dcos.installer.facts.cni import find_broken, find_duplicates, parse_config  # noqa: E402
from calico_dcos.installer.facts.docker import parse_engine  # noqa: E402
from calico_dcos.installer.facts.identity import complete_wanted  # noqa: E402
from calico_dcos.installer.facts.mesos_agent import parse_agent_state  # noqa: E402
from calico_dcos.installer.facts.network import parse_sockets  # noqa: E402
from calico_dcos.installer.facts.node import Node  # noqa: E402
from calico_dcos.installer.facts.system import parse_cgroups  # noqa: E402
from calico_dcos.installer.facts.theirs import parse_theirs  # noqa: E402
from calico_dcos.installer.plans import plan_changes  # noqa: E402
from calico_dcos.installer.plans.changes import Decision  # noqa: E402
from calico_dcos.installer.systemd import parse_show  # noqa: E402
from calico_dcos.installer.unit_words import expand_words, parse_environment_file  # noqa: E402
from calico_dcos.installer.unknown import Unknown, to_json  # noqa: E402
from calico_dcos.installer.wanted import STEPS, Wanted, parse_wanted  # noqa: E402


def load_cases() -> List[Dict[str, Any]]:
    """Load every case, in the order of the files and in them."""
    names = sorted(name for name in os.listdir(HERE) if name.endswith(".cases.json"))
    return [case for name in names for case in _load(name)]


def find_faults(case: Dict[str, Any]) -> List[str]:
    """Plan a case, and find what comes out otherwise than it says."""
    wanted = build_wanted(case)
    facts = build_facts(case, wanted)
    plan = plan_changes(facts, wanted)
    expected = case["plan"]
    return ["{}: {}".format(step, fault) for step in STEPS for fault in _compare(plan[step], expected.get(step, {}))]


def build_wanted(case: Dict[str, Any]) -> Wanted:
    """Build what is wanted in a case."""
    return parse_wanted(json.dumps(_set_all(_load("wanted.json"), case.get("wanted", {}))))


def build_facts(case: Dict[str, Any], wanted: Any) -> Facts:
    """Build the facts of a case."""
    document = _load("host.json")
    own = complete_wanted(wanted, decode(document["node"], Node))
    for place, files in case.get("outputs", {}).items():
        texts = [_read(os.path.join("outputs", name)) for name in files]
        _set(document, place, to_json(READERS[place](texts, own)))
    facts = decode(_set_all(document, case.get("facts", {})), Facts)  # type: Facts
    # These follow from other facts, and are not said twice in a case.
    if "mesos_agent.version" not in case.get("facts", {}):
        state = facts.mesos_agent.state
        version = state if isinstance(state, Unknown) else state.version
        facts = facts._replace(mesos_agent=facts.mesos_agent._replace(version=version))
    cni = facts.cni._replace(duplicates=find_duplicates(facts.cni.configs), broken=find_broken(facts.cni.configs))
    return facts._replace(cni=cni)


def _read_flags(texts: List[str], wanted: Any) -> Any:
    del wanted
    unit = parse_show("docker.service", texts[0])
    values = dict(assignment.partition("=")[::2] for assignment in unit.environment)
    for text in texts[1:]:
        values.update(parse_environment_file(text))
    return expand_words(unit.argv, values)


READERS = {
    "docker.engine": lambda texts, wanted: parse_engine(*[json.loads(text) for text in texts]),
    "docker.unit": lambda texts, wanted: parse_show("docker.service", texts[0]),
    "docker.flags": _read_flags,
    "mesos_agent.state": lambda texts, wanted: parse_agent_state(json.loads(texts[0])),
    "mesos_agent.unit": lambda texts, wanted: parse_show("dcos-mesos-slave.service", texts[0]),
    "calico_node": lambda texts, wanted: parse_container(json.loads(texts[0]), wanted.calico_node),
    "theirs": lambda texts, wanted: [
        one for one in [parse_theirs("calico-node", json.loads(texts[0]), wanted.calico_node)] if one is not None
    ],
    "system.cgroups": lambda texts, wanted: parse_cgroups(texts[0]),
    "etcd_port.sockets": lambda texts, wanted: [one for text in texts for one in parse_sockets(text, 2379)],
    "cni.configs": lambda texts, wanted: [
        parse_config("file-{}".format(number), json.loads(text), 600.0, wanted.cni.config)
        for number, text in enumerate(texts)
    ],
}  # type: Dict[str, Any]


def decode(value: Any, kind: Any) -> Any:
    """Make values of the installer's types out of their JSON form: the way back of ``to_json``."""
    if isinstance(value, dict) and set(value) == {"unknown"}:
        return Unknown(value["unknown"])
    if isinstance(value, list):
        return [decode(item, kind) for item in value]
    for candidate in _find_tuples(kind):
        if isinstance(value, dict) and set(value) == set(candidate._fields):
            types = getattr(candidate, "_field_types", None) or candidate.__annotations__
            return candidate(**{name: decode(value[name], types[name]) for name in candidate._fields})
    return value


def _find_tuples(kind: Any) -> List[Any]:
    if hasattr(kind, "_fields"):
        return [kind]
    members = getattr(kind, "__args__", None) or getattr(kind, "__union_params__", None) or ()
    return [found for member in members for found in _find_tuples(member)]


def _compare(decision: Decision, expected: Dict[str, Any]) -> List[str]:
    actions = [change.action.name for change in decision.changes]
    faults = []
    if actions != expected.get("actions", []):
        faults.append("the actions are {}, not {}".format(actions, expected.get("actions", [])))
    restarts = [change.restarts for change in decision.changes if change.restarts is not None]
    if restarts != expected.get("restarts", []):
        faults.append("it restarts {}, not {}".format(restarts, expected.get("restarts", [])))
    said = {
        "reason": [change.reason for change in decision.changes],
        "impact": [change.impact for change in decision.changes],
        "refusal": [decision.refusal] if decision.refusal is not None else [],
        "unknown": [decision.unknown] if decision.unknown is not None else [],
        "fault": [decision.fault] if decision.fault is not None else [],
        "proof": [decision.proof] if decision.proof is not None else [],
        "warning": decision.warnings,
    }
    for name, texts in sorted(said.items()):
        part = expected.get(name)
        if part is not None and not any(part in text for text in texts):
            faults.append("no {} says {!r}: {}".format(name, part, texts))
        if part is None and name in ("refusal", "unknown", "fault", "warning") and texts:
            faults.append("unexpected {}: {}".format(name, texts))
    if sum(bool(said[name]) for name in ("reason", "refusal", "unknown", "fault", "proof")) != 1:
        faults.append("not exactly one thing is said: {}".format(said))
    return faults


def _set_all(document: Any, values: Dict[str, Any]) -> Any:
    for place, value in values.items():
        _set(document, place, value)
    return document


def _set(document: Any, place: str, value: Any) -> None:
    """Set one value; a number is an index, one past the end appends."""
    keys = place.split(".")
    target = document
    for key in keys[:-1]:
        target = target[int(key)] if isinstance(target, list) else target[key]
    if isinstance(target, list) and int(keys[-1]) == len(target):
        target.append(copy.deepcopy(value))
    elif isinstance(target, list):
        target[int(keys[-1])] = copy.deepcopy(value)
    else:
        if keys[-1] not in target:
            raise KeyError(place)
        target[keys[-1]] = copy.deepcopy(value)


def _load(name: str) -> Any:
    return json.loads(_read(name))


def _read(name: str) -> str:
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def main() -> int:
    """Run all cases, and say which went wrong."""
    cases = load_cases()
    failed = 0
    for case in cases:
        faults = find_faults(case)
        failed += bool(faults)
        for fault in faults:
            print("{}: {}".format(case["name"], fault))
    print("{} of {} cases went wrong on Python {}".format(failed, len(cases), sys.version.split()[0]))
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
