"""The example project's files as Tailor's users get them."""

import csv
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tools.demo import write_demo
from tools.demo.__main__ import main
from trainer.seedling.corpus import examples


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_demo_writes_both_files_when_the_folder_is_new(tmp_path: Path) -> None:
    project = write_demo(tmp_path / "new" / "demo")
    train, test = read(project.train_path), read(project.test_path)
    assert list(train[0]) == ["text", "intent"]
    assert len(train) == project.num_train >= 600
    assert len(test) == project.num_test >= 200
    assert project.train_path == tmp_path / "new" / "demo" / "data" / "train.csv"
    assert project.answers_path.read_text(encoding="utf-8").startswith("#")


def test_demo_writes_the_same_bytes_when_run_again(tmp_path: Path) -> None:
    one, two = write_demo(tmp_path / "one"), write_demo(tmp_path / "two")
    assert one.train_path.read_bytes() == two.train_path.read_bytes()
    assert one.test_path.read_bytes() == two.test_path.read_bytes()


def test_demo_shares_no_text_or_label_with_seedling_s_corpus_when_compared(tmp_path: Path) -> None:
    project = write_demo(tmp_path)
    rows = read(project.train_path) + read(project.test_path)
    learned = list(islice(examples(0), 20_000))
    learned_texts = {found.user.casefold() for found in learned if found.user}
    learned_answers = {found.answer for found in learned}
    assert not {row["text"].casefold() for row in rows} & learned_texts
    assert not {row["intent"] for row in rows} & learned_answers


def test_demo_command_tells_what_it_wrote_when_it_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert "train.csv: 900 rows, 18 intents" in capsys.readouterr().out


def test_demo_command_says_what_to_do_when_the_folder_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert main([str(tmp_path / "file")]) == 1
    assert "Name another folder." in capsys.readouterr().err


def test_demo_needs_no_third_party_package_when_imported() -> None:
    code = "import sys, tools.demo; print([m for m in ('torch', 'pydantic', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
