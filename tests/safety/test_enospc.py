import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from specs.edit import Change
from tools.client import Tailor
from tools.demo import write_demo
from tools.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = {"prompt": "text", "completion": "intent"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() or mount(folder, "size=80m").returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def mount(folder: Path, options: str) -> subprocess.CompletedProcess[bytes]:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(command, capture_output=True, check=False)


def project_on(disk: Path) -> Path:
    project = disk / "project"
    write_demo(project)
    tailor = Tailor(project)
    tailor.create_spec(
        {
            "name": "demo",
            "goal": {"task": "Tell the intent of a message."},
            "data": {
                "sources": [{"path": "data/train.csv", "columns": COLUMNS, "rights": "own"}],
                "test": {"path": "data/test.csv", "columns": COLUMNS},
            },
        }
    )
    tailor.patch_spec([Change(path="model.license_accepted", op="set", value=True)], by_person=True)
    return project


def fill(disk: Path) -> Path:
    path = disk / "fill"
    with path.open("wb", buffering=0) as stream:
        try:
            while stream.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return path


def tailor(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", "-C", str(project), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for words_of_programs in ("Traceback", "Something went wrong", "died"):
        assert words_of_programs not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("words", [["plan"], ["run", "--approve", "all"], ["chat", "-p", "make the plan"]])
def test_full_disk_is_a_sentence_and_the_same_command_works_once_there_is_space(disk: Path, words: list[str]):
    project = project_on(disk)
    assert tailor(project, "plan").returncode == 0
    spec = (project / "spec.yaml").read_bytes()
    with Ledger(Tailor(project).layout.ledger_path) as ledger:
        plan = ledger.latest_plan()
    filler = fill(disk)
    full = tailor(project, *words)
    assert full.returncode in (1, 2)
    assert any(said in full.stderr for said in ("disk is full", "No space left", "of disk", "I/O error"))
    assert "ree " in full.stderr
    filler.unlink()
    assert (project / "spec.yaml").read_bytes() == spec
    with Ledger(Tailor(project).layout.ledger_path) as ledger:
        assert ledger.latest_plan() == plan
    again = ["plan"] if words[0] == "run" else words
    assert tailor(project, *again).returncode in (0, 5)


def test_project_smaller_than_the_plan_needs_is_refused_with_both_sizes(disk: Path):
    project = project_on(disk)
    (disk / "most").write_bytes(b"x" * (70 << 20))
    done = tailor(project, "plan")
    assert done.returncode == 2
    assert "MB of disk; " in done.stderr
    assert "Free some space" in done.stderr


@pytest.mark.parametrize("words", [["plan"], ["run", "--approve", "all"], ["chat", "-p", "make the plan"]])
def test_read_only_project_is_a_sentence(disk: Path, words: list[str]):
    project = project_on(disk)
    assert tailor(project, "plan").returncode == 0
    assert mount(disk, "remount,ro").returncode == 0
    done = tailor(project, *words)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr or "readonly" in done.stderr
    assert "writable" in done.stderr
    assert tailor(project, "spec", "check").returncode == 0
