# pyright: basic
"""Turns dataset rows into token ids and labels with the tokenizer's own chat template, and refuses what would train
wrongly. Never cuts a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from specs.errors import ExitCode
from specs.run import DatasetRow
from trainer.conversation import ChatEncoder, PromptRefused
from trainer.errors import TrainerError

IGNORED = -100
"""Label of a token that is not trained, by PyTorch's convention."""

_MIN_TRAINED_SHARE = 0.01
_NAMED = 5


@dataclass(frozen=True)
class Encoded:
    """A dataset file as token ids."""

    rows: tuple[DatasetRow, ...]
    input_ids: list[list[int]]
    labels: list[list[int]]
    prompt_lengths: list[int]
    num_parted: int
    """Rows whose prompt alone is not how the whole conversation starts."""

    @property
    def lengths(self) -> list[int]:
        """Return the tokens of each row."""
        return [len(ids) for ids in self.input_ids]

    @property
    def trained_share(self) -> float:
        """Return the share of the tokens that is trained; the first of a row never is."""
        total = sum(len(ids) - 1 for ids in self.input_ids)
        return sum(label != IGNORED for labels in self.labels for label in labels[1:]) / max(total, 1)


def read_rows(path: Path) -> tuple[DatasetRow, ...]:
    """Return the rows of a dataset file. Raises TrainerError naming file, line and field."""
    rows: list[DatasetRow] = []
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    rows.append(_row(path, number, line))
    except OSError as error:
        raise TrainerError(
            f"{path} cannot be read: {error.strerror}.",
            "Prepare the data again: the dataset version must lie where the plan says.",
            exit_code=ExitCode.USAGE,
        ) from error
    return tuple(rows)


def encode_prompts(tokenizer: PreTrainedTokenizerBase, rows: Sequence[DatasetRow]) -> list[list[int]]:
    """Return the ids of each row's prompt with the answer opened.

    Raises:
        TrainerError: the chat template refuses a row.
    """
    encoder = ChatEncoder(tokenizer)
    return encoder.tokenize([_render(encoder, row, whole=False) for row in rows])


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: tuple[DatasetRow, ...], loss_on: Literal["completion", "all"]
) -> Encoded:
    """Return rows as ids and labels.

    The completion starts where the ids of the prompt alone and of the whole conversation part.
    """
    prompt_ids = encode_prompts(tokenizer, rows)
    encoder = ChatEncoder(tokenizer)
    whole_ids = encoder.tokenize([_render(encoder, row, whole=True) for row in rows])
    starts = [_common(prompt, whole) for prompt, whole in zip(prompt_ids, whole_ids, strict=True)]
    labels = [
        list(ids) if loss_on == "all" else [IGNORED] * start + ids[start:]
        for ids, start in zip(whole_ids, starts, strict=True)
    ]
    num_parted = sum(start < len(prompt) for start, prompt in zip(starts, prompt_ids, strict=True))
    return Encoded(rows, whole_ids, labels, starts, num_parted)


def check(encoded: Encoded, *, limit: int, loss_on: Literal["completion", "all"], file_name: str) -> None:
    """Refuse rows that are too long and a loss that would train nothing, or the prompt too.

    Raises:
        TrainerError: names the rows, or the share of trained tokens.
    """
    if not encoded.rows:
        raise TrainerError(f"{file_name} has no rows.", "Prepare the data again.", exit_code=ExitCode.USAGE)
    long = [(row.id, size) for row, size in zip(encoded.rows, encoded.lengths, strict=True) if size > limit]
    if long:
        shown = ", ".join(f"{name} ({size} tokens)" for name, size in long[:_NAMED])
        more = " …" if len(long) > _NAMED else ""
        raise TrainerError(
            f"{len(long)} rows of {file_name} are longer than {limit} tokens: {shown}{more}.",
            "Raise train.max_length, up to the model's context, or take these rows out; rows are never cut.",
            exit_code=ExitCode.USAGE,
        )
    mute = [row.id for row, labels in zip(encoded.rows, encoded.labels, strict=True) if not _trains(labels)]
    if mute:
        shown = ", ".join(mute[:_NAMED])
        raise TrainerError(
            f"{len(mute)} rows of {file_name} have no token to train on: {shown}.",
            "Look whether the completions are empty, or whether the chat template leaves them out.",
            exit_code=ExitCode.USAGE,
        )
    _check_share(encoded.trained_share, loss_on, file_name)


def mask_sentence(encoded: Encoded, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what share of the tokens is trained and the trained part of the first row, for people to check."""
    trained = [token for token in encoded.labels[0] if token != IGNORED]
    return (
        f"The loss counts {100 * encoded.trained_share:.0f} % of the tokens; "
        f"of row {encoded.rows[0].id} it counts: {tokenizer.decode(trained)}"
    )


def _render(encoder: ChatEncoder, row: DatasetRow, *, whole: bool) -> str:
    messages = [message.model_dump() for message in (*row.prompt, *(row.completion if whole else ()))]
    try:
        return encoder.render(messages, whole=whole)
    except PromptRefused as error:
        raise TrainerError(
            f"The model's chat template cannot write row {row.id} ({row.source}): {error}.",
            "Look at the order of its roles, or choose another model.",
            exit_code=ExitCode.USAGE,
        ) from error


def _check_share(share: float, loss_on: str, file_name: str) -> None:
    if share < _MIN_TRAINED_SHARE:
        raise TrainerError(
            f"Only {share:.2%} of the tokens of {file_name} would be trained; the model could hardly learn.",
            "Shorten the prompts (the system prompt for one), or set train.loss_on to all.",
            exit_code=ExitCode.USAGE,
        )
    if loss_on == "completion" and share >= 1:
        raise TrainerError(
            f"All tokens of {file_name} would be trained although train.loss_on is completion.",
            "Look whether the prompts are empty, or whether the chat template writes prompt and answer differently.",
            exit_code=ExitCode.USAGE,
        )


def _trains(labels: list[int]) -> bool:
    return any(label != IGNORED for label in labels[1:])


def _common(prompt: list[int], whole: list[int]) -> int:
    for position, (left, right) in enumerate(zip(prompt, whole, strict=False)):
        if left != right:
            return position
    return min(len(prompt), len(whole))


def _row(path: Path, number: int, line: bytes) -> DatasetRow:
    try:
        return DatasetRow.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "row"
        raise TrainerError(
            f"{path}:{number}: {place}: {first['msg']}.",
            "Prepare the data again; the files of a dataset version are not meant to be edited.",
            exit_code=ExitCode.USAGE,
        ) from error
