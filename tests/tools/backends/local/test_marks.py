import os
from pathlib import Path

import pytest

from specs.layout import RunLayout
from tools.backends.local.marks import (
    JobFacts,
    is_locked,
    launches,
    mark_started,
    process_start,
    read_exit,
    read_job,
    write_exit,
    write_job,
)
from tools.locks import try_lock


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    return RunLayout(tmp_path)


def test_launch_is_marked_once(run: RunLayout):
    assert [mark_started(run, launch) for launch in (1, 1, 2, 10)] == [True, False, True, True]
    assert [launch.number for launch in launches(run)] == [1, 2, 10]


def test_mark_cuts_a_torn_line_and_remembers_where_events_begin(run: RunLayout):
    run.events_path.write_bytes(b'{"a": 1}\n' + b"x" * 200_000)
    mark_started(run, 1)
    assert run.events_path.read_bytes() == b'{"a": 1}\n'
    assert launches(run)[0].events_offset == 9


def test_mark_cuts_a_file_that_is_one_torn_line(run: RunLayout):
    run.events_path.write_bytes(b"torn")
    mark_started(run, 1)
    assert run.events_path.read_bytes() == b""


def test_mark_that_a_crash_left_empty_counts_as_a_launch_without_events(run: RunLayout):
    run.events_path.write_bytes(b'{"a": 1}\n')
    (run.run_dir / "started-1").touch()
    assert launches(run)[0].events_offset == 9
    assert not mark_started(run, 1)


def test_exit_is_of_its_launch_alone(run: RunLayout):
    assert read_exit(run, 1) is None
    write_exit(run, 1, -9)
    ended = read_exit(run, 1)
    assert ended is not None
    assert (ended.rc, ended.signal) == (None, 9)
    assert read_exit(run, 2) is None


def test_job_is_read_back_and_a_strange_one_is_not(run: RunLayout):
    facts = JobFacts(1, 10, 1.0, 11, 2.0, "boot")
    write_job(run, facts)
    assert read_job(run, 1) == facts
    assert read_job(run, 2) is None
    for text in ("", "[]", '{"backend": "aws"}', '{"backend": "local", "launch": 1, "more": 2}'):
        run.job_path.write_text(text)
        assert read_job(run, 1) is None


def test_lock_is_seen_while_somebody_holds_it(run: RunLayout):
    assert not is_locked(run)
    descriptor = os.open(run.lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    assert not is_locked(run)
    assert try_lock(descriptor)
    assert is_locked(run)
    os.close(descriptor)
    assert not is_locked(run)


def test_start_of_a_process_is_known_while_it_lives():
    assert process_start(os.getpid()) == process_start(os.getpid())
    assert process_start(os.getpid()) is not None
    assert process_start(2**22 + 1) is None
