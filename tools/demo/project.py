"""Puts the example project's data into a folder."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specs.atomic import write_text
from tools.demo.rows import Row, make_rows

TRAIN_ROWS_PER_INTENT = 50
TEST_ROWS_PER_INTENT = 14


@dataclass(frozen=True)
class DemoProject:
    """Paths of an example project."""

    dir: Path
    train_path: Path
    test_path: Path
    answers_path: Path
    """What a person would answer, for `tailor chat --answers`."""
    num_train: int
    num_test: int
    num_intents: int


def write_demo(dir: Path, seed: int = 7) -> DemoProject:
    """Write data/train.csv, data/test.csv (columns text, intent) and answers.txt under `dir`, made if missing.

    Raises:
        OSError: the folder cannot be written.
    """
    rows = make_rows(seed, TRAIN_ROWS_PER_INTENT, TEST_ROWS_PER_INTENT)
    data_dir = dir / "data"
    data_dir.mkdir(parents=True, exist_ok=True)
    project = DemoProject(
        dir=dir,
        train_path=data_dir / "train.csv",
        test_path=data_dir / "test.csv",
        answers_path=dir / "answers.txt",
        num_train=len(rows.train),
        num_test=len(rows.test),
        num_intents=len({row.intent for row in rows.train}),
    )
    write_text(project.train_path, _as_csv(rows.train), mode=0o644)
    write_text(project.test_path, _as_csv(rows.test), mode=0o644)
    answers = (Path(__file__).parent / "answers.txt").read_text(encoding="utf-8")
    write_text(project.answers_path, answers, mode=0o644)
    return project


def _as_csv(rows: Sequence[Row]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("text", "intent"))
    writer.writerows((row.text, row.intent) for row in rows)
    return stream.getvalue()
