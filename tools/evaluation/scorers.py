"""How an answer is scored against the wanted answer: one function per scorer, right or wrong for each row.

Intervals and tests are in `compare` and `bootstrap`. White space around answers never counts.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias

from specs.evaluation import Check, RegressionCheck, Scorer
from tools.data.strict_json import BadJson, parse_value
from tools.errors import UsageError
from tools.escape import one_line
from tools.evaluation.records import Answer

PATTERN_TIMEOUT_S = 2.0
"""A search takes microseconds; a pattern that needs seconds on one answer backtracks without end."""

_NUMBER = re.compile(
    r"(?<![\w.,])[-+\u2212]?(?:\d{1,3}(?:[,\u00a0\u202f\u2009]\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"|(?:\d{1,3}(?:[,\u00a0\u202f\u2009]\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"|[-+\u2212]?\.\d+(?:[eE][-+]?\d+)?"
)
_MARK = "####"

_Find: TypeAlias = Callable[[str, Answer], str | None]


@dataclass(frozen=True)
class LabelScore:
    """How one label fared."""

    label: str
    rows: int
    """Rows whose wanted answer is this label."""
    right: int
    answered: int
    """Rows answered with this label, rightly or not."""
    f1: float


def score_rows(check: Check, answers: Sequence[Answer]) -> list[bool]:
    """Return for each answer whether it is right under the check's scorer.

    For macro_f1 a row is right when the label is; the value of the whole set is `macro_f1`. A prompt longer than the
    model can read is never right, whatever the pattern says of an empty text.

    Raises:
        UsageError: the pattern is no regular expression or takes too long, or a wanted answer holds no number.
    """
    marks = _SCORERS[check.scorer](check, answers)
    return [right and answer.finish != "prompt_too_long" for right, answer in zip(marks, answers, strict=True)]


def as_check(measure: Check | RegressionCheck) -> Check:
    """Return the measure as a check with a threshold of 0."""
    if isinstance(measure, Check):
        return measure
    return Check(name=measure.name, scorer=measure.scorer, threshold=0, pattern=measure.pattern)


def check_pattern(measure: Check | RegressionCheck) -> None:
    """Raise UsageError when the measure's pattern is no regular expression."""
    if measure.pattern:
        _compiled(as_check(measure))


def label(text: str, *, ignore_case: bool) -> str:
    """Return an answer in the form in which answers are compared."""
    stripped = text.strip()
    return stripped.casefold() if ignore_case else stripped


def macro_f1(wanted: Sequence[str], answered: Sequence[str]) -> float:
    """Return the mean F1 over the labels present in the wanted answers; 0 for no rows.

    F1 of a label = 2 · right / (rows + answered). An answer that is no wanted label anywhere counts as wrong for its
    row and as no label of its own, as scikit-learn's f1_score(average="macro", labels=present, zero_division=0).
    """
    scores = label_scores(wanted, answered)
    return sum(score.f1 for score in scores) / len(scores) if scores else 0.0


def label_scores(wanted: Sequence[str], answered: Sequence[str]) -> list[LabelScore]:
    """Return the score of each label present in the wanted answers, the worst first."""
    rows = Counter(wanted)
    guesses = Counter(answered)
    right = Counter(want for want, answer in zip(wanted, answered, strict=True) if want == answer)
    scores = [
        LabelScore(name, count, right[name], guesses[name], 2 * right[name] / (count + guesses[name]))
        for name, count in rows.items()
    ]
    return sorted(scores, key=lambda score: (score.f1, -score.rows, score.label))


def _exact_match(check: Check, answers: Sequence[Answer]) -> list[bool]:
    fold = check.ignore_case
    return [label(answer.text, ignore_case=fold) == label(answer.wanted, ignore_case=fold) for answer in answers]


def _contains(check: Check, answers: Sequence[Answer]) -> list[bool]:
    fold = check.ignore_case
    return [label(answer.wanted, ignore_case=fold) in label(answer.text, ignore_case=fold) for answer in answers]


def _json_valid(_check: Check, answers: Sequence[Answer]) -> list[bool]:
    return [is_strict_json(answer.text.strip()) for answer in answers]


def _regex(check: Check, answers: Sequence[Answer]) -> list[bool]:
    find = _finder(check)
    return [find(answer.text.strip(), answer) is not None for answer in answers]


def _numeric(check: Check, answers: Sequence[Answer]) -> list[bool]:
    find = _finder(check) if check.pattern else None
    tolerance = Decimal(str(check.tolerance))
    return [
        _same_number(_wanted_number(check, answer, find), _number_in(answer, find), tolerance) for answer in answers
    ]


_SCORERS: Mapping[Scorer, Callable[[Check, Sequence[Answer]], list[bool]]] = {
    "exact_match": _exact_match,
    "macro_f1": _exact_match,
    "contains": _contains,
    "json_valid": _json_valid,
    "regex": _regex,
    "numeric": _numeric,
}


def is_strict_json(text: str) -> bool:
    """Return whether the text is one JSON value that every parser reads alike.

    Refused: NaN, comments, trailing commas, text around the value, an object key given twice, integers beyond 64 bits.
    A bare string or number is valid JSON.
    """
    try:
        parse_value(text)
    except BadJson:
        return False
    return True


def last_number(text: str) -> Decimal | None:
    """Return the last number in the text, or the first after the last `####`; None when there is none.

    1,234.5 and 1 234.5 (no-break spaces) are one number; a minus sign counts where no letter or digit precedes it.
    """
    head, mark, tail = text.rpartition(_MARK)
    after = _NUMBER.search(tail) if mark else None
    if after is not None:
        return _decimal(after[0])
    numbers = _NUMBER.findall(head if mark else text)
    return _decimal(numbers[-1]) if numbers else None


def _decimal(written: str) -> Decimal | None:
    try:
        return Decimal(re.sub("[,\u00a0\u202f\u2009]", "", written).replace("\u2212", "-"))
    except DecimalException:
        return None


def _number_in(answer: Answer, find: _Find | None) -> Decimal | None:
    if find is None:
        return last_number(answer.text)
    part = find(answer.text, answer)
    return last_number(part) if part is not None else None


def _wanted_number(check: Check, answer: Answer, find: _Find | None) -> Decimal:
    part = find(answer.wanted, answer) if find is not None else None
    number = last_number(part if part is not None else answer.wanted)
    if number is None:
        raise UsageError(
            f"The check {check.name} compares numbers, but the wanted answer of {answer.source} holds none: "
            f"{one_line(answer.wanted)}.",
            "Correct the row, or choose another scorer in evaluation.checks.",
        )
    return number


def _same_number(wanted: Decimal, answered: Decimal | None, tolerance: Decimal) -> bool:
    if answered is None:
        return False
    if wanted == answered:
        return True
    try:
        return abs(wanted - answered) <= tolerance
    except DecimalException:
        return False


def _finder(check: Check) -> _Find:
    """Return a search for the check's pattern: the last match's first group, or the whole match."""
    pattern = _compiled(check)

    def find(text: str, answer: Answer) -> str | None:
        try:
            matches = list(pattern.finditer(text, timeout=PATTERN_TIMEOUT_S))
        except TimeoutError as error:
            raise UsageError(
                f"The pattern of the check {check.name} took more than {PATTERN_TIMEOUT_S:g} s on the answer to "
                f"{answer.source}.",
                "Nothing was scored. Write the pattern without nested repeats such as (a+)+.",
            ) from error
        if not matches:
            return None
        return (matches[-1].group(1) or "") if pattern.groups else matches[-1].group(0)

    return find


def _compiled(check: Check) -> Any:
    import regex

    try:
        return regex.compile(check.pattern or "", regex.IGNORECASE if check.ignore_case else 0)
    except regex.error as error:
        raise UsageError(
            f"The pattern of the check {check.name} is no regular expression: {error}.",
            "Correct it in evaluation.checks or evaluation.must_not_regress.",
        ) from error
