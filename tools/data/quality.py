"""The quality report of a dataset: numbers, places, and warnings as sentences. Never a row's text.

Thresholds come from published practice and are named where they stand. Reading and splitting happen elsewhere.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from specs.base import StrictModel
from tools.data.privacy import NUM_PATTERNS, SECRET_KINDS
from tools.escape import one_line

MAX_LISTED = 1000
MAX_PLACES = 20
SHOWN_REFUSALS = 10
# Oumi's data guide: fix first below 500 rows, above 5 % duplicates, above an imbalance of 10 to 1
FEW_TRAIN_ROWS = 500
MANY_DUPLICATES = 0.05
STRONG_IMBALANCE = 10.0
# the same guide wants the 95th percentile of the lengths within the context
MANY_TOO_LONG = 0.05
# Kiln and Foundry: fewer test items than this tell little
FEW_TEST_ROWS = 30
_WIDTH = 80


class RefusedEntry(StrictModel):
    """A row that is in none of the files."""

    source: str
    line: int
    reason: str


class LengthSummary(StrictModel):
    """Lengths of the training rows in tokens, prompt and answer together."""

    p50: int
    p95: int
    max: int
    context_length: int | None
    """What the model takes, None when unknown."""
    num_too_long: int
    """Rows refused because the model takes no more than `context_length`."""
    basis: str


class LabelSummary(StrictModel):
    """Balance of the labels among the training rows."""

    num_labels: int
    num_largest: int
    num_smallest: int
    ratio: float
    """Rows of the largest label over rows of the smallest."""
    counts: dict[str, int]
    """Rows of each label, the largest labels first, at most `MAX_LISTED`."""
    only_in_test: tuple[str, ...]
    """Labels that no training row has."""


class PrivateFinding(StrictModel):
    """One kind of personal data or secret that a pattern found."""

    kind: str
    num_rows: int
    rows: tuple[str, ...]
    """The first places, as data/train.csv:17."""


class Leak(StrictModel):
    """A training row left out because its prompt stands in the test."""

    row: str
    test_row: str


class SplitCounts(StrictModel):
    """Rows of each file."""

    train: int
    validation: int
    test: int


class QualityReport(StrictModel):
    """quality.json of a dataset version."""

    splits: SplitCounts
    num_read: int
    """Rows found in the sources and the test file, refused ones included."""
    num_refused: int
    refused: tuple[RefusedEntry, ...]
    """The first `MAX_LISTED` refused rows."""
    num_duplicates: int
    """Exact repeats left out of the sources."""
    num_leaks: int
    leaks: tuple[Leak, ...]
    num_conflicts: int
    """Prompts that have more than one answer among the training rows."""
    conflicts: tuple[tuple[str, ...], ...]
    """Places of the rows of each such prompt."""
    lengths: LengthSummary
    labels: LabelSummary | None
    """None when the answers are free text."""
    private: tuple[PrivateFinding, ...]
    notices: tuple[str, ...]
    warnings: tuple[str, ...] = Field(default=())


def summarize_lengths(
    lengths: Iterable[int], *, context_length: int | None, num_too_long: int, basis: str
) -> LengthSummary:
    """Return percentiles (nearest rank) of row lengths in tokens."""
    ordered = sorted(lengths)
    return LengthSummary(
        p50=percentile(ordered, 0.5),
        p95=percentile(ordered, 0.95),
        max=ordered[-1] if ordered else 0,
        context_length=context_length,
        num_too_long=num_too_long,
        basis=basis,
    )


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the nearest-rank percentile of sorted numbers, 0 for none."""
    if not ordered:
        return 0
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def summarize_labels(train: Mapping[str, int], test: Iterable[str]) -> LabelSummary:
    """Return the balance of the training labels, and the test labels that training does not have."""
    ordered = Counter(train).most_common()
    largest, smallest = (ordered[0][1], ordered[-1][1]) if ordered else (0, 0)
    return LabelSummary(
        num_labels=len(ordered),
        num_largest=largest,
        num_smallest=smallest,
        ratio=round(largest / smallest, 2) if smallest else 0.0,
        counts=dict(ordered[:MAX_LISTED]),
        only_in_test=tuple(sorted(set(test) - set(train))),
    )


def quality_warnings(report: QualityReport, sources_without_rights: Sequence[str]) -> tuple[str, ...]:
    """Return what a person should know before training, one sentence each, the gravest first."""
    found = [
        *_label_warnings(report.labels),
        *_private_warnings(report.private),
        *_row_warnings(report),
        *(
            f"{source}: rights are not stated; say under which licence or permission these rows may be trained on."
            for source in sources_without_rights
        ),
    ]
    return tuple(found)


def _label_warnings(labels: LabelSummary | None) -> Iterable[str]:
    if labels is None:
        return
    if labels.num_labels == 1:
        yield "Every row has the same answer: a model that always says it is right, and nothing is measured."
    if labels.only_in_test:
        names = ", ".join(one_line(label, 60) for label in labels.only_in_test[:10])
        more = f" and {len(labels.only_in_test) - 10} more" if len(labels.only_in_test) > 10 else ""
        alone = len(labels.only_in_test) == 1
        which, them = ("label stands", "it") if alone else ("labels stand", "them")
        yield (
            f"{len(labels.only_in_test)} {which} only in the test set, so the model cannot learn {them}: {names}{more}."
        )
    if labels.ratio > STRONG_IMBALANCE:
        yield (
            f"The largest label has {labels.ratio:g} times the rows of the smallest "
            f"({labels.num_largest:,} to {labels.num_smallest:,}); rare labels will be learned badly."
        )


def _private_warnings(findings: Sequence[PrivateFinding]) -> Iterable[str]:
    for finding in findings:
        where = ", ".join(finding.rows[:3])
        verb = "look" if finding.num_rows > 1 else "looks"
        rows = counted(finding.num_rows, "row")
        if finding.kind in SECRET_KINDS:
            yield f"{rows} {verb} like holding a secret ({finding.kind}), first {where}: remove it and revoke it."
        else:
            yield f"{rows} {verb} like holding personal data ({finding.kind}), first {where}."


def _row_warnings(report: QualityReport) -> Iterable[str]:
    num_train, num_test = report.splits.train, report.splits.test
    kept = num_train + report.splits.validation
    if num_train < FEW_TRAIN_ROWS:
        yield f"Only {counted(num_train, 'training row')}; below {FEW_TRAIN_ROWS} results vary much from run to run."
    if num_test < FEW_TEST_ROWS:
        yield f"Only {counted(num_test, 'test row')}; below {FEW_TEST_ROWS} a measured difference says little."
    if report.num_refused:
        first = report.refused[0]
        rows = counted(report.num_refused, "row")
        yield f"{rows} left out, first {first.source}:{first.line}: {first.reason}."
    if report.num_duplicates > MANY_DUPLICATES * (kept + report.num_duplicates):
        yield f"{counted(report.num_duplicates, 'exact repeat')} left out; the sources repeat themselves."
    if report.num_leaks:
        leak = report.leaks[0]
        rows = counted(report.num_leaks, "training row")
        yield f"{rows} left out because the same prompt stands in the test, first {leak.row} as {leak.test_row}."
    if report.num_conflicts:
        prompts = counted(report.num_conflicts, "prompt")
        yield f"{prompts} with more than one answer in training, first {', '.join(report.conflicts[0][:3])}."
    too_long = report.lengths.num_too_long
    if too_long > MANY_TOO_LONG * report.num_read:
        share = round(100 * too_long / report.num_read)
        yield (
            f"{share} % of the rows are longer than the {report.lengths.context_length:,} tokens the model takes; "
            "shorten them or choose a base model with a longer context."
        )


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as `1 row` or `1,200 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def quality_facts(quality: QualityReport) -> list[tuple[str, str]]:
    """Return the figures of the report for people, each with its label; an empty label goes on with the one before."""
    splits, lengths = quality.splits, quality.lengths
    facts = [
        ("Rows", f"{splits.train:,} train, {splits.validation:,} validation, {splits.test:,} test"),
        ("Read", f"{quality.num_read:,} rows, {quality.num_refused:,} refused"),
        (
            "Left out",
            f"{counted(quality.num_duplicates, 'repeat')}, {counted(quality.num_leaks, 'leak')} into the test",
        ),
        ("Tokens", f"half of the rows up to {lengths.p50:,}, 95 % up to {lengths.p95:,}, longest {lengths.max:,}"),
        ("", f"({lengths.basis})"),
    ]
    if quality.labels is not None:
        labels = quality.labels
        balance = f"{labels.num_smallest:,} to {labels.num_largest:,} rows each, {labels.ratio:g} : 1"
        facts.append(("Labels", f"{labels.num_labels:,}; {balance}"))
    private = ", ".join(f"{finding.kind} in {counted(finding.num_rows, 'row')}" for finding in quality.private)
    facts.append(("Private data", private or f"not found by {NUM_PATTERNS} patterns (names are not looked for)"))
    return facts


def quality_report_text(quality: QualityReport) -> str:
    """Return the report for people, at most 80 columns wide."""
    lines = [line for label, text in quality_facts(quality) for line in _wrapped(f"{label:<13}", text, " " * 13)]
    lines += [line for notice in quality.notices for line in _wrapped("note: ", notice, "  ")]
    lines += [line for warning in quality.warnings for line in _wrapped("warning: ", warning, "  ")]
    lines += [
        line
        for entry in quality.refused[:SHOWN_REFUSALS]
        for line in _wrapped("refused: ", f"{entry.source}:{entry.line}: {entry.reason}", "  ")
    ]
    if quality.num_refused > SHOWN_REFUSALS:
        lines.append(f"  and {quality.num_refused - SHOWN_REFUSALS:,} more refused rows in quality.json")
    return "\n".join(lines) + "\n"


def _wrapped(first: str, text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=indent)
