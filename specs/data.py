"""The data section of the spec: where rows come from, how they are read and split."""

from typing import Annotated

from pydantic import Field, model_validator

from specs.base import StrictModel


class Columns(StrictModel):
    """Which columns hold what. Give `messages`, or `text`, or `prompt` with `completion`."""

    prompt: str | None = None
    """Column of the prompt."""
    completion: str | None = None
    """Column of the wanted answer."""
    system: str | None = None
    """Column of a system prompt for the row."""
    messages: str | None = None
    """Column of an OpenAI-style message list that ends with the assistant."""
    text: str | None = None
    """Column of plain text."""

    @model_validator(mode="after")
    def _one_shape(self) -> "Columns":
        pair = self.prompt is not None or self.completion is not None
        shapes = [pair, self.messages is not None, self.text is not None]
        if sum(shapes) != 1:
            raise ValueError("name either prompt and completion, or messages, or text")
        if pair and (self.prompt is None or self.completion is None):
            raise ValueError("prompt and completion go together")
        return self


class DataSource(StrictModel):
    """One file of rows."""

    path: str
    """File in the project or absolute: .jsonl, .json, .csv, .tsv or .parquet."""
    columns: Columns | None = None
    """Column names; left out when the file already uses prompt/completion or messages."""
    rights: str | None = None
    """Licence or permission under which these rows may be trained on."""


class TestFile(DataSource):
    """Test rows from a file of their own."""

    __test__ = False


class HeldOut(StrictModel):
    """Test rows held out of the sources."""

    fraction: Annotated[float, Field(gt=0, lt=1)]
    """Share of the rows, drawn by hash of the prompt so that duplicates never cross sides."""


class SynthesisSpec(StrictModel):
    """Rows to be generated."""

    brief: str
    """Path of the brief in the project."""
    rows: Annotated[int, Field(ge=1)]
    """How many rows to generate."""


class DataSpec(StrictModel):
    """Sources, split and rights."""

    sources: tuple[DataSource, ...] = ()
    """Files of training rows."""
    test: TestFile | HeldOut = HeldOut(fraction=0.1)
    """The frozen test rows: a file of their own, or a share of the sources."""
    validation_fraction: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    """Share of the training rows watched during training, at most 200 rows; 0 = off."""
    synthesis: SynthesisSpec | None = None
    """Rows to be generated, if any."""
