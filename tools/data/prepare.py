"""Turns the data section of a spec into a dataset: reads, refuses, removes repeats and leaks, splits.

Nothing is written here and nothing is random: the same files, tokenizer and settings give the same version, so that a
plan can name it before it exists.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from specs.data import DataSource, DataSpec, HeldOut, TestFile
from tools.data.dataset import SPLITS, CardSource, Prepared, PreparedRow, Split, row_digest
from tools.data.ingest import read_source
from tools.data.labels import are_labels, count_labels
from tools.data.privacy import find_private
from tools.data.quality import (
    MAX_LISTED,
    MAX_PLACES,
    LabelSummary,
    Leak,
    PrivateFinding,
    QualityReport,
    RefusedEntry,
    SplitCounts,
    quality_warnings,
    summarize_labels,
    summarize_lengths,
)
from tools.data.records import SourceRow, Turn
from tools.data.source_file import resolve_path
from tools.data.split import MAX_VALIDATION_ROWS, group_key, hold_out, watch
from tools.data.tokens import TokenCounter
from tools.errors import DataError
from tools.escape import one_line

_COUNTED_AT_ONCE = 2048


@dataclass
class _Intake:
    """What was read so far, and what was left out on the way."""

    root: Path
    system_prompt: str | None
    counter: TokenCounter
    context_length: int | None
    refused: list[RefusedEntry] = field(default_factory=list[RefusedEntry])
    notices: list[str] = field(default_factory=list[str])
    sources: list[CardSource] = field(default_factory=list[CardSource])
    num_read: int = 0
    num_too_long: int = 0


@dataclass
class _Removed:
    """Rows taken out of the training side."""

    num_duplicates: int = 0
    leaks: list[Leak] = field(default_factory=list[Leak])


def prepare(
    data: DataSpec,
    *,
    name: str,
    root: Path,
    datasets_dir: Path,
    system_prompt: str | None,
    counter: TokenCounter,
    context_length: int | None,
) -> Prepared:
    """Return the dataset that the spec's data section describes.

    Args:
        data: sources, test and validation share.
        name: name of the dataset, which becomes a folder name.
        root: folder that relative paths start from.
        datasets_dir: where versions are kept.
        system_prompt: put before rows that have none of their own.
        counter: counts tokens; rows longer than `context_length` are refused.
        context_length: what the model takes in tokens, None when unknown.

    Raises:
        DataError: a file cannot be used, a side of the split stays empty, or most test labels are never trained.
    """
    if not data.sources:
        raise DataError("The spec names no data.", "Add a file under data.sources.")
    intake = _Intake(root, system_prompt, counter, context_length)
    removed = _Removed()
    rows = _without_repeats((row for source in data.sources for row in _read(intake, source)), removed)
    if isinstance(data.test, TestFile):
        test = list(_read(intake, data.test))
        rows = _without_leaks(rows, test, removed)
    else:
        rows, test = _held_out(rows, data.test)
    if not rows:
        raise _nothing_to_train(removed)
    if not test:
        raise DataError("No test row is left.", "Every row of the test was refused; correct the test file.")
    watched = watch([row.group for row in rows], data.validation_fraction)
    splits: dict[Split, list[PreparedRow]] = {
        "train": [row for row in rows if row.group not in watched],
        "validation": [row for row in rows if row.group in watched],
        "test": test,
    }
    return Prepared(
        name=name,
        datasets_dir=datasets_dir,
        rows=splits,
        sources=tuple(intake.sources),
        system_prompt=system_prompt,
        split=_split_in_words(data),
        quality=_quality(intake, removed, splits),
        basis=counter.basis,
    )


def _read(intake: _Intake, source: DataSource) -> list[PreparedRow]:
    found = read_source(resolve_path(source.path, intake.root), source.columns, source.path)
    shown = one_line(source.path, 300)
    refused = [RefusedEntry(source=shown, line=row.line, reason=row.reason) for row in found.refused]
    rows: list[PreparedRow] = []
    for start in range(0, len(found.rows), _COUNTED_AT_ONCE):
        for row in _measured(intake, shown, found.rows[start : start + _COUNTED_AT_ONCE]):
            if intake.context_length is not None and row.tokens > intake.context_length:
                refused.append(_too_long(shown, row, intake.context_length))
                intake.num_too_long += 1
            else:
                rows.append(row)
    intake.refused.extend(refused)
    intake.notices.extend(found.notices)
    intake.num_read += len(found.rows) + len(found.refused)
    intake.sources.append(
        CardSource(
            path=source.path,
            used_for="test" if isinstance(source, TestFile) else "train",
            sha256=found.sha256,
            columns=source.columns,
            rights=source.rights,
            num_rows=len(rows),
            num_refused=len(refused),
        )
    )
    if not rows:
        raise DataError(
            f"{shown}: all rows are longer than the {intake.context_length:,} tokens the model takes.",
            "Shorten the rows, or choose a base model with a longer context.",
        )
    return rows


def _measured(intake: _Intake, shown: str, rows: Sequence[SourceRow]) -> Iterable[PreparedRow]:
    prompts = [_with_system(row.prompt, intake.system_prompt) for row in rows]
    texts = list(dict.fromkeys(content for prompt in prompts for _, content in prompt))
    texts = list(dict.fromkeys([*texts, *(row.completion for row in rows)]))
    tokens = dict(zip(texts, intake.counter.count_texts(texts), strict=True))
    per_message, fixed = intake.counter.overhead
    for row, prompt in zip(rows, prompts, strict=True):
        yield PreparedRow(
            prompt=prompt,
            completion=row.completion,
            source=f"{shown}:{row.line}",
            digest=row_digest(prompt, row.completion),
            group=group_key(row.prompt),
            prompt_tokens=sum(tokens[content] for _, content in prompt) + per_message * len(prompt) + fixed,
            completion_tokens=tokens[row.completion] + per_message,
        )


def _with_system(prompt: tuple[Turn, ...], system_prompt: str | None) -> tuple[Turn, ...]:
    if not system_prompt or prompt[0][0] == "system":
        return prompt
    return (("system", system_prompt), *prompt)


def _too_long(shown: str, row: PreparedRow, context_length: int) -> RefusedEntry:
    line = int(row.source.rpartition(":")[2])
    if row.prompt_tokens > context_length:
        reason = f"the prompt has {row.prompt_tokens:,} tokens, more than the {context_length:,} the model takes"
    else:
        reason = f"prompt and answer have {row.tokens:,} tokens, more than the {context_length:,} the model takes"
    return RefusedEntry(source=shown, line=line, reason=reason)


def _without_repeats(rows: Iterable[PreparedRow], removed: _Removed) -> list[PreparedRow]:
    kept: dict[str, PreparedRow] = {}
    for row in rows:
        if row.digest in kept:
            removed.num_duplicates += 1
        else:
            kept[row.digest] = row
    return list(kept.values())


def _without_leaks(rows: list[PreparedRow], test: Sequence[PreparedRow], removed: _Removed) -> list[PreparedRow]:
    asked = {row.group: row.source for row in reversed(test)}
    removed.leaks = [Leak(row=row.source, test_row=asked[row.group]) for row in rows if row.group in asked]
    return [row for row in rows if row.group not in asked]


def _held_out(rows: list[PreparedRow], test: HeldOut) -> tuple[list[PreparedRow], list[PreparedRow]]:
    held = hold_out([row.group for row in rows], test.fraction)
    if not held or all(row.group in held for row in rows):
        raise DataError(
            "The data has only one distinct prompt, too few to hold out test rows.",
            "Add rows, or name a test file under data.test.",
        )
    return [row for row in rows if row.group not in held], [row for row in rows if row.group in held]


def _nothing_to_train(removed: _Removed) -> DataError:
    if removed.leaks:
        leak = removed.leaks[0]
        return DataError(
            f"Every training row also stands in the test (first {leak.row} as {leak.test_row}), so none is left.",
            "Name a test file with other rows, or hold out a share: data.test: {fraction: 0.1}.",
        )
    return DataError("No training row is left.", "Add rows under data.sources.")


def _quality(intake: _Intake, removed: _Removed, splits: dict[Split, list[PreparedRow]]) -> QualityReport:
    conflicts = _conflicts(splits["train"])
    lengths = (row.tokens for row in splits["train"])
    report = QualityReport(
        splits=SplitCounts(**{split: len(splits[split]) for split in SPLITS}),
        num_read=intake.num_read,
        num_refused=len(intake.refused),
        refused=tuple(intake.refused[:MAX_LISTED]),
        num_duplicates=removed.num_duplicates,
        num_leaks=len(removed.leaks),
        leaks=tuple(removed.leaks[:MAX_LISTED]),
        num_conflicts=len(conflicts),
        conflicts=tuple(conflicts[:MAX_LISTED]),
        lengths=summarize_lengths(
            lengths,
            context_length=intake.context_length,
            num_too_long=intake.num_too_long,
            basis=intake.counter.basis,
        ),
        labels=_labels(splits),
        private=_private(splits),
        notices=(*intake.notices, *_edges(splits)),
    )
    without_rights = [
        one_line(source.path, 300) for source in intake.sources if source.used_for == "train" and not source.rights
    ]
    return report.model_copy(update={"warnings": quality_warnings(report, without_rights)})


def _labels(splits: dict[Split, list[PreparedRow]]) -> LabelSummary | None:
    every = count_labels(row.completion for split in SPLITS for row in splits[split])
    if not are_labels(every):
        return None
    test = {row.completion for row in splits["test"]}
    summary = summarize_labels(count_labels(row.completion for row in splits["train"]), test)
    if 2 * len(summary.only_in_test) > len(test):
        names = ", ".join(one_line(label, 60) for label in summary.only_in_test[:5])
        raise DataError(
            f"{len(summary.only_in_test)} of the {len(test)} labels of the test never stand in the training rows "
            f"(as {names}).",
            "Check that both files use the same label column and the same spelling.",
        )
    return summary


def _conflicts(rows: Sequence[PreparedRow]) -> list[tuple[str, ...]]:
    first: dict[bytes, PreparedRow] = {}
    places: dict[bytes, list[str]] = {}
    for row in rows:
        earlier = first.setdefault(row.group, row)
        if earlier.completion != row.completion:
            places.setdefault(row.group, [earlier.source]).append(row.source)
    return [tuple(found[:MAX_PLACES]) for found in places.values()]


def _private(splits: dict[Split, list[PreparedRow]]) -> tuple[PrivateFinding, ...]:
    counts: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    for split in SPLITS:
        for row in splits[split]:
            texts = [*(content for role, content in row.prompt if role != "system"), row.completion]
            for kind in find_private(texts):
                counts[kind] += 1
                if counts[kind] <= MAX_PLACES:
                    places.setdefault(kind, []).append(row.source)
    return tuple(
        PrivateFinding(kind=kind, num_rows=number, rows=tuple(places[kind])) for kind, number in sorted(counts.items())
    )


def _edges(splits: dict[Split, list[PreparedRow]]) -> Iterable[str]:
    """Say where an answer begins or ends in white space, which the model would learn."""
    for split in SPLITS:
        padded = [row.source for row in splits[split] if row.completion != row.completion.strip()]
        if padded:
            yield f"{len(padded):,} answers of {split} begin or end with white space, first {padded[0]}."


def _split_in_words(data: DataSpec) -> str:
    watched = (
        f"validation: {data.validation_fraction:g} of the training prompts by hash, "
        f"at most {MAX_VALIDATION_ROWS} rows, none below 500 training rows"
    )
    if isinstance(data.test, HeldOut):
        return f"test: {data.test.fraction:g} of the prompts by hash of the normalised prompt; {watched}"
    return f"test: a file of its own, training rows with the same normalised prompt left out; {watched}"
