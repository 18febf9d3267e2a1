"""Guesses which column is the prompt and which the answer, with a reason and how sure it is.

`high` means that a person need not be asked. The guess rests on names that data sets use and on what columns hold.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeAlias

from specs.base import StrictModel
from specs.data import Columns
from tools.escape import one_line

Confidence: TypeAlias = Literal["high", "medium", "low"]
TaskHint: TypeAlias = Literal["classification", "generation", "chat", "preference", "text"]

_PROMPT_NAMES = {
    "prompt", "question", "query", "instruction", "input", "text", "sentence", "utterance", "message", "user",
    "problem", "context", "document", "request", "source", "title", "review",
}  # fmt: skip
_COMPLETION_NAMES = {
    "completion", "answer", "response", "output", "label", "category", "intent", "class", "target", "assistant",
    "reply", "solution", "summary", "chosen", "sentiment", "topic",
}  # fmt: skip
_SYSTEM_NAMES = ("system", "system_prompt")
_MAX_ALTERNATIVES = 4
# mean characters from which a column reads like sentences rather than names or numbers
_LONG_TEXT = 20


class Suggestion(StrictModel):
    """A meaning of the columns."""

    columns: Columns
    reason: str
    confidence: Confidence
    task: TaskHint


class ColumnFacts(Protocol):
    """What the guess needs to know of a column."""

    @property
    def name(self) -> str:
        """Name in the file."""
        ...

    @property
    def kind(self) -> str:
        """What its values are."""
        ...

    @property
    def num_distinct(self) -> int:
        """Distinct values."""
        ...

    @property
    def num_empty(self) -> int:
        """Rows without a value."""
        ...

    @property
    def mean_characters(self) -> float:
        """Mean length of its values."""
        ...

    @property
    def is_label(self) -> bool:
        """Whether its values repeat as labels do."""
        ...


def suggest(columns: Sequence[ColumnFacts]) -> tuple[Suggestion | None, tuple[Suggestion, ...]]:
    """Return the most likely meaning of the columns, None when there is none, and the alternatives to it."""
    by_name = {column.name.lower(): column for column in columns}
    system = next((by_name[name].name for name in _SYSTEM_NAMES if name in by_name), None)
    known = _known_shape(by_name, system)
    if known is not None:
        return known, ()
    texts = [column for column in columns if column.kind == "text" and column.name != system and column.num_distinct]
    answers = [*texts, *(column for column in columns if column.kind == "number" and column.is_label)]
    if len(answers) < 2:
        return (_plain_text(texts[0]), ()) if texts else (None, ())
    return _by_content(texts, answers, system)


def _known_shape(by_name: dict[str, ColumnFacts], system: str | None) -> Suggestion | None:
    prompt, chosen = by_name.get("prompt"), by_name.get("chosen")
    if chosen is not None and "rejected" in by_name and prompt is not None:
        return Suggestion(
            columns=Columns(prompt=prompt.name, completion=chosen.name, system=system),
            reason="the file holds preferences; supervised training would use the chosen answers alone",
            confidence="medium",
            task="preference",
        )
    completion = by_name.get("completion")
    if prompt is not None and completion is not None:
        chat = "messages" in {prompt.kind, completion.kind}
        return Suggestion(
            columns=Columns(prompt=prompt.name, completion=completion.name, system=system),
            reason="the columns are called prompt and completion",
            confidence="high",
            task="chat" if chat else "generation",
        )
    lists = [column for column in by_name.values() if column.kind == "messages"]
    if len(lists) == 1:
        return Suggestion(
            columns=Columns(messages=lists[0].name, system=system),
            reason=f"{one_line(lists[0].name, 60)} holds lists of chat messages",
            confidence="high",
            task="chat",
        )
    return None


def _plain_text(column: ColumnFacts) -> Suggestion:
    return Suggestion(
        columns=Columns(text=column.name),
        reason=f"{one_line(column.name, 60)} is the only column of text, so there is no answer to learn",
        confidence="medium",
        task="text",
    )


def _by_content(
    texts: Sequence[ColumnFacts], answers: Sequence[ColumnFacts], system: str | None
) -> tuple[Suggestion | None, tuple[Suggestion, ...]]:
    pairs = [
        (_score(prompt, answer), prompt, answer) for answer in answers for prompt in texts if prompt.name != answer.name
    ]
    if not pairs:
        return None, ()
    pairs.sort(key=lambda pair: -pair[0])
    best_score, prompt, answer = pairs[0]
    second_score = pairs[1][0] if len(pairs) > 1 else -1.0
    only_two = len(answers) == 2
    plain = only_two and answer.is_label and not prompt.is_label
    confidence = "high" if plain else _confidence(best_score, second_score, 1.0 if only_two else 1.5)
    if confidence == "high" and sum(column.is_label for column in answers) > 1:
        confidence = "medium"
    first = _pair(prompt, answer, system, confidence)
    if confidence == "high":
        return first, ()
    others = [_pair(prompt, answer, system, "low") for score, prompt, answer in pairs[1:] if score > 0]
    return first, tuple(others[:_MAX_ALTERNATIVES])


def _score(prompt: ColumnFacts, answer: ColumnFacts) -> float:
    """Names weigh most, then labels as answers, then long varied text as prompts."""
    score = 2.0 * (prompt.name.lower() in _PROMPT_NAMES) + 2.0 * (answer.name.lower() in _COMPLETION_NAMES)
    score += 1.5 * (answer.is_label and not prompt.is_label)
    score -= 1.5 * prompt.is_label
    score -= 1.0 * (prompt.name.lower() in _COMPLETION_NAMES and answer.name.lower() in _PROMPT_NAMES)
    score -= 1.0 * (prompt.num_empty > 0) + 1.0 * (answer.num_empty > 0)
    score += 0.25 * (prompt.num_distinct > answer.num_distinct) + 0.25 * (prompt.mean_characters >= _LONG_TEXT)
    return score


def _confidence(best: float, second: float, lead: float) -> Confidence:
    if best >= 3.5 and best - second >= lead:
        return "high"
    return "medium" if best >= 1.5 and best > second else "low"


def _pair(prompt: ColumnFacts, answer: ColumnFacts, system: str | None, confidence: Confidence) -> Suggestion:
    return Suggestion(
        columns=Columns(prompt=prompt.name, completion=answer.name, system=system),
        reason=", ".join(_reasons(prompt, answer)),
        confidence=confidence,
        task="generation",
    )


def _reasons(prompt: ColumnFacts, answer: ColumnFacts) -> Iterable[str]:
    asked, given = one_line(prompt.name, 60), one_line(answer.name, 60)
    if answer.is_label:
        yield f"{given} repeats {answer.num_distinct:,} short labels"
    elif answer.name.lower() in _COMPLETION_NAMES:
        yield f"{given} is a usual name of an answer"
    else:
        yield f"{given} is another column of text"
    if prompt.name.lower() in _PROMPT_NAMES:
        yield f"{asked} is a usual name of a prompt"
    else:
        yield f"{asked} is text of {prompt.mean_characters:.0f} characters on average"
