"""Messages as customers write them: an issue about a thing, wrapped in small talk, with the slips of real typing."""

import re
from dataclasses import dataclass
from random import Random

from trainer.seedling.grammar import Grammar
from trainer.seedling.words import Issue, Thing, issues, rules, things

_TYPO_SHARE = 0.12
_GRAMMAR = Grammar(rules())
_QUESTION = re.compile(
    r"(how|what|why|when|where|who|which|whose|is|are|do|does|did|can|could|may|by|has|have|am|in|any|was|will)\b"
)


@dataclass(frozen=True)
class Message:
    """One customer's message and what it is about."""

    text: str
    core: str
    """The sentence that carries the meaning, without small talk and slips."""
    thing: Thing
    issue: Issue

    @property
    def label(self) -> str:
        """The message's label in snake case."""
        return self.issue.label.replace("{o}", self.thing.label)


def message(rng: Random) -> Message:
    """One message about a thing and an issue drawn at random."""
    thing, issue = rng.choice(things()), rng.choice(issues())
    core = _GRAMMAR.expand(rng.choice(issue.templates), rng, {"o": rng.choice(thing.names)})
    return Message(typed(wrapped(core, rng), rng), core, thing, issue)


def wrapped(core: str, rng: Random) -> str:
    """The core sentence with, now and then, a greeting, a reason before or after, and a closing."""
    pieces: list[str] = []
    if rng.random() < 0.16:
        pieces.append(_GRAMMAR.expand("{opening}", rng) + rng.choice((",", "!", ".", "")))
    if rng.random() < 0.2:
        pieces.append(_GRAMMAR.expand("{context}", rng) + rng.choice((".", ".", ",", " and", " but")))
    if rng.random() < 0.14:
        pieces.append(_GRAMMAR.expand("{lead}", rng))
    pieces.append(core + _end_mark(core, rng))
    if rng.random() < 0.12:
        pieces.append(_GRAMMAR.expand("{context}", rng) + ".")
    if rng.random() < 0.28:
        closing = _GRAMMAR.expand("{closing}", rng)
        pieces.append(closing + _end_mark(closing, rng))
    return " ".join(pieces)


def typed(text: str, rng: Random) -> str:
    """`text` as a person types it: mostly with capitals, sometimes without marks, sometimes with a slip."""
    style = rng.random()
    if style < 0.7:
        text = sentence_case(text)
    elif style < 0.85:
        text = text.rstrip(".!?")
    if rng.random() < _TYPO_SHARE:
        text = _slip(text, rng)
    return text


def sentence_case(text: str) -> str:
    """Capitals at the start of sentences and for the word "I"."""
    out: list[str] = []
    start = True
    for word in text.split(" "):
        first = word[:1].upper() + word[1:] if start or word in ("i", "i'm", "i've", "i'd", "i'll") else word
        out.append(first)
        start = word.endswith((".", "!", "?"))
    return " ".join(out)


def _end_mark(sentence: str, rng: Random) -> str:
    if _QUESTION.match(sentence):
        return rng.choices(("?", "", "."), (8, 2, 1))[0]
    return rng.choices((".", "", "!", "..."), (8, 3, 1, 0.3))[0]


def _slip(text: str, rng: Random) -> str:
    spots = [index for index in range(1, len(text) - 1) if text[index].isalpha() and text[index + 1].isalpha()]
    if not spots:
        return text
    at = rng.choice(spots)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if kind == 1 else text[:at] + text[at] + text[at:]
