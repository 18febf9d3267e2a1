"""The train step: the manifest of the training job, and the trained model as the later steps need it.

Choosing hyperparameters is `specs.resolve`'s work, training the trainer's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from specs.layout import RunLayout
from specs.run import ModelRef, RunManifest, TrackingRef, TrainReport, TrainTask
from tools.errors import ToolError
from tools.steps import JsonDict, StepContext
from tools.tracking import tracking_uri
from tools.training.health import health_of_run


@dataclass(frozen=True)
class Train:
    """Trains one stage."""

    has_job: ClassVar[bool] = True
    keeps_running: ClassVar[bool] = False

    clock: Callable[[], float] = time.time

    def manifest(self, context: StepContext) -> RunManifest:
        """Return the training job on the prepared dataset, logged to the project's tracking store.

        Raises:
            ToolError: another dataset version was prepared than the plan names, or the stage before has no result.
        """
        task = _task(context)
        tags = {"tailor.run": context.run_id or "", "tailor.plan": context.plan.hash, "tailor.step": context.step.id}
        tracking = TrackingRef(
            uri=tracking_uri(context.layout),
            experiment=context.plan.name,
            artifacts_dir=str(context.layout.artifacts_dir),
            tags={**tags, "tailor.dataset": task.dataset.version},
        )
        return RunManifest(
            run_id=context.run_id or "",
            project=context.plan.name,
            plan=context.plan.hash,
            step=context.step.id,
            created_at=self.clock(),
            task=task.model_copy(update={"tracking": tracking}),
        )

    def finish(self, context: StepContext) -> JsonDict:
        """Return the trained model (`model`: ready to load), what the training took, and warnings about its health.

        Raises:
            ToolError: the job left no report or no complete model folder.
        """
        task = _task(context)
        report = _report(context.run)
        adapter = task.settings.lora is not None
        folder = _saved(context.run, "adapter_config.json" if adapter else "config.json")
        output = context.step.arguments["output"]
        name = f"{output['name']}@{output['version']}"
        model = ModelRef(
            name=name,
            location=task.model.location if adapter else str(folder),
            revision=task.model.revision if adapter else None,
            adapter_dir=str(folder) if adapter else None,
        )
        return {
            "name": output["name"],
            "version": output["version"],
            "model": model.model_dump(mode="json"),
            "model_dir": str(folder),
            "adapter_dir": str(folder) if adapter else None,
            "base": task.model.model_dump(mode="json"),
            "dataset": task.dataset.model_dump(mode="json"),
            "started_at": _started_at(context.run),
            "health": health_of_run(context.run),
            **report.model_dump(mode="json", exclude={"state"}),
        }


def _task(context: StepContext) -> TrainTask:
    try:
        task = TrainTask.model_validate(context.step.arguments.get("task"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ToolError(
            f"The arguments of the step {context.step.id} cannot be used: {field or 'task'}: {first['msg']}.",
            "Make a new plan with this version of Tailor.",
        ) from error
    changes: dict[str, object] = {}
    prepared = next((context.results.get(step.id) for step in context.plan.steps if step.kind == "prepare_data"), None)
    if prepared is not None:
        if prepared["version"] != task.dataset.version:
            raise ToolError(
                f"The plan trains on the dataset version {task.dataset.version}, "
                f"but {prepared['version']} was prepared.",
                "The data changed since the plan was made: make a new plan.",
            )
        changes["dataset"] = task.dataset.model_copy(update={"dir": str(prepared["dir"])})
    before = _stage_before(context)
    if before is not None:
        changes["model"] = before
    return task.model_copy(update=changes)


def _stage_before(context: StepContext) -> ModelRef | None:
    """Return the model of the train step this one goes on from, None for the first."""
    earlier = [step.id for step in context.plan.steps if step.kind == "train"]
    earlier = earlier[: earlier.index(context.step.id)]
    if not earlier:
        return None
    result = context.results.get(earlier[-1])
    if result is None:
        raise ToolError(
            f"The step {context.step.id} trains on from the step {earlier[-1]}, which has no result.",
            f"Approve and run {earlier[-1]} first.",
        )
    return ModelRef.model_validate(result["model"])


def _report(run: RunLayout) -> TrainReport:
    try:
        return TrainReport.model_validate_json(run.report_path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ToolError(
            f"The training run {run.run_dir.name} left no usable report in {run.report_path}.",
            f"Read {run.log_path} for what happened, then run the step again; it goes on from its checkpoint.",
        ) from error


def _started_at(run: RunLayout) -> float | None:
    """Return when the run was set up, in seconds since the epoch; None when its manifest is gone."""
    try:
        return RunManifest.model_validate_json(run.manifest_path.read_bytes()).created_at
    except (OSError, ValidationError):
        return None


def _saved(run: RunLayout, name: str) -> Path:
    folder = run.model_dir
    if not (folder / name).is_file() or not any(folder.glob("*.safetensors")):
        raise ToolError(
            f"The training run {run.run_dir.name} left no complete model in {folder}: "
            f"{name} or the weights are missing.",
            f"Read {run.log_path} for what happened, then run the step again; it goes on from its checkpoint.",
        )
    return folder
