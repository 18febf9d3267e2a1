import errno
import os
from pathlib import Path

import pytest

from specs.events import TRAIN_EVENT, Progress
from trainer.errors import TrainerError
from trainer.events import EventLog

EVENT = Progress(time=1.0, done=1, total=2, elapsed_s=0.5)
LINE = EVENT.model_dump_json().encode()


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("torn", [b'{"time": 1.0, "type": "prog', b"\x00\x00", LINE[:-1]])
def test_torn_last_line_is_cut_off_when_the_log_is_opened_again(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINE + b"\n" + torn)
    with EventLog(path) as sink:
        sink.write(EVENT)
    assert lines(path) == [LINE + b"\n"] * 2


@pytest.mark.parametrize("before", [b"", LINE + b"\n"])
def test_whole_last_line_is_kept_when_only_its_line_break_was_lost(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(before + LINE)
    with EventLog(path) as sink:
        assert sink.last() == EVENT
        sink.write(EVENT)
    assert path.read_bytes() == before + (LINE + b"\n") * 2


def test_long_file_is_repaired_when_its_last_line_spans_read_blocks(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(LINE + b"\n" + b"x" * 200_000)
    with EventLog(path):
        pass
    assert path.read_bytes() == LINE + b"\n"


def test_second_writer_is_refused_when_the_first_still_works(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl"), pytest.raises(TrainerError, match="Another process"):
        EventLog(tmp_path / "events.jsonl")


def test_half_a_line_is_taken_back_when_the_disk_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real, calls = tmp_path / "events.jsonl", os.write, []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 1:
            return real(descriptor, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with EventLog(path) as sink:
        sink.write(EVENT)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            sink.write(EVENT)
        monkeypatch.undo()
    assert lines(path) == [LINE + b"\n"]


def test_warning_is_written_once_when_it_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as sink:
        sink.warn("slow", "first")
        sink.warn("slow", "second")
        sink.warn("other", "third")
    assert [TRAIN_EVENT.validate_json(line).message for line in lines(path)] == ["first", "third"]  # type: ignore[union-attr]
