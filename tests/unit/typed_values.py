"""Values of any type that is stored, made from the type: a field that is new is filled without anybody listing it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

TEXTS = st.text(max_size=20)
TIMES = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TIMES | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(),
    float: TIMES,
    bool: st.booleans(),
    type(None): st.none(),
    Any: JSON,
}


def build_values(kind: Any) -> st.SearchStrategy[Any]:
    """Build the strategy for a type: a dataclass with every field filled, what it is made of, or something simple.

    Raises:
        NotImplementedError: no stored value has had anything of this type yet.
    """
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, parts = get_origin(kind), [build_values(part) for part in get_args(kind) if part is not Ellipsis]
    if origin in {Union, types.UnionType}:
        return st.one_of(parts)
    if origin is tuple and Ellipsis in get_args(kind):
        return st.lists(parts[0], max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(*parts, max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if is_dataclass(kind):
        return _build_all_fields(kind)
    raise NotImplementedError(f"no values are made of {kind}: teach tests/unit/typed_values.py to")


def _build_all_fields(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.init]
    return st.builds(kind, **{name: build_values(hints[name]) for name in names})
