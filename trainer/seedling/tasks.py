"""Instruct-style tasks in chat form: label, extract, answer in JSON, copy, rewrite, small sums. One function a task."""

import json
import re
from dataclasses import dataclass
from random import Random

from trainer.seedling.grammar import Grammar
from trainer.seedling.messages import Message, message, sentence_case
from trainer.seedling.prose import document
from trainer.seedling.words import issues, rules, things

_GRAMMAR = Grammar(rules())
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Example:
    """One exchange; plain text has no user turn."""

    user: str | None
    answer: str
    system: str | None = None


def example(rng: Random) -> Example:
    """One example drawn from all tasks and plain text."""
    kinds = (
        _plain,
        _label,
        _label_by_rule,
        _choose,
        _part,
        _yes_no,
        _extract,
        _as_json,
        _copy,
        _rewrite,
        _sum,
        _desk,
        _key,
    )
    return rng.choices(kinds, (10, 16, 4, 3, 3, 2, 3, 3, 2, 2, 2, 2, 5))[0](rng)


def _plain(rng: Random) -> Example:
    return Example(None, document(rng))


def _label(rng: Random) -> Example:
    found = message(rng)
    return Example(found.text, found.label)


def _label_by_rule(rng: Random) -> Example:
    found = message(rng)
    words = found.label.split("_")
    ask, answer = rng.choice((
        ("Label the message.", found.label),
        ("Give the intent in snake case.", found.label),
        ("Label the message in plain words.", " ".join(words)),
        ("Label the message in capitals.", found.label.upper()),
        ("Label the message with dashes.", "-".join(words)),
        ("Name the domain.", found.thing.domain),
        ("Name the domain and the thing.", f"{found.thing.domain}/{found.thing.label}"),
    ))  # fmt: skip
    return _asked(ask, found.text, answer, rng)


def _choose(rng: Random) -> Example:
    found = message(rng)
    options = [found.label]
    while len(options) < rng.randint(2, 4):
        options.append(rng.choice(issues()).label.replace("{o}", rng.choice(things()).label))
    rng.shuffle(options)
    return _asked(f"Choose one: {', '.join(options)}.", found.text, found.label, rng)


def _part(rng: Random) -> Example:
    found = message(rng)
    ask, answer = rng.choice((
        ("What is it about?", found.thing.label.replace("_", " ")),
        ("Which thing?", found.thing.label),
        ("What is the issue?", found.issue.label.replace("{o}", "").strip("_").replace("__", "_")),
    ))  # fmt: skip
    return _asked(ask, found.text, answer, rng)


def _yes_no(rng: Random) -> Example:
    found, other = message(rng), rng.choice(things())
    thing = found.thing if rng.random() < 0.5 else other
    answer = "yes" if thing.label == found.thing.label else "no"
    return _asked(f"Is it about {thing.label.replace('_', ' ')}?", found.text, answer, rng)


def _fields(rng: Random) -> dict[str, str]:
    first, last = rng.choice(rules()["first_name"]), rng.choice(rules()["last_name"])
    return {
        "name": f"{first} {last}",
        "city": rng.choice(rules()["town"]),
        "day": rng.choice(rules()["weekday"]),
        "number": str(rng.randint(100, 99999)),
        "amount": f"{rng.randint(2, 300)}.{rng.choice(('00', '50', '99', '20'))}",
    }


_FORMS = (
    "My name is {name} from {city}, order {number}, paid {amount} on {day}.",
    "On {day} {name} paid {amount} in {city}. The number is {number}.",
    "{name} ({city}) wrote on {day}: case {number}, {amount} euros.",
    "Case {number}: {name}, {city}, {amount}, {day}.",
    "Please send {amount} to {name} in {city} by {day}, reference {number}.",
)


def _extract(rng: Random) -> Example:
    fields = _fields(rng)
    text = rng.choice(_FORMS).format(**fields)
    key = rng.choice(tuple(fields))
    ask = rng.choice((f"Extract the {key}.", f"What is the {key}?", f"{key.capitalize()}?"))
    return _asked(ask, text, fields[key], rng)


def _as_json(rng: Random) -> Example:
    if rng.random() < 0.5:
        found = message(rng)
        answer = {"domain": found.thing.domain, "label": found.label}
        return _asked("Answer in JSON with domain and label.", found.text, json.dumps(answer), rng)
    fields = _fields(rng)
    keys = rng.sample(sorted(fields), rng.randint(1, 3))
    text = rng.choice(_FORMS).format(**fields)
    ask = f"Answer in JSON with {' and '.join(keys)}."
    return _asked(ask, text, json.dumps({key: fields[key] for key in keys}), rng)


def _copy(rng: Random) -> Example:
    text = _short(rng)
    return _asked(rng.choice(("Repeat.", "Copy the text.", "Say exactly this.")), text, text, rng)


def _rewrite(rng: Random) -> Example:
    text = _short(rng)
    words = text.split(" ")
    ask, answer = rng.choice((
        ("Write in capitals.", text.upper()),
        ("Write in lower case.", text.lower()),
        ("First word?", words[0]),
        ("Last word?", words[-1]),
        ("Write it twice.", f"{text} {text}"),
        ("Put it in brackets.", f"[{text}]"),
        ("Write it politely.", f"Please, {text[:1].lower()}{text[1:]} Thank you."),
    ))  # fmt: skip
    return _asked(ask, text, answer, rng)


def _key(rng: Random) -> Example:
    found = message(rng) if rng.random() < 0.5 else None
    words = (found.core if found else _short(rng)).lower().rstrip(".")
    if rng.random() < 0.3:
        return _asked("Write the key in words.", snake_case(words), words, rng)
    return _asked("Write it as a key.", words, snake_case(words), rng)


def snake_case(words: str) -> str:
    """`words` as a key: lower-case letters and digits joined by underscores."""
    return "_".join(_WORD.findall(words.lower()))


def _sum(rng: Random) -> Example:
    left, right = rng.randint(0, 12), rng.randint(0, 12)
    if rng.random() < 0.4:
        left, right = max(left, right), min(left, right)
        words, sign, result = "minus", "-", left - right
    else:
        words, sign, result = "plus", "+", left + right
    question = rng.choice((f"{left}{sign}{right}", f"What is {left} {words} {right}?", f"{left} {sign} {right} = ?"))
    return Example(question, str(result))


def _desk(rng: Random) -> Example:
    found: Message = message(rng)
    return Example(found.text, sentence_case(_GRAMMAR.expand("{reply}.", rng)), "Answer the customer.")


def _short(rng: Random) -> str:
    return sentence_case(_GRAMMAR.expand("({subject} {verb} the {noun}|the {adj} {noun}|{reply}|{context}).", rng))


def _asked(ask: str, text: str, answer: str, rng: Random) -> Example:
    # The instruction stands in the system turn or in front of the text, as people do both.
    if rng.random() < 0.5:
        return Example(text, answer, ask)
    return Example(f"{ask} {text}", answer)
