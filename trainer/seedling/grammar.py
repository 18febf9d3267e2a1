"""A seeded text grammar: templates with alternatives and named slots. Standard library only; no word lists here.

Template syntax: `(a|b|)` picks one alternative (the last one here is empty), `{name}` expands a rule or a bound value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TypeAlias

Rules: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Slot:
    name: str


@dataclass(frozen=True)
class _Choice:
    options: "tuple[_Parts, ...]"


_Parts: TypeAlias = tuple[str | _Slot | _Choice, ...]
_TOKEN = re.compile(r"\{(\w+)\}|([()|])|([^{}()|]+)")
_SPACES = re.compile(r"\s+")
_SPACE_BEFORE_MARK = re.compile(r" +([,.;:?!])(?=\s|$)")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")


class Grammar:
    """Expands templates against a set of rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def expand(self, template: str, rng: Random, bound: Mapping[str, str] | None = None) -> str:
        """One expansion of `template`, tidied: single spaces, no space before marks, "an" before a vowel.

        Raises:
            KeyError: the template names a rule that does not exist.
            ValueError: unbalanced brackets in the template.
        """
        text = self._expand_parts(_parse(template), rng, bound or {})
        text = _SPACE_BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", text).strip())
        return _ARTICLE.sub(r"\1n ", text)

    def _expand_parts(self, parts: _Parts, rng: Random, bound: Mapping[str, str]) -> str:
        out: list[str] = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, _Choice):
                out.append(self._expand_parts(rng.choice(part.options), rng, bound))
            elif part.name in bound:
                out.append(bound[part.name])
            else:
                out.append(self._expand_parts(_parse(rng.choice(self._rules[part.name])), rng, bound))
        return "".join(out)


@lru_cache(maxsize=20_000)
def _parse(template: str) -> _Parts:
    stack: list[list[list[str | _Slot | _Choice]]] = [[[]]]
    for slot, mark, text in _TOKEN.findall(template):
        if slot:
            stack[-1][-1].append(_Slot(slot))
        elif text:
            stack[-1][-1].append(text)
        elif mark == "(":
            stack.append([[]])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        elif mark == ")" and len(stack) > 1:
            options = stack.pop()
            stack[-1][-1].append(_Choice(tuple(tuple(option) for option in options)))
        else:
            raise ValueError(f"the template has an unexpected {mark!r}: {template!r}")
    if len(stack) != 1:
        raise ValueError(f"the template has an unclosed bracket: {template!r}")
    return tuple(stack[0][0])


def seeded(seed: int) -> Random:
    """A random source for text and shuffling; never for secrets."""
    return Random(seed)  # noqa: S311  reproducible text, not cryptography
