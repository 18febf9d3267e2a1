"""The deploy step: the manifest of the serving job, and the server as the playground and clients find it.

The step is done once the server answers; the job goes on until its time to live is over or somebody stops it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, ValidationError

from specs.base import StrictModel
from specs.events import Serving
from specs.plan import Step
from specs.run import DatasetRef, JobLimits, ModelRef, RunManifest, ServeTask
from tools.deployment.chat import ChatServer
from tools.deployment.endpoints import latest_serving
from tools.deployment.parity import Parity, compare
from tools.errors import BackendError, ToolError
from tools.evaluation.records import read_generations, read_rows
from tools.steps import JsonDict, StepContext

KEY_NAME = "api_key"
"""File in the run directory with the bearer key. The server makes it, for its owner alone, when it is missing."""


class DeployArguments(StrictModel):
    """The step's arguments."""

    base: ModelRef
    train_step: str
    name: str
    """Name of the custom model, as bank-intents@1."""
    port: int
    """0 = a free one."""
    ttl_s: float
    max_batch: int
    limits: JobLimits


class Evaluated(StrictModel):
    """What the comparison needs of the evaluate step's result."""

    model_config = ConfigDict(extra="ignore")

    generations: str
    dataset: DatasetRef
    decoding: "Decoding"


class Decoding(StrictModel):
    """How the evaluation's answers were made."""

    model_config = ConfigDict(extra="ignore")

    max_new_tokens: int


@dataclass(frozen=True)
class Deploy:
    """Serves the base and the custom model side by side on this machine."""

    has_job: ClassVar[bool] = True
    keeps_running: ClassVar[bool] = True

    clock: Callable[[], float] = time.time

    def manifest(self, context: StepContext) -> RunManifest:
        """Return the serving job. Raises ToolError when the train step has no result."""
        arguments = _arguments(context.step)
        return RunManifest(
            run_id=context.run_id or "",
            project=context.plan.name,
            plan=context.plan.hash,
            step=context.step.id,
            created_at=self.clock(),
            task=ServeTask(
                models=(arguments.base, _custom(context, arguments)),
                port=arguments.port,
                api_key_path=str(context.run.run_dir.resolve() / KEY_NAME),
                ttl_s=arguments.ttl_s,
                max_batch=arguments.max_batch,
                limits=arguments.limits,
            ),
        )

    def finish(self, context: StepContext) -> JsonDict:
        """Return where the server answers, after asking it for its models and for answers that were evaluated.

        Raises:
            ToolError: the job never answered, or the evaluation's answers cannot be read.
            BackendError: the server does not answer, or offers other models than the plan names.
        """
        arguments = _arguments(context.step)
        serving = latest_serving(context.run)
        if serving is None:
            raise ToolError(
                f"The server of run {context.run.run_dir.name} never answered.",
                f"`tailor logs {context.run.run_dir.name}` shows why; then approve the step again.",
            )
        key_path = context.run.run_dir.resolve() / KEY_NAME
        with ChatServer(serving.url, key_path) as server:
            _check_models(server, serving, (arguments.base.name, arguments.name))
            parity = _parity(context, arguments, server)
        return {
            "url": serving.url,
            "models": list(serving.models),
            "expires_at": serving.expires_at,
            "run_id": context.run.run_dir.name,
            "api_key_path": str(key_path),
            "parity": None if parity is None else parity.model_dump(mode="json"),
            "warnings": [parity.warning] if parity is not None and parity.warning else [],
        }


def _arguments(step: Step) -> DeployArguments:
    try:
        return DeployArguments.model_validate(step.arguments)
    except ValidationError as error:
        raise _unusable(f"arguments of the step {step.id}", error) from error


def _custom(context: StepContext, arguments: DeployArguments) -> ModelRef:
    """Return the trained model, named as clients will ask for it."""
    trained = context.results.get(arguments.train_step)
    if trained is None:
        raise ToolError(
            f"The step {context.step.id} serves the model of the step {arguments.train_step}, which has no result.",
            f"Approve and run {arguments.train_step} first.",
        )
    try:
        model = ModelRef.model_validate(trained.get("model"))
    except ValidationError as error:
        raise _unusable(f"result of the step {arguments.train_step}", error) from error
    return model.model_copy(update={"name": arguments.name})


def _check_models(server: ChatServer, serving: Serving, wanted: tuple[str, ...]) -> None:
    offered = server.models()
    missing = [name for name in wanted if name not in offered]
    if missing:
        raise BackendError(
            f"The server at {serving.url} does not offer {missing[0]}; it offers {', '.join(offered) or 'nothing'}.",
            "Another program may have taken its port: `tailor teardown --all`, then approve the step again.",
        )


def _parity(context: StepContext, arguments: DeployArguments, server: ChatServer) -> Parity | None:
    """Compare with the evaluation's answers; None when the plan evaluates nothing."""
    step = next((step.id for step in context.plan.steps if step.kind == "evaluate"), None)
    result = context.results.get(step) if step is not None else None
    if result is None:
        return None
    try:
        evaluated = Evaluated.model_validate(result)
    except ValidationError as error:
        raise _unusable(f"result of the step {step}", error) from error
    rows = read_rows(Path(evaluated.dataset.dir) / "test.jsonl")
    answers = {answer.id: answer for answer in read_generations(Path(evaluated.generations))}
    limit = evaluated.decoding.max_new_tokens
    return compare(server, arguments.name, rows, answers, limit, max_parallel=arguments.max_batch)


def _unusable(what: str, error: ValidationError) -> ToolError:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return ToolError(
        f"The {what} cannot be used: {field + ': ' if field else ''}{first['msg']}.",
        "Make a new plan with this version of Tailor and run the step again.",
    )
