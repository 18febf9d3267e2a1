"""Results as text for the plain terminal: runs, one run, a data file, a measurement, answers, the doctor's findings."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from agent.plan_text import wrapped
from tools.escape import one_line, visible
from tools.wording import count, duration, percent, size

if TYPE_CHECKING:
    from tools.data.inspect import FileProfile
    from tools.doctor import Finding
    from tools.evaluation.rows import MeasuredRow
    from tools.runs import RunInfo
    from tools.steps import JsonDict

_MARKS = {"ok": "✓", "warning": "!", "failed": "✗"}
_MAX_LABELS_SHOWN = 8


def runs_text(runs: Sequence["RunInfo"]) -> str:
    """Return a line for each run."""
    if not runs:
        return "No run yet. `tailor run` starts one."
    head = f"{'run':<6} {'step':<14} {'state':<10} {'done':>7} {'time':>12}  what"
    return "\n".join([head, *(_run_line(run) for run in runs)])


def run_text(run: "RunInfo") -> str:
    """Return one run with its last events."""
    lines = [
        f"Run {run.run_id}: step {run.step}, {run.state}",
        f"  task      {run.task}",
        f"  plan      {run.plan}",
        f"  begun     {_moment(run.started_at)}",
        f"  ended     {_moment(run.ended_at)}",
        f"  time      {duration(run.seconds)} of work in {count(run.launches, 'launch', 'launches')}",
    ]
    if run.total:
        lines.append(f"  done      {run.done:,} of {run.total:,}")
    if run.url:
        lines.append(f"  serving   {run.url}")
    lines += [f"  {visible(part, 2_000)}" for part in (run.message, run.hint) if part]
    return "\n".join(lines)


def results_text(results: "JsonDict", width: int) -> str:
    """Return a plan's measurement: report, rows side by side, health of the training, server."""
    from tools.evaluation.report import EvaluationReport
    from tools.evaluation.side_by_side import ComparedRow
    from tools.evaluation.text import report_text, side_by_side_text

    parts = [report_text(EvaluationReport.model_validate(results["report"]), width).rstrip()]
    rows = [ComparedRow.model_validate(row) for row in results["side_by_side"]]
    if rows:
        parts.append(f"Rows side by side\n{side_by_side_text(rows, width).rstrip()}")
    parts += ["\n".join(wrapped(f"! {line}", width, indent="", hanging="  ")) for line in results["health"]]
    if results["endpoint"]:
        parts.append(f"Served at {results['endpoint']}; ask it with: tailor play -p 'your prompt'")
    return "\n\n".join(parts)


def measured_row_text(row: "MeasuredRow", width: int, *, is_first: bool) -> str:
    """Return one test row with every answer whole, a line above all but the first."""
    from tools.evaluation.text import wrap

    words = {True: "✓ right", False: "✗ wrong"}
    answers = [("base", row.base, words[row.base_right])]
    if row.custom is not None:
        answers.append(("custom", row.custom, words[bool(row.custom_right)]))
    lines = [] if is_first else ["─" * width]
    lines.append(f"Row {row.number:,} · {row.outcome or 'base model alone'} · {one_line(row.source)}")
    for label, text in [("prompt", row.prompt), ("wanted", row.wanted), *((f"{a} {c}", b) for a, b, c in answers)]:
        parts = [part for line in visible(text, 100_000).split("\n") for part in wrap(line, width - 16)]
        lines += [f"  {label if number == 0 else '':<14}{part}".rstrip() for number, part in enumerate(parts)]
    return "\n".join(lines)


def answers_text(prompt: str, answers: "JsonDict") -> str:
    """Return the answers of the served models to one prompt."""
    lines = [f"> {one_line(prompt, 200)}"]
    for answer in answers["answers"]:
        took = f"{answer['num_tokens']} tokens, {answer['seconds']:.2f} s"
        lines.append(f"{one_line(answer['model']):<24} {visible(answer['text'], 4000) or '(nothing)'}   [{took}]")
    return "\n".join(lines)


def profile_text(profile: "FileProfile") -> str:
    """Return what a data file holds."""
    lines = [
        f"{one_line(profile.path)}: {profile.format}, {size(profile.size_bytes)}, {count(profile.num_rows, 'row')}"
    ]
    for column in profile.columns:
        samples = " | ".join(one_line(sample, 40) for sample in column.samples)
        lines.append(
            f"  {one_line(column.name, 24):<24} {column.kind:<8} {column.num_distinct:>7,} distinct  {samples}"
        )
    if profile.suggestion is not None:
        lines.append(f"Columns: {visible(profile.suggestion.reason)}")
    if profile.labels:
        shown = ", ".join(
            f"{one_line(label.label, 30)} ({label.num_rows})" for label in profile.labels[:_MAX_LABELS_SHOWN]
        )
        lines.append(
            f"{count(len(profile.labels), 'label')}: {shown}{' …' if len(profile.labels) > _MAX_LABELS_SHOWN else ''}"
        )
    lines += [f"! {visible(notice)}" for notice in profile.notices]
    if profile.num_refused:
        share = percent(profile.num_refused / max(1, profile.num_rows + profile.num_refused))
        lines.append(f"! {count(profile.num_refused, 'row')} refused ({share}):")
        lines += [f"    line {row.line}: {one_line(row.reason)}" for row in profile.refused]
    return "\n".join(lines)


def findings_text(findings: Iterable["Finding"], width: int) -> str:
    """Return the doctor's findings, a line each."""
    lines: list[str] = []
    for finding in findings:
        text = f"{_MARKS[finding.state]} {finding.name:<11} {visible(finding.message, 2_000)}"
        lines += wrapped(text, width, indent="", hanging=" " * 14)
        if finding.hint:
            lines += wrapped(finding.hint, width, indent=" " * 14, hanging=" " * 14)
    return "\n".join(lines)


def _run_line(run: "RunInfo") -> str:
    done = percent(run.progress) if run.progress is not None else "-"
    what = run.url or one_line(run.message, 60)
    return f"{run.run_id:<6} {run.step:<14} {run.state:<10} {done:>7} {duration(run.seconds):>12}  {what}".rstrip()


def _moment(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
