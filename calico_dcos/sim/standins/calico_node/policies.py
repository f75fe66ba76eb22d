"""What policies in etcd keep from a workload; pure. Of selectors, `name == 'value'` is known."""

import json
from collections.abc import Iterable, Mapping

POLICIES = "/calico/v1/policy/tier/default/policy"


def is_denied(policies: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Whether the first policy that selects these labels keeps everything out; policies are values of keys."""
    for text in policies:
        policy = json.loads(text)
        name, _, value = str(policy.get("selector", "")).partition(" == ")
        if labels.get(name.strip()) == value.strip().strip("'\"") and name.strip() in labels:
            rules = policy.get("inbound_rules") or [{}]
            return bool(rules[0].get("action") == "deny")
    return False
