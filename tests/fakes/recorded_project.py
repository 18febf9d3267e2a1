"""A measured project that its ledger knows: reports, rows and screens find the measurement as after real runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.fakes.measured_project import BASE, DEFAULT_CHECK, MeasuredProject
from tools.evaluation.records import draw_rows
from tools.evaluation.step import Baseline, Evaluate
from tools.ledger import Ledger, StepRecord

DAY = 1_750_000_000.0


def record_measurement(
    root: Path,
    wanted: Sequence[str],
    base: Sequence[str],
    custom: Sequence[str] | None = None,
    checks: Sequence[Mapping[str, Any]] = (DEFAULT_CHECK,),
    **settings: Any,
) -> MeasuredProject:
    """Return a project whose latest plan has a measured baseline and, with `custom`, an evaluation."""
    project = MeasuredProject(root, wanted, checks=checks, **settings)
    plan = project.plan()
    ids = {row.id for row in draw_rows(project.rows, project.max_rows)}

    def drawn(texts: Sequence[str]) -> dict[str, str]:
        return {id_: text for id_, text in project.answers(texts).items() if id_ in ids}

    baseline, context = Baseline(_unlogged, lambda: DAY), project.context("baseline", "r1", plan)
    project.answered(baseline, context, drawn(base), "before")
    project.results["baseline"] = baseline.finish(context)
    measured = [("baseline", "r1")]
    if custom is not None:
        project.results["train"] = {"model": BASE.model_copy(update={"name": "bank@1"}).model_dump(), "health": []}
        evaluate, context = Evaluate(_unlogged, lambda: DAY + 60), project.context("evaluate", "r3", plan)
        project.answered(evaluate, context, drawn(custom), "after")
        project.results["evaluate"] = evaluate.finish(context)
        measured += [("train", "r2"), ("evaluate", "r3")]
    with Ledger(project.layout.ledger_path) as ledger:
        ledger.record_plan(plan)
        for step, run in measured:
            result = project.results[step]
            ledger.save_step(
                StepRecord(plan.hash, step, 1, f"g-{step}", run, 1, "succeeded", 0.0, DAY, DAY + 1, 1.0, result=result)
            )
    return project


def _unlogged(*_: object) -> None:
    return None
