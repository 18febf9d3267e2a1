"""An evaluated project: four labels, ten rows each, the base model right on some, the custom model on most."""

from pathlib import Path

import pytest

from tests.fakes.measured_project import BASE, MeasuredProject
from tools.evaluation.report import EvaluationReport, read_report
from tools.evaluation.step import Baseline, Evaluate

LABELS = ["card", "loan", "cash", "fees"] * 10


@pytest.fixture
def evaluated(tmp_path: Path) -> EvaluationReport:
    project = MeasuredProject(
        tmp_path,
        LABELS,
        checks=[
            {"name": "accuracy", "scorer": "exact_match", "threshold": 0.75},
            {"name": "balance", "scorer": "macro_f1", "threshold": 0.99},
        ],
        regressions=[{"name": "short", "scorer": "regex", "pattern": r"^\w+$", "max_drop": 0.02}],
    )

    def unlogged(*_: object) -> None:
        return None

    baseline, context = Baseline(unlogged), project.context("baseline", "r1")
    project.answered(
        baseline, context, project.answers([*LABELS[:12], "\x1b[31mred 你好 " * 4, *["card"] * 27]), "before"
    )
    project.results["baseline"] = baseline.finish(context)
    project.results["train"] = {"model": BASE.model_copy(update={"name": "bank@1"}).model_dump()}
    evaluate, context = Evaluate(unlogged), project.context("evaluate", "r3")
    project.answered(evaluate, context, project.answers(["loan", "loan", *LABELS[2:36], *["cash"] * 4]), "after")
    evaluate.finish(context)
    return read_report(context.run)
