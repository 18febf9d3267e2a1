"""One digest for one value, and only for that value."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specs.canonical import canonical_json, digest

_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)


def _typed(value: Any) -> Any:
    """A form of the value in which 1, 1.0, True and "1" differ for Python too, and the order of keys does not count."""
    if isinstance(value, dict):
        return ("map", frozenset((key, _typed(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(_typed(item) for item in value))
    return (type(value).__name__, repr(value))


def test_lookalikes_have_four_digests() -> None:
    assert len({digest(value) for value in (1, 1.0, "1", True)}) == 4
    assert len({digest({"a": value}) for value in (0, 0.0, "0", False, None, "", [], {})}) == 8


@settings(max_examples=100, deadline=None)
@given(_values, _values)
def test_digests_are_equal_exactly_when_values_are(left: Any, right: Any) -> None:
    assert (digest(left) == digest(right)) == (_typed(left) == _typed(right))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), _leaves, max_size=6))
def test_digest_stays_when_keys_change_their_order_or_pass_through_json(value: dict[str, Any]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)
    assert digest(json.loads(canonical_json(value))) == digest(value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [float("-inf")]])
def test_digest_is_refused_when_a_number_is_not_finite(bad: Any) -> None:
    with pytest.raises(ValueError, match="finite"):
        digest(bad)


@pytest.mark.parametrize("bad", [{1: 2}, {None: 1}, b"x", {1, 2}, object(), [b"x"]])
def test_digest_is_refused_when_a_value_has_no_json_form(bad: Any) -> None:
    with pytest.raises(TypeError):
        digest(bad)
