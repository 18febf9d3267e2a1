import subprocess
import sys
from pathlib import Path

import pytest

from specs.errors import ExitCode
from specs.layout import RunLayout
from specs.run import DatasetRef, JobLimits, ModelRef
from tests.fakes import train_run as runs
from trainer.run import run

HEAVY = ("torch", "transformers", "trl", "numpy", "mlflow", "fastapi")


@pytest.fixture
def layout(tmp_path: Path, dataset: DatasetRef) -> RunLayout:
    """A run whose model is not there."""
    return runs.train_run(tmp_path / "r1", ModelRef(name="lost", location=str(tmp_path / "lost")), dataset)


def test_help_needs_no_heavy_package() -> None:
    code = (
        "import sys, trainer.run\n"
        "from trainer.__main__ import main\n"
        "try:\n    main(['--help'])\n"
        f"finally:\n    assert not set({HEAVY!r}) & set(sys.modules), sys.modules.keys()\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "RUN_DIR" in shown.stdout


def test_wrong_command_line_is_a_usage_error() -> None:
    shown = subprocess.run([sys.executable, "-m", "trainer", "fly", "."], capture_output=True, text=True, check=False)
    assert shown.returncode == ExitCode.USAGE
    assert "invalid choice" in shown.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read: No such file"), ("{}", "is not a run manifest"), ("{", "is not a run manifest")],
)
def test_bad_manifest_is_a_sentence_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    assert run(tmp_path) == ExitCode.USAGE
    told = capsys.readouterr()
    assert words in told.err
    assert "Traceback" not in told.err
    assert not told.out


def test_other_task_is_refused_when_the_command_names_one(
    layout: RunLayout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(layout.run_dir, "serve") == ExitCode.USAGE
    assert "asks for train, not for serve" in capsys.readouterr().err
    assert not layout.events_path.exists()


def test_lost_model_ends_as_a_failed_event_without_a_traceback(
    layout: RunLayout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(layout.run_dir) == ExitCode.USAGE
    last = runs.events(layout)[-1]
    assert (last.type, last.state, last.exit_code) == ("finished", "failed", 2)  # type: ignore[union-attr]
    assert "there is no folder" in last.message  # type: ignore[union-attr]
    assert last.hint  # type: ignore[union-attr]
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert not told.out


def test_unexpected_error_is_a_sentence_with_the_traceback_in_the_log(
    layout: RunLayout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(task: object, job: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("trainer.sft.train", broken)
    assert run(layout.run_dir) == ExitCode.FAILED
    last = runs.events(layout)[-1]
    assert "ZeroDivisionError: division by zero" in last.message  # type: ignore[union-attr]
    assert "trainer.log" in last.hint  # type: ignore[union-attr]
    assert "Traceback" in capsys.readouterr().err


def test_failure_is_told_in_the_log_when_the_events_cannot_be_written(
    layout: RunLayout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, event: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainer.events.EventLog.write", full)
    assert run(layout.run_dir) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "there is no folder" in told
    assert "The disk is full" in told


def test_run_that_is_complete_is_left_as_it_is(layout: RunLayout) -> None:
    report = (
        '{"state": "succeeded", "steps": 1, "total_steps": 1, "epochs": 1, "train_loss": 1, "validation_loss": null,'
        '"seconds": 1, "num_tokens": 1, "tokens_per_s": 1, "num_parameters": 1, "num_trainable": 1,'
        '"peak_memory_bytes": 1, "weights_sha256": "", "launches": 1}'
    )
    layout.report_path.write_text(report)
    assert run(layout.run_dir) == ExitCode.DONE  # the kill came between report and last event
    assert runs.kinds(layout) == ["finished"]
    before = layout.events_path.read_bytes()
    assert run(layout.run_dir) == ExitCode.DONE
    assert layout.events_path.read_bytes() == before
    assert layout.report_path.read_text() == report


def test_stop_before_the_start_is_used_up_and_costs_nothing(layout: RunLayout) -> None:
    layout.stop_path.touch()
    assert run(layout.run_dir) == ExitCode.STOPPED
    assert runs.events(layout)[-1].state == "stopped"  # type: ignore[union-attr]
    assert not layout.stop_path.exists()


def test_job_does_not_start_when_its_time_is_used_up(tmp_path: Path, dataset: DatasetRef) -> None:
    limits = JobLimits(device="cpu", threads=1, max_seconds=30)
    layout = runs.train_run(tmp_path / "r", ModelRef(name="m", location=str(tmp_path)), dataset, limits=limits)
    layout.checkpoints_dir.mkdir()
    (layout.checkpoints_dir / "state.json").write_text('{"work_s": 31, "launches": 4}')
    assert run(layout.run_dir) == ExitCode.STOPPED
    assert "used up its 30 s" in runs.events(layout)[-1].message  # type: ignore[union-attr]


@pytest.mark.slow
def test_program_trains_from_the_command_line(tmp_path: Path, base: ModelRef, dataset: DatasetRef) -> None:
    layout = runs.train_run(tmp_path / "r", base, dataset, epochs=1)
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "run", str(layout.run_dir)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "it/s]" not in done.stderr
    assert runs.kinds(layout)[0] == "warning"
    assert runs.kinds(layout)[-1] == "finished"
