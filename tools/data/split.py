"""Decides which rows are held out, by a hash of the prompt: stable when rows are added, and blind to their order.

Rows whose prompts are the same but for case, width and white space form a group; a group never crosses a side.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from tools.data.records import Turn

MAX_VALIDATION_ROWS = 200
MIN_TRAIN_ROWS_FOR_VALIDATION = 500
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")


def normalized(text: str) -> str:
    """Return the text as it is compared: NFKC, case folded, no invisible characters, single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold()))
    return " ".join(text.lower().split())


def group_key(prompt: Sequence[Turn]) -> bytes:
    """Return the name of a prompt's group."""
    joined = "\x1e".join(f"{role}\x1f{normalized(content)}" for role, content in prompt)
    return hashlib.sha256(joined.encode()).digest()[:16]


def position(key: bytes, purpose: str) -> float:
    """Return a group's place between 0 and 1, independent for each purpose."""
    return int.from_bytes(hashlib.sha256(purpose.encode() + b"\0" + key).digest()[:8], "big") / 2**64


def hold_out(keys: Sequence[bytes], fraction: float) -> set[bytes]:
    """Return the groups that become the test: those below `fraction`, at least the lowest one of two or more."""
    groups = set(keys)
    held = {key for key in groups if position(key, "test") < fraction}
    if len(groups) > 1 and not held:
        held = {min(groups, key=lambda key: position(key, "test"))}
    if held == groups and len(groups) > 1:
        held.remove(max(groups, key=lambda key: position(key, "test")))
    return held


def watch(keys: Sequence[bytes], fraction: float) -> set[bytes]:
    """Return the groups that become the validation rows: at most `MAX_VALIDATION_ROWS` rows, none of a small set."""
    if fraction == 0 or len(keys) < MIN_TRAIN_ROWS_FOR_VALIDATION:
        return set()
    sizes: dict[bytes, int] = {}
    for key in keys:
        if position(key, "validation") < fraction:
            sizes[key] = sizes.get(key, 0) + 1
    chosen: set[bytes] = set()
    num_rows = 0
    for key in sorted(sizes, key=lambda key: position(key, "validation")):
        if num_rows + sizes[key] <= MAX_VALIDATION_ROWS:
            chosen.add(key)
            num_rows += sizes[key]
    return chosen
