"""The `prepare_data` step: makes the dataset version that the plan named, and no other."""

from pathlib import Path
from typing import ClassVar

from specs.data import DataSpec
from specs.run import RunManifest
from tools.data.dataset import Prepared
from tools.data.prepare import prepare
from tools.data.store import write
from tools.data.tokens import token_counter
from tools.errors import GrantRefused, ToolError
from tools.escape import one_line
from tools.steps import JsonDict, StepContext


class PrepareData:
    """Handler of `prepare_data`. It has no job: `finish` does the work.

    Arguments of the step: name, version, sources, test, validation_fraction, system_prompt, and optionally
    tokenizer_dir (folder with the base model's tokenizer.json) and context_length (tokens the base model takes).
    """

    has_job: ClassVar[bool] = False
    keeps_running: ClassVar[bool] = False

    def manifest(self, context: StepContext) -> RunManifest:
        """Raise ToolError: this step has no job."""
        raise ToolError(f"Step {context.step.id} has no job.", "Call finish, which prepares the data.")

    def finish(self, context: StepContext) -> JsonDict:
        """Write the dataset and return where it lies and how many rows it has.

        Raises:
            GrantRefused: the files no longer give the version that was approved.
            DataError: a file cannot be used any more, or the dataset cannot be written.
        """
        arguments = context.step.arguments
        prepared = _prepare(context)
        if prepared.version != arguments["version"]:
            raise GrantRefused(_difference(context, prepared), "Plan again and approve the new plan: tailor plan")
        folder = write(prepared)
        rows = prepared.rows
        return {
            "dir": str(folder),
            "version": prepared.version,
            "num_train": len(rows["train"]),
            "num_validation": len(rows["validation"]),
            "num_test": len(rows["test"]),
            "num_refused": prepared.quality.num_refused,
        }


def _prepare(context: StepContext) -> Prepared:
    arguments = context.step.arguments
    data = DataSpec.model_validate(
        {key: arguments[key] for key in ("sources", "test", "validation_fraction") if key in arguments}
    )
    tokenizer_dir = arguments.get("tokenizer_dir")
    return prepare(
        data,
        name=arguments["name"],
        root=context.layout.root,
        datasets_dir=context.layout.datasets_dir,
        system_prompt=arguments.get("system_prompt"),
        counter=token_counter(Path(tokenizer_dir) if tokenizer_dir else None),
        context_length=arguments.get("context_length"),
    )


def _difference(context: StepContext, prepared: Prepared) -> str:
    changed = [
        one_line(source.path, 300)
        for source in prepared.sources
        if context.step.inputs.get(source.path, source.sha256) != source.sha256
    ]
    if changed:
        what = f"{', '.join(changed)} changed since the plan was made"
    else:
        what = "The base model's tokenizer or context length is not as it was when the plan was made"
    return f"{what}: the rows now give version {prepared.version}, not the one approved."
