import json
import os
import stat

import pytest

from tools.data.dataset import DatasetCard
from tools.data.quality import QualityReport
from tools.data.store import check, write
from tools.errors import DataError

PAIRS = [("p", "a"), ("q", "b")]
TEST = [("r", "c")]


def test_folder_holds_rows_card_and_report_for_the_owner_alone(prepare_pairs):
    prepared = prepare_pairs(PAIRS, TEST)
    folder = write(prepared)
    assert folder == prepared.dir
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        "quality.json",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    card = DatasetCard.model_validate_json((folder / "card.json").read_text())
    assert card.num_rows == {"train": 2, "validation": 0, "test": 1}
    assert card.sources[0].rights == "own"
    QualityReport.model_validate_json((folder / "quality.json").read_text())


def test_rows_stay_untouched_when_the_same_version_is_written_again(prepare_pairs):
    folder = write(prepare_pairs(PAIRS, TEST))
    before = (folder / "train.jsonl").stat()
    write(prepare_pairs(PAIRS, TEST, rights="CC BY 4.0"))
    after = (folder / "train.jsonl").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert json.loads((folder / "card.json").read_text())["sources"][0]["rights"] == "CC BY 4.0"


def test_write_is_refused_when_the_folder_holds_other_rows(prepare_pairs):
    folder = write(prepare_pairs(PAIRS, TEST))
    (folder / "train.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="no longer those of version"):
        write(prepare_pairs(PAIRS, TEST))


def test_check_is_refused_when_a_file_is_gone(prepare_pairs):
    prepared = prepare_pairs(PAIRS, TEST)
    folder = write(prepared)
    check(folder, prepared.version)
    (folder / "test.jsonl").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        check(folder, prepared.version)


def test_nothing_is_left_behind_when_writing_fails(prepare_pairs, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    prepared = prepare_pairs(PAIRS, TEST)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device") as caught:
        write(prepared)
    assert caught.value.retryable
    assert list(prepared.dir.parent.iterdir()) == []


def test_remains_of_a_killed_writer_are_removed_when_they_are_old(prepare_pairs):
    prepared = prepare_pairs(PAIRS, TEST)
    old, fresh = prepared.dir.parent / ".partial-old", prepared.dir.parent / ".partial-new"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    write(prepared)
    assert not old.exists()
    assert fresh.exists()
