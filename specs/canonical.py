"""One byte form per value, so that a digest names exactly one set of arguments."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import cast


def canonical_json(value: object) -> bytes:
    """Return the canonical JSON bytes of a JSON value: sorted keys, ASCII, no white space.

    1, 1.0, "1" and True have four different forms.

    Raises:
        TypeError: a key is not a string, or a value has no JSON form.
        ValueError: a number is NaN or infinite.
    """
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def digest(value: object) -> str:
    """Return `sha256:<hex>` of the canonical form of a JSON value. Raises as `canonical_json` does."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def _check(value: object) -> None:
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a digest needs finite numbers, not {value}")
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[object, object]", value).items():
            if not isinstance(key, str):
                raise TypeError(f"a digest needs string keys, not {key!r}")
            _check(item)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for item in cast("Sequence[object]", value):
            _check(item)
    else:
        raise TypeError(f"a digest needs JSON values, not {type(value).__name__}")
