"""Writes the rows of the example project: riders' messages to a made-up bike rental, each with its intent.

Standard library only. Nothing here knows of models, specs or the bundled base model's text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

_FOLDER = Path(__file__).parent
_SLOT = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[a-z0-9]+")
_QUESTION = re.compile(r"(how|why|where|when|who|what|which|is|are|do(?! not)|does|did|can|may|am|has|from) ")
_MOST_MISSES = 1000
_OPENINGS = ("Hi, ", "Hello, ", "Hey, ", "Good morning, ", "Sorry, ", "Help! ", "Dear team, ", "Quick one: ")
_CLOSINGS = (
    " Thanks.",
    " Please help.",
    " Can you help?",
    " What now?",
    " Thank you!",
    " It is urgent.",
    " Please reply.",
)
_TEST_OPENINGS = ("Hi there, ", "Good evening, ", "Hello Harbour Bikes, ")
_TEST_CLOSINGS = (" Many thanks.", " Any idea?", " Please sort it out.")


@dataclass(frozen=True)
class Row:
    """One message and its intent."""

    text: str
    intent: str


@dataclass(frozen=True)
class Rows:
    """Both sides of the example data; no text stands on both."""

    train: tuple[Row, ...]
    test: tuple[Row, ...]


@dataclass(frozen=True)
class _Side:
    """What one side of the data is made of."""

    wordings: Mapping[str, Sequence[str]]
    slots: Mapping[str, Sequence[str]]
    openings: Sequence[str]
    closings: Sequence[str]


def make_rows(seed: int, train_per_intent: int, test_per_intent: int) -> Rows:
    """Rows for both sides, the same for the same seed, shuffled, each intent equally often.

    Raises:
        ValueError: more rows are asked for than there are different messages.
    """
    rng = Random(seed)  # noqa: S311  reproducible text, not cryptography
    wordings, slots = _wordings(), _slots()
    train = _Side(
        {intent: lines for intent, (lines, _) in wordings.items()},
        {name: known for name, (known, _) in slots.items()},
        _OPENINGS,
        _CLOSINGS,
    )
    # Half of the test wordings were never seen, and so are half of the words that fill them.
    test = _Side(
        {intent: (*held_out, *_open(lines, len(held_out))) for intent, (lines, held_out) in wordings.items()},
        {name: (*known, *_stretched(held_out, len(known))) for name, (known, held_out) in slots.items()},
        (*_OPENINGS, *_TEST_OPENINGS),
        (*_CLOSINGS, *_TEST_CLOSINGS),
    )
    train_rows, cores = _draw(train, train_per_intent, frozenset(), rng)
    test_rows, _ = _draw(test, test_per_intent, cores, rng)
    return Rows(train_rows, test_rows)


def _open(lines: Sequence[str], count: int) -> Sequence[str]:
    """The first `count` wordings that have a slot; one without would read the same on both sides."""
    return [line for line in lines if _SLOT.search(line)][:count]


def _stretched(choices: Sequence[str], length: int) -> Sequence[str]:
    return tuple(choices[index % len(choices)] for index in range(length))


def _draw(
    side: _Side, per_intent: int, forbidden: frozenset[str], rng: Random
) -> tuple[tuple[Row, ...], frozenset[str]]:
    """Rows of one side, and the bare sentences they are made of; no bare sentence is one of `forbidden`."""
    rows: list[Row] = []
    cores: set[str] = set()
    taken: set[str] = set()
    for intent, lines in side.wordings.items():
        misses = 0
        wanted = len(rows) + per_intent
        while len(rows) < wanted:
            core = _filled(lines[(wanted - len(rows) + misses) % len(lines)], side, rng)
            text = _dressed(core, side, rng)
            if _bare(core) in forbidden or _bare(text) in taken:
                misses += 1
                if misses > _MOST_MISSES:
                    raise ValueError(f"there are not {per_intent} different messages for the intent {intent}")
                continue
            taken.add(_bare(text))
            cores.add(_bare(core))
            rows.append(Row(text, intent))
    rng.shuffle(rows)
    return tuple(rows), frozenset(cores)


def _bare(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _filled(wording: str, side: _Side, rng: Random) -> str:
    return _SLOT.sub(lambda slot: rng.choice(side.slots[slot.group(1)]), wording)


def _dressed(core: str, side: _Side, rng: Random) -> str:
    """The sentence as a rider types it: with or without capitals, small talk and a slip of the finger."""
    text = core
    if rng.random() < 0.6:
        asks = _QUESTION.match(core)
        text = core[:1].upper() + core[1:] + ("?" if asks else rng.choice((".", ".", "!")))
        text = re.sub(r"\bi\b", "I", text)
    if rng.random() < 0.25:
        text = rng.choice(side.openings) + text
    if rng.random() < 0.25:
        text = text + ("" if text.endswith((".", "!", "?")) else ".") + rng.choice(side.closings)
    return _slip(text, rng) if rng.random() < 0.12 else text


def _slip(text: str, rng: Random) -> str:
    """`text` with two neighbouring letters swapped or one left out."""
    spots = [index for index in range(1, len(text) - 1) if text[index : index + 2].isalpha()]
    at = rng.choice(spots)
    return text[:at] + text[at + 1] + (text[at] if rng.random() < 0.5 else "") + text[at + 2 :]


@cache
def _wordings() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Intent -> wordings for both sides, wordings for the test alone."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    current: tuple[list[str], list[str]] = ([], [])
    for line in _lines("intents.txt"):
        if line.startswith("["):
            current = found.setdefault(line[1:-1], ([], []))
        elif line.startswith("test: "):
            current[1].append(line.removeprefix("test: "))
        else:
            current[0].append(line)
    return {intent: (tuple(known), tuple(held_out)) for intent, (known, held_out) in found.items()}


@cache
def _slots() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Slot -> choices for both sides, choices for the test alone."""
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for line in _lines("slots.txt"):
        name, choices = line.split(": ", 1)
        known, held_out = choices.split(" // ")
        found[name] = (tuple(known.split("; ")), tuple(held_out.split("; ")))
    return found


def _lines(name: str) -> list[str]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
