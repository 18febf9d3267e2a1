"""A run followed by its directory: what is read, when, and what becomes of kills, torn lines and strangers."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.tui.run_follow import JobList, RunFollower, run_ids
from agent.tui.viewmodels.run import JobRow
from specs.events import CheckpointSaved, Progress, Serving, Started
from specs.layout import ProjectLayout, RunLayout
from specs.run import TrainReport
from tests.fakes import run_folder as folder
from tools.backends.local.marks import JobFacts, process_start, write_job
from tools.errors import UsageError
from tools.running import stop_run

NASTY = "[/x] \x1b[31m\nred"


@contextmanager
def living(run: RunLayout) -> Iterator[None]:
    """Hold the lock as a job would."""
    with folder.lock(run).open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def started(resumed_from: int | None = None) -> Started:
    return Started(
        time=folder.BEGIN,
        task="train",
        pid=1,
        device="cpu",
        dtype="bf16",
        threads=2,
        num_parameters=10,
        num_trainable=10,
        num_examples=80,
        total_steps=500,
        resumed_from=resumed_from,
    )


def test_follower_knows_the_run_before_it_has_told_anything(layout: ProjectLayout) -> None:
    folder.make_run(layout, "r1")
    look = RunFollower(layout, "r1").look()
    assert (look.view.run_id, look.view.step_title, look.view.task, look.view.state) == (
        "r1",
        "train",
        "train",
        "waiting",
    )
    assert look.view.limit_s == 2880
    assert look.lines == ()


def test_follower_refuses_a_run_that_is_not_there(layout: ProjectLayout) -> None:
    with pytest.raises(UsageError):
        RunFollower(layout, "r9").look()


def test_follower_reads_only_what_is_new_when_it_looks_again(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started(), folder.step(1, 2.0))
    follower = RunFollower(layout, "r1", clock=lambda: folder.BEGIN + 30)
    with living(run):
        first = follower.look()
        assert (first.view.state, first.view.done, first.view.seconds, len(first.lines)) == ("running", 1, 30.0, 2)
        folder.tell(run, folder.step(2, 1.5))
        second = follower.look()
    assert second.view.train.points == ((1, 2.0), (2, 1.5))
    assert [line.text for line in second.lines] == ["step 2 · loss 1.5000 · grad 0.82"]


def test_follower_waits_for_the_rest_of_a_torn_line(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    whole = folder.step(1, 2.0).model_dump_json() + "\n"
    run.events_path.write_text(whole[:40])
    follower = RunFollower(layout, "r1")
    with living(run):
        assert follower.look().view.done == 0
        run.events_path.write_text(whole)
        look = follower.look()
    assert (look.view.done, look.view.num_skipped) == (1, 0)


def test_follower_counts_lines_it_does_not_know(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started())
    with run.events_path.open("a") as stream:
        stream.write('{"type": "weather", "time": 1}\nnot json\n' + "x" * 2_000_000 + "\n")
    folder.tell(run, folder.step(1, 2.0))
    with living(run):
        look = RunFollower(layout, "r1").look()
    assert (look.view.done, look.view.num_skipped) == (1, 3)


def test_follower_adds_up_the_work_of_all_launches(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run, 1, folder.BEGIN)
    folder.tell(run, started(), folder.step(10, 2.0))
    folder.launch(run, 2, folder.BEGIN + 1000)
    folder.tell(run, started(resumed_from=5), folder.step(6, 2.1))
    with living(run):
        view = RunFollower(layout, "r1", clock=lambda: folder.BEGIN + 1010).look().view
    assert view.seconds == pytest.approx(29 + 10)
    assert (view.launches, view.resumed_from, view.train.points) == (2, 5, ((6, 2.1),))


def test_follower_says_failed_when_the_job_said_so(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started(), folder.finished("failed", "Out of [memory].", "Lower batch_size."))
    folder.end(run, rc=1)
    view = RunFollower(layout, "r1").look().view
    assert (view.state, view.message, view.hint) == ("failed", "Out of [memory].", "Lower batch_size.")


def test_follower_says_failed_when_a_signal_ended_the_job(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started(), folder.step(1, 2.0))
    folder.end(run, rc=None, signal=9)
    view = RunFollower(layout, "r1").look().view
    assert (view.state, view.message) == ("failed", "Run r1 was killed by signal 9.")
    assert "memory" in view.hint


def test_follower_says_lost_when_nothing_tells_how_it_ended(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started())
    folder.lock(run)
    view = RunFollower(layout, "r1").look().view
    assert view.state == "lost"
    assert view.message.startswith("Run r1 ended without a word")


def test_follower_says_stopped_and_keeps_the_checkpoint_when_the_job_was_asked_to_stop(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    saved = CheckpointSaved(time=folder.BEGIN, step=312, path="x", size_bytes=1)
    ending = folder.finished("stopped", "Stopped on request.", "Start the step again to go on from its checkpoint.")
    folder.tell(run, started(), folder.step(312, 0.4), saved, ending)
    folder.end(run, rc=4)
    view = RunFollower(layout, "r1").look().view
    assert (view.state, view.checkpoint, view.message) == ("stopped", 312, "Stopped on request.")


def test_follower_sees_the_end_of_a_run_it_watched(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started(), folder.step(1, 2.0))
    follower = RunFollower(layout, "r1")
    with living(run):
        assert not follower.look().view.is_over
    folder.tell(run, folder.finished("succeeded", "Trained 500 steps."))
    folder.end(run)
    report = TrainReport(
        state="succeeded", steps=500, total_steps=500, epochs=2, train_loss=0.4, validation_loss=None, seconds=60,
        num_tokens=1, tokens_per_s=1, num_parameters=1, num_trainable=1, peak_memory_bytes=812_000_000,
        weights_sha256="0", launches=1,
    )  # fmt: skip
    run.report_path.write_text(report.model_dump_json())
    view = follower.look().view
    assert (view.state, view.message, view.machine.peak_bytes) == ("succeeded", "Trained 500 steps.", 812_000_000)


def test_follower_sees_that_a_stopped_run_was_taken_up(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started(), folder.step(1, 2.0), folder.finished("stopped", "Stopped on request."))
    folder.end(run, rc=4)
    follower = RunFollower(layout, "r1")
    assert follower.look().view.state == "stopped"
    folder.launch(run, 2, folder.BEGIN + 100)
    folder.tell(run, started(resumed_from=1))
    with living(run):
        view = follower.look().view
    assert (view.state, view.message, view.train.points) == ("running", "", ((1, 2.0),))


def test_follower_measures_the_processes_of_the_job(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    own, begun = os.getpid(), process_start(os.getpid())
    assert begun is not None
    write_job(run, JobFacts(launch=1, supervisor_pid=own, supervisor_start=begun, pid=own, start=begun, boot="x"))
    with living(run):
        machine = RunFollower(layout, "r1").look().view.machine
    assert machine.memory_bytes is not None and machine.memory_bytes > 1_000_000
    assert machine.peak_bytes is not None and machine.peak_bytes >= machine.memory_bytes
    assert machine.gpu is None


def test_follower_measures_nobody_when_the_process_number_belongs_to_another(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    write_job(run, JobFacts(launch=1, supervisor_pid=1, supervisor_start=1, pid=os.getpid(), start=1.0, boot="x"))
    with living(run):
        assert RunFollower(layout, "r1").look().view.machine.memory_bytes is None


def test_follower_takes_all_of_a_run_of_100000_steps(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    with run.events_path.open("w") as stream:
        line = json.loads(folder.step(1, 1.0).model_dump_json())
        for number in range(1, 100_001):
            line["step"], line["loss"] = number, 2.0 if number % 2 else 1.0
            stream.write(json.dumps(line) + "\n")
    with living(run):
        look = RunFollower(layout, "r1").look()
    assert (look.view.done, look.view.train.points[0], look.view.train.points[-1]) == (
        100_000,
        (1, 2.0),
        (100_000, 1.0),
    )
    assert len(look.view.train.points) <= 2048
    assert len(look.lines) == 2000


def test_follower_reads_the_log_from_near_its_end_and_leaves_a_torn_line(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    run.log_path.write_text("".join(f"line {number} {'x' * 100}\n" for number in range(5000)) + "torn")
    follower = RunFollower(layout, "r1")
    with living(run):
        first = follower.look().lines
        assert 1000 < len(first) <= 2000
        assert first[0].text.startswith("line ")
        assert first[-1].text.startswith("line 4999 ")
        folder.write_log(run, " line \x1b[2J[/x]")
        assert [line.text for line in follower.look().lines] == ["torn line \\x1b[2J[/x]"]


def test_follower_shows_a_long_log_line_cut(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.write_log(run, "y" * 100_000)
    with living(run):
        (line,) = RunFollower(layout, "r1").look().lines
    assert line.text.endswith("(99000 more characters)")


def rows(layout: ProjectLayout) -> list[JobRow]:
    return [row for chunk in JobList(layout).chunks() for row in chunk]


def test_job_list_is_newest_first_with_progress_and_reason(layout: ProjectLayout) -> None:
    first = folder.make_run(layout, "r2", folder.GENERATE, "baseline")
    folder.launch(first)
    folder.tell(first, Progress(time=folder.BEGIN, done=64, total=252, elapsed_s=1), folder.finished("failed", NASTY))
    folder.end(first, rc=1)
    second = folder.make_run(layout, "r10", folder.SERVE, "deploy")
    folder.launch(second)
    url = "http://127.0.0.1:5/v1"
    folder.tell(second, Serving(time=folder.BEGIN, url=url, models=("a",), expires_at=folder.BEGIN + 60))
    folder.make_run(layout, "r3")
    with living(second):
        found = rows(layout)
    assert [row.run_id for row in found] == ["r10", "r3", "r2"]
    assert [row.state for row in found] == ["running", "waiting", "failed"]
    assert (found[0].note, found[1].note) == (url, "seedling")
    assert (found[2].done, found[2].total, found[2].note) == (64, 252, "[/x] \\x1b[31m\\nred")


def test_job_list_leaves_out_what_is_no_run(layout: ProjectLayout) -> None:
    assert rows(layout) == []
    (layout.runs_dir / "r1").mkdir(parents=True)
    (layout.runs_dir / "notes").mkdir()
    assert rows(layout) == []
    assert run_ids(layout) == ("r1",)


def test_job_list_reads_an_ended_run_again_only_when_its_directory_changed(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, folder.finished("succeeded"))
    folder.end(run)
    jobs = JobList(layout)
    (first,) = next(jobs.chunks())
    assert next(jobs.chunks())[0] is first
    folder.launch(run, 2, folder.BEGIN + 100)
    with living(run):
        assert next(jobs.chunks())[0].state == "running"


def test_job_list_comes_in_parts_when_there_are_many(layout: ProjectLayout) -> None:
    for number in range(1, 61):
        folder.make_run(layout, f"r{number}")
    parts = list(JobList(layout).chunks())
    assert [len(part) for part in parts] == [25, 25, 10]
    assert parts[0][0].run_id == "r60"


def test_stop_says_what_came_of_it_and_leaves_the_message(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    ending = folder.finished("stopped", "Stopped on request.", "Start the step again to go on from its checkpoint.")
    folder.tell(run, started(), folder.step(1, 2.0), ending)
    folder.end(run, rc=4)
    assert stop_run(layout, "r1")["message"] == "Run r1 is stopped."
    assert RunFollower(layout, "r1").look().view.message == "Stopped on request."


def test_stop_writes_the_stop_file_that_makes_a_job_save_and_end(layout: ProjectLayout) -> None:
    run = folder.make_run(layout, "r1")
    folder.launch(run)
    folder.tell(run, started())
    folder.lock(run)
    stop_run(layout, "r1")
    assert run.stop_path.exists()
    assert RunFollower(layout, "r1").look().view.state == "stopped"
