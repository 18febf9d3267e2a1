"""Reads the word lists in words/: domains, issues and the slots of the templates. No templates and no text in here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Thing:
    """Something people write about."""

    domain: str
    label: str
    """Word used in labels, in snake case."""
    names: tuple[str, ...]


@dataclass(frozen=True)
class Issue:
    """Something people want or complain about."""

    label: str
    """Label pattern with {o} in the place of the thing's label."""
    templates: tuple[str, ...]


@cache
def things() -> tuple[Thing, ...]:
    """Every thing of every domain, in the order of the file."""
    found: list[Thing] = []
    for domain, lines in _sections("domains.txt").items():
        for line in lines:
            label, names = line.split(": ", 1)
            found.append(Thing(domain, label, tuple(names.split(", "))))
    return tuple(found)


@cache
def issues() -> tuple[Issue, ...]:
    """Every issue, in the order of the file."""
    return tuple(Issue(label, tuple(lines)) for label, lines in _sections("issues.txt").items())


@cache
def rules() -> Mapping[str, tuple[str, ...]]:
    """The slots of the templates and their choices."""
    return {
        slot: tuple(choice for line in lines for choice in line.split("; "))
        for slot, lines in _sections("lexicon.txt").items()
    }


def _sections(name: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            current.append(line)
    return sections
