"""The baseline and evaluate steps: the job that answers the test rows, and the scoring of its answers.

`manifest` reads files and writes one: the drawn rows, where the spec uses a part of the test rows
(`records.prompts_file`; its name fixes its content, so calling again changes nothing). `finish` writes evaluation.json
into the run directory. Scoring needs numpy and scipy, which load only when a step is finished.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from specs.atomic import write_text
from specs.base import StrictModel
from specs.evaluation import Check, RegressionCheck
from specs.layout import ProjectLayout, RunLayout
from specs.plan import Step
from specs.run import DatasetRef, GenerateReport, GenerateTask, JobLimits, ModelRef, RunManifest
from tools.errors import ToolError
from tools.evaluation.records import Answer, draw_rows, join, prompts_file, read_generations, read_rows
from tools.evaluation.report import Decoding, EvaluationReport, Side, TestSet
from tools.evaluation.scorers import check_pattern
from tools.steps import JsonDict, StepContext
from tools.tracking import log_evaluation

if TYPE_CHECKING:
    from tools.evaluation.measure import Setting

Log = Callable[[ProjectLayout, RunLayout], object]
_Model = TypeVar("_Model", bound=BaseModel)


class EvaluationArguments(StrictModel):
    """The arguments of both steps, as far as they are used here."""

    model_config = ConfigDict(extra="ignore")

    model: ModelRef
    """The base model."""
    dataset: DatasetRef
    checks: tuple[Check, ...]
    must_not_regress: tuple[RegressionCheck, ...] = ()
    max_rows: int | None
    max_new_tokens: int
    batch_size: int
    limits: JobLimits
    train_step: str | None = None
    baseline_step: str | None = None


class BaselineResult(StrictModel):
    """What the evaluate step needs of the baseline's result."""

    model_config = ConfigDict(extra="ignore")

    generations: str
    dataset: DatasetRef
    decoding: Decoding


@dataclass(frozen=True)
class Baseline:
    """Measures the base model on the frozen test rows, before any training."""

    has_job: ClassVar[bool] = True
    keeps_running: ClassVar[bool] = False

    log: Log = log_evaluation
    clock: Callable[[], float] = time.time

    def manifest(self, context: StepContext) -> RunManifest:
        """Return the job that lets the base model answer.

        Raises:
            ToolError: the test rows cannot be read, or a check's pattern is no regular expression.
        """
        arguments = _arguments(context.step)
        return _manifest(context, arguments, arguments.model, self.clock())

    def finish(self, context: StepContext) -> JsonDict:
        """Return scores with intervals and whether training is worth it.

        Raises:
            ToolError: answers are missing, or a check cannot be scored on these rows.
        """
        from tools.evaluation.measure import baseline_report

        arguments = _arguments(context.step)
        side, answers = _measured(context.run, _dataset(context, arguments), arguments)
        report = baseline_report(_setting(context, arguments), side, answers)
        _keep(context, report)
        if not any(step.kind == "train" for step in context.plan.steps):
            # With a train step the evaluation logs both sides; the tracking store must not be made twice at once.
            self.log(context.layout, context.run)
        return _result(context, arguments, report)


@dataclass(frozen=True)
class Evaluate:
    """Measures the trained model on the same rows as the baseline and compares the two."""

    has_job: ClassVar[bool] = True
    keeps_running: ClassVar[bool] = False

    log: Log = log_evaluation
    clock: Callable[[], float] = time.time

    def manifest(self, context: StepContext) -> RunManifest:
        """Return the job that lets the trained model answer.

        Raises:
            ToolError: the train step has no result, the test rows cannot be read, or a check's pattern is no regular
                expression.
        """
        arguments = _arguments(context.step)
        trained = _earlier(context, arguments.train_step or "train")
        return _manifest(context, arguments, _parse(ModelRef, trained.get("model"), "train step's model"), self.clock())

    def finish(self, context: StepContext) -> JsonDict:
        """Return the checks with both sides, their difference and the verdict.

        Raises:
            ToolError: answers are missing, the baseline measured other rows or other decoding settings, or a check
                cannot be scored.
        """
        from tools.evaluation.measure import comparison_report

        arguments = _arguments(context.step)
        dataset = _dataset(context, arguments)
        baseline = _parse(BaselineResult, _earlier(context, arguments.baseline_step or "baseline"), "baseline's result")
        _same_conditions(baseline, dataset, _decoding(arguments))
        base = _measured(RunLayout(Path(baseline.generations).parent), dataset, arguments)
        custom = _measured(context.run, dataset, arguments)
        trained_at = _earlier(context, arguments.train_step or "train").get("started_at")
        report = comparison_report(_setting(context, arguments, trained_at), base, custom)
        _keep(context, report)
        self.log(context.layout, context.run)
        return _result(context, arguments, report)


def _manifest(context: StepContext, arguments: EvaluationArguments, model: ModelRef, now: float) -> RunManifest:
    for measure in (*arguments.checks, *arguments.must_not_regress):
        # now, not when minutes have gone into the answers
        check_pattern(measure)
    dataset = _dataset(context, arguments)
    prompts_path = prompts_file(
        Path(dataset.dir) / "test.jsonl", arguments.max_rows, context.layout.artifacts_dir, dataset.version
    )
    return RunManifest(
        run_id=context.run_id or "",
        project=context.plan.name,
        plan=context.plan.hash,
        step=context.step.id,
        created_at=now,
        task=GenerateTask(
            model=model,
            prompts_path=str(prompts_path),
            max_new_tokens=arguments.max_new_tokens,
            batch_size=arguments.batch_size,
            limits=arguments.limits,
        ),
    )


def _measured(run: RunLayout, dataset: DatasetRef, arguments: EvaluationArguments) -> tuple[Side, tuple[Answer, ...]]:
    """Return who answered in a run, and every test row with its answer."""
    manifest = _parse(RunManifest, _bytes(run.manifest_path), f"manifest {run.manifest_path}")
    made = _parse(GenerateReport, _bytes(run.report_path), f"report {run.report_path}")
    if not isinstance(manifest.task, GenerateTask):
        raise ToolError(f"The run {run.run_dir.name} answered no prompts.", "Run the step again.")
    rows = draw_rows(read_rows(_test_path(dataset)), arguments.max_rows)
    answers = join(rows, read_generations(run.generations_path), run.generations_path)
    side = Side(
        model=manifest.task.model.name,
        run=run.run_dir.name,
        generations_path=str(run.generations_path),
        weights_sha256=made.weights_sha256,
        measured_at=manifest.created_at,
        seconds=made.seconds,
        num_tokens=made.num_tokens,
        num_cut=sum(answer.finish == "length" for answer in answers),
        num_unread=sum(answer.finish == "prompt_too_long" for answer in answers),
    )
    return side, answers


def _setting(context: StepContext, arguments: EvaluationArguments, trained_at: float | None = None) -> "Setting":
    from tools.evaluation.measure import Setting

    dataset = _dataset(context, arguments)
    available = read_rows(_test_path(dataset))
    return Setting(
        plan=context.plan.hash,
        checks=arguments.checks,
        regressions=arguments.must_not_regress,
        test_set=TestSet(
            dataset=dataset.name,
            version=dataset.version,
            rows_path=str(_test_path(dataset)),
            num_rows=len(draw_rows(available, arguments.max_rows)),
            num_available=len(available),
        ),
        decoding=_decoding(arguments),
        trained_at=trained_at,
    )


def _dataset(context: StepContext, arguments: EvaluationArguments) -> DatasetRef:
    """Return the dataset version the plan names, where the prepare_data step has put it."""
    prepared = next((context.results.get(step.id) for step in context.plan.steps if step.kind == "prepare_data"), None)
    if prepared is None:
        return arguments.dataset
    if prepared["version"] != arguments.dataset.version:
        raise ToolError(
            f"The plan measures the dataset version {arguments.dataset.version}, "
            f"but {prepared['version']} was prepared.",
            "The data changed since the plan was made: make a new plan.",
        )
    return arguments.dataset.model_copy(update={"dir": str(prepared["dir"])})


def _same_conditions(baseline: BaselineResult, dataset: DatasetRef, decoding: Decoding) -> None:
    if baseline.dataset.version != dataset.version:
        raise ToolError(
            f"The baseline was measured on the dataset version {baseline.dataset.version}, "
            f"the custom model on {dataset.version}; they cannot be compared.",
            "Run the baseline again on this version.",
        )
    if baseline.decoding != decoding:
        raise ToolError(
            "The baseline and the custom model answered under different decoding settings "
            f"({_shown(baseline.decoding)} against {_shown(decoding)}); they cannot be compared.",
            "Make a new plan, so that both are measured alike.",
        )


def _shown(decoding: Decoding) -> str:
    return f"at most {decoding.max_new_tokens} new tokens, batches of {decoding.batch_size}"


def _decoding(arguments: EvaluationArguments) -> Decoding:
    return Decoding(max_new_tokens=arguments.max_new_tokens, batch_size=arguments.batch_size)


def _test_path(dataset: DatasetRef) -> Path:
    return Path(dataset.dir) / "test.jsonl"


def _keep(context: StepContext, report: EvaluationReport) -> None:
    path = context.run.evaluation_path
    try:
        write_text(path, report.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise ToolError(
            f"{path} cannot be written: {error.strerror}.", "Free some disk space, then run the step again."
        ) from error


def _result(context: StepContext, arguments: EvaluationArguments, report: EvaluationReport) -> JsonDict:
    shown = report.model_dump(mode="json", include={"checks", "regressions", "verdict", "notes", "decoding"})
    side = report.custom or report.baseline
    return {
        **shown,
        "rows": report.test_set.num_rows,
        "dataset": _dataset(context, arguments).model_dump(mode="json"),
        "model": side.model,
        "weights_sha256": side.weights_sha256,
        "generations": side.generations_path,
        "evaluation": str(context.run.evaluation_path),
    }


def _arguments(step: Step) -> EvaluationArguments:
    return _parse(EvaluationArguments, step.arguments, f"arguments of the step {step.id}")


def _earlier(context: StepContext, step_id: str) -> JsonDict:
    result = context.results.get(step_id)
    if result is None:
        raise ToolError(
            f"The step {context.step.id} needs the result of the step {step_id}, which has none.",
            f"Approve and run {step_id} first.",
        )
    return result


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(
            f"{path} cannot be read: {error.strerror}.", "Its job did not finish its work: run the step again."
        ) from error


def _parse(model: type[_Model], value: Any, what: str) -> _Model:
    try:
        return model.model_validate_json(value) if isinstance(value, bytes) else model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ToolError(
            f"The {what} cannot be used: {field + ': ' if field else ''}{first['msg']}.",
            "Make a new plan with this version of Tailor and run the step again.",
        ) from error
