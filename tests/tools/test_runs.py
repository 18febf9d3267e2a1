import json
import time
from pathlib import Path

import pytest

from specs.events import Finished
from specs.layout import ProjectLayout, RunLayout
from tests.fakes.granted_project import GrantedProject, a_manifest
from tools.backends.local.marks import mark_started, write_exit
from tools.errors import UsageError
from tools.runs import SILENT_S, EventReader, list_runs, read_log, run_info, run_manifest, work_seconds


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    return ProjectLayout(tmp_path)


def a_run(layout: ProjectLayout, run_id: str = "r1", *, launches: int = 0) -> RunLayout:
    run = layout.run(run_id)
    run.run_dir.mkdir(parents=True)
    run.manifest_path.write_text(a_manifest(run_id).model_dump_json())
    for launch in range(1, launches + 1):
        mark_started(run, launch)
    return run


def tell(run: RunLayout, kind: str, at: float = 0.0, **fields: object) -> None:
    with run.events_path.open("a") as stream:
        stream.write(json.dumps({"type": kind, "time": at or time.time(), **fields}) + "\n")


def finish(run: RunLayout, state: str, at: float = 0.0, message: str = "So it is.") -> None:
    tell(run, "finished", at, state=state, message=message, exit_code=0, seconds=1.0)


PROGRESS = {"done": 3, "total": 12, "elapsed_s": 1.0}


def test_reader_returns_what_was_added_and_leaves_a_torn_line(layout: ProjectLayout):
    run = a_run(layout)
    reader = EventReader(run.events_path)
    assert reader.read() == []
    tell(run, "progress", **PROGRESS)
    size = run.events_path.stat().st_size
    with run.events_path.open("a") as stream:
        stream.write('{"type": "progress", "ti')
    assert [placed.offset for placed in reader.read()] == [0]
    assert reader.offset == size
    with run.events_path.open("a") as stream:
        stream.write('me": 1.0, "done": 4, "total": 12, "elapsed_s": 2.0}\n')
    assert [placed.event.done for placed in reader.read()] == [4]
    assert reader.num_skipped == 0


def test_reader_counts_lines_it_does_not_know(layout: ProjectLayout):
    run = a_run(layout)
    tell(run, "dreamt", of="sheep")
    tell(run, "progress", **PROGRESS, extra=1)
    run.events_path.open("ab").write(b"\xff\xfe nonsense\n\n" + b'"' + b"x" * (2 << 20) + b'"\n')
    tell(run, "progress", **PROGRESS)
    reader = EventReader(run.events_path)
    assert len(reader.read()) == 1
    assert reader.num_skipped == 5
    assert reader.offset == run.events_path.stat().st_size


def test_reader_goes_past_a_line_without_an_end(layout: ProjectLayout):
    run = a_run(layout)
    run.events_path.write_bytes(b"x" * (9 << 20) + b"\n")
    tell(run, "progress", **PROGRESS)
    assert len(EventReader(run.events_path).read()) == 1


def test_run_waits_when_it_has_not_begun(layout: ProjectLayout):
    run = a_run(layout)
    info = run_info(layout, "r1")
    assert (info.state, info.progress, info.launches, info.seconds, info.step) == ("waiting", None, 0, 0.0, "train")
    run.stop_path.touch()
    assert run_info(layout, "r1").state == "stopped"


def test_run_is_lost_when_it_began_and_nothing_holds_its_lock(layout: ProjectLayout):
    run = a_run(layout, launches=1)
    tell(run, "progress", **PROGRESS)
    info = run_info(layout, "r1")
    assert (info.state, info.progress, info.done, info.total) == ("lost", 0.25, 3, 12)
    assert "without a word" in info.message


def test_run_tells_what_its_trainer_said_last(layout: ProjectLayout):
    for number, state in enumerate(("succeeded", "failed", "stopped"), start=1):
        run = a_run(layout, f"r{number}", launches=1)
        finish(run, state)
        write_exit(run, 1, 1)
        assert (run_info(layout, f"r{number}").state, run_info(layout, f"r{number}").message) == (state, "So it is.")


def test_run_reads_stopped_not_failed_when_the_stop_was_asked_for_first(layout: ProjectLayout):
    run = a_run(layout, launches=1)
    run.stop_path.touch()
    write_exit(run, 1, -15)
    assert run_info(layout, "r1").state == "stopped"
    finish(run, "failed", time.time() + 1)
    assert run_info(layout, "r1").state == "stopped"


def test_run_reads_failed_when_the_stop_came_after_the_failure(layout: ProjectLayout):
    run = a_run(layout, launches=1)
    finish(run, "failed", time.time() - 5)
    run.stop_path.touch()
    assert run_info(layout, "r1").state == "failed"


def test_run_reads_succeeded_when_the_stop_came_too_late(layout: ProjectLayout):
    run = a_run(layout, launches=1)
    run.stop_path.touch()
    finish(run, "succeeded", time.time() + 1)
    assert run_info(layout, "r1").state == "succeeded"


def test_word_of_an_earlier_launch_says_nothing_about_a_later_one(layout: ProjectLayout):
    run = a_run(layout, launches=1)
    finish(run, "stopped")
    mark_started(run, 2)
    assert run_info(layout, "r1").state == "lost"
    finish(run, "succeeded")
    assert run_info(layout, "r1").state == "succeeded"


@pytest.mark.parametrize(
    ("returncode", "state", "words"),
    [(-9, "failed", "signal 9"), (7, "failed", "exit code 7"), (4, "stopped", "stopped"), (0, "failed", "exit code 0")],
)
def test_run_without_a_last_word_is_judged_by_its_exit(layout: ProjectLayout, returncode: int, state: str, words: str):
    run = a_run(layout, launches=1)
    write_exit(run, 1, returncode)
    info = run_info(layout, "r1")
    assert info.state == state
    assert words in info.message


def test_run_that_was_copied_here_is_judged_by_age(layout: ProjectLayout):
    run = a_run(layout)
    tell(run, "progress", time.time() - SILENT_S - 1, **PROGRESS)
    assert run_info(layout, "r1").state == "lost"
    tell(run, "progress", **PROGRESS)
    assert run_info(layout, "r1").state == "running"


def test_seconds_are_of_work_without_the_time_between_launches(layout: ProjectLayout):
    run = a_run(layout)
    marks = [(1, 100.0, 110.0), (2, 500.0, 530.0)]
    for launch, start, last in marks:
        mark_started(run, launch)
        path = run.run_dir / f"started-{launch}"
        path.write_text(json.dumps({**json.loads(path.read_text()), "time": start}))
        tell(run, "progress", last, **PROGRESS)
    run.exit_path.write_text(json.dumps({"launch": 2, "rc": 0, "signal": None, "time": 540.0}))
    assert work_seconds(run, 9999.0) == 50.0
    assert work_seconds(run, 9999.0, first_launch=2) == 40.0
    assert work_seconds(run, 9999.0, first_launch=2, until=505.0) == 5.0


def test_long_run_is_read_from_its_last_lines(layout: ProjectLayout):
    run = a_run(layout, launches=1)
    tell(run, "dreamt", of="sheep")
    line = json.dumps({"type": "progress", "time": 1.0, "done": 5, "total": 10, "elapsed_s": 1.0}) + "\n"
    run.events_path.open("a").write(line * 3000)
    info = run_info(layout, "r1")
    assert (info.done, info.num_skipped, len(info.last)) == (5, 0, 50)


def test_runs_are_listed_by_number_and_strange_folders_left_out(layout: ProjectLayout):
    for run_id in ("r10", "r2", "r1"):
        a_run(layout, run_id)
    (layout.runs_dir / "rubbish").mkdir()
    (layout.runs_dir / "r3").mkdir()
    assert [info.run_id for info in list_runs(layout)] == ["r1", "r2", "r10"]


@pytest.mark.parametrize("run_id", ["r9", "../r1", "", "r1/../r1", "\x1b[31m"])
def test_unknown_run_is_told_with_those_there_are(layout: ProjectLayout, run_id: str):
    a_run(layout)
    for ask in (run_info, run_manifest, read_log):
        with pytest.raises(UsageError) as caught:
            ask(layout, run_id)
        assert "r1" in caught.value.hint
        assert "\x1b" not in str(caught.value)


def test_log_is_harmless_and_shows_the_last_state_of_a_bar(layout: ProjectLayout):
    run = a_run(layout)
    assert list(read_log(layout, "r1")) == []
    run.log_path.write_bytes(b"10%\r20%\r30%\nred \x1b[31m \xff\r\nlast")
    assert list(read_log(layout, "r1")) == ["30%", "red \\x1b[31m \ufffd", "last"]


def test_log_is_followed_until_the_run_has_ended(tmp_path: Path):
    project = GrantedProject(tmp_path, "--print-bytes", "3000", "--work-s", "0.3")
    run = a_run(project.layout)
    project.backend.submit(a_manifest("r1"), 1)
    assert len(list(read_log(project.layout, "r1", follow=True))) == 3
    assert isinstance(EventReader(run.events_path).read()[-1].event, Finished)


def test_served_url_is_told_while_the_server_runs(tmp_path: Path):
    project = GrantedProject(tmp_path, "--serve", "--work-s", "60")
    run = a_run(project.layout)
    project.backend.submit(a_manifest("r1"), 1)
    while not run.events_path.exists():
        time.sleep(0.01)
    assert run_info(project.layout, "r1").url == "http://127.0.0.1:1/v1"
    project.backend.stop("r1")
    assert run_info(project.layout, "r1").url is None
