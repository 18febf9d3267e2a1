"""Test rows and answers read from disk and joined by row id. Scoring is not done here."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from specs.atomic import write_bytes
from specs.run import DatasetRow, Generation, Message
from tools.errors import ToolError

_Record = TypeVar("_Record", bound=BaseModel)
_NUM_NAMED = 3


@dataclass(frozen=True)
class Answer:
    """What one model answered to one test row."""

    id: str
    source: str
    """File and line of the row, as data/test.csv:17."""
    prompt: tuple[Message, ...]
    wanted: str
    text: str
    finish: str
    """Why the answer ended: stop, length or prompt_too_long."""


def read_rows(path: Path) -> list[DatasetRow]:
    """Return the rows of a dataset file in file order. Raises ToolError when the file is missing or damaged."""
    return _read(path, DatasetRow, "dataset", "Run the prepare_data step again.")


def read_generations(path: Path) -> list[Generation]:
    """Return the answers of a generation run in file order. Raises ToolError when the file is missing or damaged."""
    return _read(path, Generation, "answers", "Run the step again; its log says why the answers are incomplete.")


def draw_rows(rows: Sequence[DatasetRow], max_rows: int | None) -> list[DatasetRow]:
    """Return at most `max_rows` rows in file order, drawn by the hash of their ids.

    The draw depends on the ids alone, and a smaller draw is part of every larger one.
    """
    if max_rows is None or len(rows) <= max_rows:
        return list(rows)
    drawn = drawn_ids([row.id for row in rows], max_rows)
    return [row for row in rows if row.id in drawn]


def drawn_ids(ids: Sequence[str], max_rows: int | None) -> set[str]:
    """Return the ids of the rows that `draw_rows` draws."""
    if max_rows is None or len(ids) <= max_rows:
        return set(ids)
    return set(sorted(ids, key=lambda id_: hashlib.sha256(id_.encode()).digest())[:max_rows])


def prompts_file(test_path: Path, max_rows: int | None, artifacts_dir: Path, version: str) -> Path:
    """Return the file with the prompts to answer: `test_path` itself, or the drawn rows in a file of their own.

    The drawn rows lie at `artifacts_dir`/evaluation/<version>-<max_rows>.jsonl. The name fixes the content, so writing
    it again after a crash changes nothing.

    Raises:
        ToolError: the test rows cannot be read, or the file cannot be written.
    """
    rows = read_rows(test_path)
    if not rows:
        raise ToolError(
            f"{test_path} holds no test rows.", "Give the spec test rows: data.test with a path or a fraction."
        )
    if max_rows is None or len(rows) <= max_rows:
        return test_path
    path = artifacts_dir / "evaluation" / f"{version.replace(':', '-')}-{max_rows}.jsonl"
    content = "".join(f"{row.model_dump_json()}\n" for row in draw_rows(rows, max_rows)).encode()
    try:
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
    except OSError as error:
        raise ToolError(
            f"{path} cannot be written: {error.strerror}.", "Free some disk space, then run again."
        ) from error
    return path


def join(rows: Sequence[DatasetRow], generations: Sequence[Generation], path: Path) -> tuple[Answer, ...]:
    """Return every row with its answer, in the order of the rows.

    Args:
        rows: the rows that were to be answered.
        generations: the answers; the same answer twice (a resumed run) counts once.
        path: where the answers lie, for the errors.

    Raises:
        ToolError: answers are missing, belong to other rows, or contradict each other. None of that is the model's
            fault, so none of it is ever scored as a wrong answer.
    """
    by_id = _by_id(generations, path)
    known = {row.id for row in rows}
    missing = [row.id for row in rows if row.id not in by_id]
    if missing:
        raise ToolError(
            f"{len(missing)} of {len(rows)} test rows have no answer in {path}: {_named(missing)}.",
            "Nothing was scored. Run the step again; it goes on where the answers end.",
        )
    strangers = [id_ for id_ in by_id if id_ not in known]
    if strangers:
        raise ToolError(
            f"{len(strangers)} answers in {path} belong to no test row: {_named(strangers)}.",
            "The answers are those of another dataset version. Run the baseline and the evaluation again.",
        )
    return tuple(
        Answer(
            id=row.id,
            source=row.source,
            prompt=row.prompt,
            wanted="\n".join(message.content for message in row.completion),
            text=by_id[row.id].text,
            finish=by_id[row.id].finish,
        )
        for row in rows
    )


def _by_id(generations: Sequence[Generation], path: Path) -> Mapping[str, Generation]:
    by_id: dict[str, Generation] = {}
    for generation in generations:
        earlier = by_id.setdefault(generation.id, generation)
        if earlier.text != generation.text:
            raise ToolError(
                f"{path} holds two different answers to the row {generation.id}.",
                "Nothing was scored. Greedy answers of one model cannot differ: run the step again in a new run.",
            )
    return by_id


def _named(ids: Sequence[str]) -> str:
    rest = len(ids) - _NUM_NAMED
    return ", ".join(ids[:_NUM_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _read(path: Path, model: type[_Record], what: str, hint: str) -> list[_Record]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ToolError(f"The {what} file {path} cannot be read: {error.strerror}.", hint) from error
    records: list[_Record] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records.append(model.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ToolError(f"{path}:{number}: {field or 'line'}: {first['msg']}.", hint) from error
    return records
