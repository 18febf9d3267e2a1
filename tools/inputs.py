"""The hashes that a step's inputs have now, to be compared with those the plan was made from.

Reads files; what follows from a difference is the executor's business.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specs.layout import ProjectLayout
from specs.plan import Step
from specs.run import DatasetRef, ModelRef
from tools.errors import ToolError


class StepInputs:
    """Hashes of files, dataset versions and model weights.

    Args:
        layout: the project; files are named relative to its folder.
    """

    def __init__(self, layout: ProjectLayout) -> None:
        self._layout = layout

    def __call__(self, name: str, step: Step) -> str:
        """Return the hash that input `name` of a step has now, in the form the plan gives it.

        Raises:
            ToolError: the input is gone, or a dataset's rows are not those of its version.
        """
        from tools.data.source_file import resolve_path

        if step.kind == "prepare_data":
            return _in_form_of(step.inputs.get(name, ""), _file_sha256(resolve_path(name, self._layout.root), name))
        task: Mapping[str, Any] = step.arguments.get("task", step.arguments)
        if name == "dataset" and "dataset" in task:
            return _dataset_version(DatasetRef.model_validate(task["dataset"]))
        model = task.get("model", task.get("base"))
        if name == "model" and model is not None:
            return _weights(ModelRef.model_validate(model))
        raise ToolError(
            f"Step {step.id} has an input {name!r} that this Tailor cannot check.",
            "Make a new plan with `tailor plan`.",
        )


def _dataset_version(dataset: DatasetRef) -> str:
    from tools.data.store import check

    check(Path(dataset.dir), dataset.version)
    return dataset.version


def _weights(model: ModelRef) -> str:
    from tools.catalog import weights_hash

    folder = Path(model.location)
    # A pinned commit names its content, before and after the download; the catalogue says the same.
    own = weights_hash(folder) if folder.is_absolute() else f"revision:{model.revision}"
    if model.adapter_dir is None:
        return own
    both = f"{own}\n{weights_hash(Path(model.adapter_dir))}"
    return f"sha256:{hashlib.sha256(both.encode()).hexdigest()}"


def _file_sha256(path: Path, name: str) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as e:
        raise ToolError(
            f"{name} cannot be read: {e.strerror}.", "Put the file back, or make a new plan with `tailor plan`."
        ) from e


def _in_form_of(expected: str, digest: str) -> str:
    return f"sha256:{digest}" if expected.startswith("sha256:") else digest
