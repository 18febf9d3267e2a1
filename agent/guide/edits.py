"""Edits of the spec in plain words: "make it 3 epochs", "use lora", "hold out 20%"."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+)"
_DATA_FILE = r"([^\s,;:\"']+\.(?:csv|tsv|jsonl|json|parquet))"
_QUOTED_FILE = r"([\"'])([^\"'\n]+\.(?:csv|tsv|jsonl|json|parquet))\1"
_CLAUSE = re.compile(r"\s*[,;]\s*|\s+(?:and|but|also|then)\s+", re.IGNORECASE)
_OFTEN_MISSPELT = ("epochs", "epoch", "threads", "threshold", "deploy")
_COURTESY = frozenset({"", "please", "pls", "plz", "thanks", "thank you"})
_NEGATIVE = re.compile(r"(?:^|[\s=:])[-\u2212]\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Edit:
    """One value to set; `said` names it for people."""

    path: str
    value: Any
    said: str


@dataclass(frozen=True)
class _Pattern:
    """A way to say an edit."""

    regex: re.Pattern[str]
    read: Callable[[re.Match[str]], Edit | None]


def slug(text: str) -> str:
    """Return `text` as a spec name: lower case letters, digits and hyphens, at most 48."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9]+", "-", text.lower())).strip("-")[:48].rstrip("-")


def read_edits(text: str) -> tuple[Edit, ...]:
    """Return every edit said in `text`, in the order of the patterns; empty when none is understood."""
    found: list[Edit] = []
    for pattern in _PATTERNS:
        match = pattern.regex.search(text)
        edit = pattern.read(match) if match else None
        if edit is not None and all(edit.path != other.path for other in found):
            found.append(edit)
    return tuple(found)


def corrected(text: str) -> str:
    """Return `text` with misspelt words of settings written right, as epcohs."""

    def right(match: re.Match[str]) -> str:
        word = match[0].lower()
        near = difflib.get_close_matches(word, _OFTEN_MISSPELT, n=1, cutoff=0.8)
        return near[0] if near and word not in _OFTEN_MISSPELT and near[0][0] == word[0] else match[0]

    return re.sub(r"(?<![\w./@-])[A-Za-z]{5,10}(?![\w./@-])", right, text)


def not_read(text: str) -> tuple[str, ...]:
    """Return the clauses of `text` in which no edit is understood."""
    return tuple(
        clause for clause in _CLAUSE.split(text.strip()) if clause.lower() not in _COURTESY and not read_edits(clause)
    )


def negative_number(text: str) -> str:
    """Return the first number below zero in `text`; empty when there is none."""
    match = _NEGATIVE.search(text)
    return match[0].strip(" =:\t") if match else ""


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and "e" not in text.lower() and "." not in text else value


def _share(text: str, percent: str | None) -> float:
    value = float(text)
    return value / 100 if percent or value > 1 else value


def _says(path: str, name: str) -> Callable[[re.Match[str]], Edit | None]:
    def read(match: re.Match[str]) -> Edit | None:
        number = next(group for group in match.groups() if group is not None)
        return Edit(path, _number(number), f"{name} {number}")

    return read


def _fixed(path: str, value: Any, said: str) -> Callable[[re.Match[str]], Edit | None]:
    def read(_match: re.Match[str]) -> Edit:
        return Edit(path, value, said)

    return read


def _name(match: re.Match[str]) -> Edit | None:
    name = slug(match[1])
    return Edit("name", name, f"name {name}") if name else None


def _threshold(match: re.Match[str]) -> Edit:
    value = _share(match[1], match[2])
    return Edit("evaluation.checks.0.threshold", value, f"threshold {value:g}")


def _held_out(match: re.Match[str]) -> Edit | None:
    value = _share(match[1], match[2])
    return Edit("data.test", {"fraction": value}, f"hold out {100 * value:g} %") if 0 < value < 1 else None


def _hours(match: re.Match[str]) -> Edit:
    number, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
    hours = float(number) / (60 if unit.lower().startswith("m") else 1)
    return Edit("budget.hours", round(hours, 4), f"time budget {number} {unit}")


def _money(match: re.Match[str]) -> Edit:
    amount = match[1] or match[2]
    return Edit("budget.usd", _number(amount), f"money budget ${amount}")


def _scorer(match: re.Match[str]) -> Edit:
    scorer = re.sub(r"[\s-]+", "_", match[1].lower())
    scorer = {"f1": "macro_f1", "accuracy": "exact_match", "exact": "exact_match", "json": "json_valid"}.get(
        scorer, scorer
    )
    return Edit("evaluation.checks.0.scorer", scorer, f"scorer {scorer}")


def _base(match: re.Match[str]) -> Edit:
    return Edit("model.base", match[1], f"base model {match[1]}")


def _device(match: re.Match[str]) -> Edit:
    device = {"gpu": "cuda"}.get(match[1].lower(), match[1].lower())
    return Edit("compute.device", device, f"device {device}")


def _case(match: re.Match[str]) -> Edit:
    return Edit("evaluation.checks.0.ignore_case", True, match[0])


def _pattern(regex: str, read: Callable[[re.Match[str]], Edit | None]) -> _Pattern:
    return _Pattern(re.compile(regex, re.IGNORECASE), read)


_TRAIN = "train.0"
_PATTERNS: tuple[_Pattern, ...] = (
    _pattern(rf"\b{_NUMBER}\s*epochs?\b|\bepochs?\s*(?:to|=|:|of)?\s*{_NUMBER}", _says(f"{_TRAIN}.epochs", "epochs")),
    _pattern(
        rf"\b(?:learning[ -]?rate|lr)\s*(?:to|=|:|of|at)?\s*{_NUMBER}",
        _says(f"{_TRAIN}.learning_rate", "learning rate"),
    ),
    _pattern(
        r"\bbatch(?:[ -]?size)?\s*(?:to|=|:|of)?\s*(\d+)\b|\bbatches of (\d+)",
        _says(f"{_TRAIN}.batch_size", "batch size"),
    ),
    _pattern(
        r"\b(?:max(?:imum)?[ -]?length)\s*(?:to|=|:|of)?\s*(\d+)", _says(f"{_TRAIN}.max_length", "longest example")
    ),
    _pattern(r"\bseed\s*(?:to|=|:)?\s*(\d+)", _says(f"{_TRAIN}.seed", "seed")),
    _pattern(rf"\bwarm-?up(?:[ -]?ratio)?\s*(?:to|=|:|of)?\s*{_NUMBER}", _says(f"{_TRAIN}.warmup_ratio", "warm-up")),
    _pattern(rf"\bweight[ -]decay\s*(?:to|=|:|of)?\s*{_NUMBER}", _says(f"{_TRAIN}.weight_decay", "weight decay")),
    _pattern(r"\brank\s*(?:to|=|:|of)?\s*(\d+)", _says(f"{_TRAIN}.lora.rank", "LoRA rank")),
    _pattern(
        r"\bfull(?:[ -]rank)?(?:[ -]parameter)?[ -](?:fine[ -]?)?tun(?:e|ing)\b"
        r"|\b(?:don'?t|do not|no|without)\b.{0,8}\blora\b",
        _fixed(f"{_TRAIN}.tuning", "full", "full tuning"),
    ),
    _pattern(
        r"\b(?:use|with|try|by|do|switch to|make it|tuning:?)\s+(?:a\s+)?qlora\b",
        _fixed(f"{_TRAIN}.tuning", "qlora", "QLoRA"),
    ),
    _pattern(
        r"\b(?:use|with|try|by|do|switch to|make it|tuning:?)\s+(?:a\s+)?lora\b",
        _fixed(f"{_TRAIN}.tuning", "lora", "LoRA"),
    ),
    _pattern(
        # "name the intent of a message" is a task, not a name
        r"\b(?:name it|call it|named?(?! (?:the|an?|each|every|which|what|all|any)\b)|rename (?:it )?to)"
        r"\s*(?:to|=|:)?\s+\"?([\w-]+(?: (?!(?:and|with|use|then|on)\b)[\w-]+){0,3})",
        _name,
    ),
    _pattern(
        rf"\b(?:threshold|at least|target(?: of)?|reach)\s*(?:to|=|:|of|is)?\s*{_NUMBER}\s*(%|percent)?"
        r"(?!\s*(?:rows|hours?|epochs?|min))",
        _threshold,
    ),
    _pattern(rf"\b(?:hold|held|set|keep|leave)[ -]?(?:back|out|aside)\s+{_NUMBER}\s*(%|percent)?", _held_out),
    _pattern(
        r"\b(?:use|on|with)\s+(\d+)\s+threads?\b|\bthreads?\s*(?:to|=|:)\s*(\d+)", _says("compute.threads", "threads")
    ),
    _pattern(r"\b(?:on|use)\s+(?:the\s+|a\s+)?(cpu|gpu|cuda|mps)\b", _device),
    _pattern(
        r"\b(?:don'?t|do not|no|without|skip)\b.{0,12}\b(?:deploy\w*|serv(?:e|ing))\b",
        _fixed("deployment.target", "none", "no deployment"),
    ),
    _pattern(
        r"^(?:please\s+)?(?:deploy|serve)(?:\s+(?:it|the model))?(?:\s+(?:locally|here|on this machine))?[.!]*$",
        _fixed("deployment.target", "local", "deployment on this machine"),
    ),
    _pattern(
        rf"\b(?:budget|at most|up to|within|no more than|limit|max(?:imum)?)\b"
        rf"[^.\d]{{0,20}}{_NUMBER}\s*(h\b|hrs?\b|hours?|mins?\b|minutes?)"
        rf"|\b{_NUMBER}\s*(hours?|minutes?|hrs?|h|mins?)\s+(?:budget|at most|max(?:imum)?)\b",
        _hours,
    ),
    _pattern(
        rf"\b(?:budget|at most|up to|spend|cap)\b[^.\d]{{0,15}}(?:\$\s*{_NUMBER}|{_NUMBER}\s*(?:dollars?|usd)\b)",
        _money,
    ),
    _pattern(
        r"\b(?:score|measure|judge|scorer|metric|use)\b.{0,12}"
        r"\b(exact[ _-]match|accuracy|macro[ _-]f1|f1|contains|json[ _-]valid|numeric)\b",
        _scorer,
    ),
    _pattern(r"\bignore (?:the )?case\b|\bcase[ -]insensitive\b", _case),
    _pattern(
        r"\b(?:base(?: model)?(?: is| to)?|start from|model(?: is| to)?|use|fine-?tune)\s*[:=]?\s*"
        r"(seedling|[A-Za-z0-9][\w.-]*/[\w.-]+|[a-z0-9][a-z0-9-]*@\d+)(?=$|[\s,;])(?<!\.csv)(?<!\.json)(?<!\.jsonl)"
        r"(?<!\.parquet)",
        _base,
    ),
)


def data_files(text: str, known: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return the data files named in `text` with their role, `train` or `test`, by the words before each.

    Args:
        text: what was said.
        known: data files of the project; their names are found whatever characters they hold.
    """
    found: list[tuple[str, str]] = []
    before = 0
    for start, end, path in sorted(_file_places(text, known)):
        words = text[before:start].lower()
        found.append((path, _role(words, re.split(r"[\\/]", path.lower())[-1])))
        before = end
    return tuple(found)


def _file_places(text: str, known: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return where each file is named: known names first, then names in quotes, then single words."""
    places: list[tuple[int, int, str]] = []

    def take(start: int, end: int, path: str) -> None:
        if all(end <= taken[0] or start >= taken[1] for taken in places):
            places.append((start, end, path))

    names = [(name, path) for path in known for name in dict.fromkeys((path, path.rpartition("/")[2]))]
    for name, path in sorted(names, key=lambda pair: -len(pair[0])):
        for match in re.finditer(rf"(?<![\w./\\-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE):
            take(match.start(), match.end(), path)
    for match in re.finditer(_QUOTED_FILE, text, re.IGNORECASE):
        take(match.start(), match.end(), match[2])
    for match in re.finditer(_DATA_FILE, text, re.IGNORECASE):
        take(match.start(), match.end(), match[1].strip("()[]<>"))
    return places


def _role(words: str, name: str) -> str:
    spoken = [
        (words.rfind(word), role)
        for role, all_words in (
            ("test", ("test", "evaluate", "eval", "check", "measure", "held out", "held-out")),
            ("train", ("train", "learn", "examples", "data")),
        )
        for word in all_words
        if word in words
    ]
    if spoken:
        return max(spoken)[1]
    return "test" if looks_like_test(name) else "train"


def looks_like_test(path: str) -> bool:
    """Return whether a file's name says that it holds test rows."""
    name = re.split(r"[\\/]", path.lower())[-1]
    return bool(re.search(r"(?:^|[^a-z])(?:test|eval|heldout|held_out|holdout)(?:[^a-z]|$)", name))
