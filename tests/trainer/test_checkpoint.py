import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from trainer import checkpoint


def fill(folder: Path) -> None:
    (folder / "weights").write_bytes(b"w" * 100)
    (folder / "deep").mkdir()
    (folder / "deep" / "state").write_bytes(b"s")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_newest_two_are_kept_when_more_are_saved(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        saved = checkpoint.save(tmp_path, step, 10 * step, fill)
    assert names(tmp_path) == ["step-00000010", "step-00000100"]
    assert saved.size_bytes == 101
    assert checkpoint.newest(tmp_path) == saved
    assert saved.marker.num_tokens == 1000


def test_nothing_is_found_when_the_folder_is_not_there(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "none") is None


@pytest.mark.parametrize("damage", ["no marker", "torn marker", "short file", "lost file", "renamed"])
def test_torn_checkpoint_is_removed_and_the_one_before_is_taken(tmp_path: Path, damage: str) -> None:
    checkpoint.save(tmp_path, 5, 50, fill)
    torn = checkpoint.save(tmp_path, 10, 100, fill).path
    marker = torn / "COMPLETE"
    match damage:
        case "no marker":
            marker.unlink()
        case "torn marker":
            marker.write_bytes(marker.read_bytes()[:-3])
        case "short file":
            os.truncate(torn / "weights", 99)
        case "lost file":
            (torn / "deep" / "state").unlink()
        case _:
            torn.rename(tmp_path / "step-00000099")
    found = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.marker.step == 5
    assert names(tmp_path) == ["step-00000005"]


def test_nothing_of_it_is_left_when_saving_fails(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 5, 50, fill)

    def fail(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("writer failed")

    with pytest.raises(RuntimeError, match="writer failed"):
        checkpoint.save(tmp_path, 10, 100, fail)
    assert names(tmp_path) == ["step-00000005"]


def test_full_disk_is_named_when_the_writer_does_not_say_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError("inline_container.cc: unexpected pos 64")

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(OSError) as caught:
        checkpoint.save(tmp_path, 10, 100, fail)
    assert caught.value.errno == errno.ENOSPC


def test_half_saved_step_is_replaced_when_it_is_saved_again(tmp_path: Path) -> None:
    (tmp_path / "step-00000005").mkdir()
    (tmp_path / "step-00000005" / "leftover").touch()
    saved = checkpoint.save(tmp_path, 5, 50, fill)
    assert names(saved.path) == ["COMPLETE", "deep", "weights"]
