import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from specs.layout import ProjectLayout, RunLayout
from tests.fakes.granted_project import GrantedProject, a_manifest
from tools.backends.base import JobBackend, JobStatus


class Jobs:
    """A backend with the fake trainer behind it."""

    def __init__(self, backend: JobBackend, project: GrantedProject) -> None:
        self.backend = backend
        self.layout: ProjectLayout = project.layout
        self.project = project

    def start(self, *options: str, run_id: str = "r1", launch: int = 1) -> RunLayout:
        self.project.options = list(options)
        run = self.layout.run(run_id)
        run.run_dir.mkdir(parents=True, exist_ok=True)
        manifest = a_manifest(run_id)
        run.manifest_path.write_text(manifest.model_dump_json())
        self.backend.submit(manifest, launch)
        return run

    def wait(self, run_id: str = "r1", timeout_s: float = 30.0) -> JobStatus:
        return self.until(lambda: (s := self.backend.status(run_id)).state not in {"running", "not_started"} and s)

    def until(self, condition, timeout_s: float = 30.0):
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.01)
        return found


@pytest.fixture(params=["local"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    project = GrantedProject(tmp_path)
    made = Jobs(project.backend, project)
    yield made
    for run_dir in made.layout.runs_dir.glob("r*"):
        made.backend.stop(run_dir.name, grace_s=0.0)


def text(jobs: Jobs, run_id: str = "r1") -> str:
    found, offset = "", 0
    while chunk := jobs.backend.read_log(run_id, offset):
        if not chunk.text:
            return found
        found, offset = found + chunk.text, chunk.offset
    return found


def test_job_reads_not_started_when_nothing_was_submitted(jobs: Jobs):
    assert jobs.backend.status("r1") == JobStatus("r1", "not_started")


def test_job_reads_finished_with_its_exit_code(jobs: Jobs):
    jobs.start("--silent", "--exit-code", "7")
    status = jobs.wait()
    assert (status.state, status.exit_code, status.signal, status.launch) == ("finished", 7, None, 1)
    assert status.ended_at is not None
    assert status.started_at is not None
    assert status.ended_at >= status.started_at


def test_job_reads_finished_with_its_signal_when_it_was_killed(jobs: Jobs):
    jobs.start("--deaths", "1")
    status = jobs.wait()
    assert (status.state, status.exit_code, status.signal) == ("finished", None, 9)
    assert status.died


def test_launch_is_begun_once_when_submitted_twice(jobs: Jobs):
    run = jobs.start("--work-s", "0.3")
    jobs.start("--work-s", "0.3")
    jobs.wait()
    jobs.start("--work-s", "0.3")
    jobs.wait()
    assert len((run.run_dir / "effects").read_text().splitlines()) == 1


def test_next_launch_begins_in_the_same_folder_when_the_one_before_has_ended(jobs: Jobs):
    run = jobs.start("--deaths", "1")
    jobs.wait()
    size = run.events_path.stat().st_size
    jobs.start("--deaths", "1", launch=2)
    jobs.until(lambda: jobs.backend.status("r1").launch == 2)
    status = jobs.wait()
    assert (status.launch, status.exit_code, status.events_offset) == (2, 0, size)
    assert len((run.run_dir / "effects").read_text().splitlines()) == 2


def test_job_ends_when_it_prints_a_megabyte_that_nobody_reads(jobs: Jobs):
    jobs.start("--print-bytes", "1000000")
    assert jobs.wait().exit_code == 0
    assert len(text(jobs)) == 1_000_000


def test_log_is_read_on_from_an_offset_and_empty_when_there_is_none(jobs: Jobs):
    assert jobs.backend.read_log("r1").text == ""
    jobs.start("--print-bytes", "3000")
    jobs.wait()
    first = jobs.backend.read_log("r1", limit_bytes=1000)
    assert (len(first.text), first.offset) == (1000, 1000)
    assert len(jobs.backend.read_log("r1", first.offset).text) == 2000


def test_stop_is_gentle_and_reads_stopped_then_and_a_second_later(jobs: Jobs):
    run = jobs.start("--work-s", "60")
    jobs.until(run.events_path.exists)
    status = jobs.backend.stop("r1")
    assert (status.state, status.exit_code, status.stop_requested) == ("finished", 4, True)
    time.sleep(1.0)
    assert jobs.backend.status("r1") == status


def test_stop_is_by_force_when_the_job_does_not_listen(jobs: Jobs):
    run = jobs.start("--work-s", "60", "--ignore-term")
    jobs.until(run.events_path.exists)
    status = jobs.backend.stop("r1", grace_s=0.2)
    assert (status.state, status.signal, status.stop_requested) == ("finished", 9, True)


def test_stop_kills_a_grandchild_in_a_session_of_its_own(jobs: Jobs):
    run = jobs.start("--work-s", "60", "--grandchild")
    jobs.until(run.events_path.exists)
    grandchild = psutil.Process(int((run.run_dir / "grandchild").read_text()))
    jobs.backend.stop("r1")
    jobs.until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_stop_is_fine_when_there_is_no_run_or_it_has_ended(jobs: Jobs):
    assert jobs.backend.stop("r1").state == "not_started"
    run = jobs.start()
    before = jobs.wait()
    assert jobs.backend.stop("r1") == before
    assert not run.stop_path.exists()


def test_job_gets_no_credentials_and_nothing_to_read(jobs: Jobs, monkeypatch: pytest.MonkeyPatch):
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "a",
        "AWS_PROFILE": "b",
        "OPENAI_API_KEY": "c",
        "HF_TOKEN": "d",
        "MLFLOW_TRACKING_PASSWORD": "e",
        "MY_SECRET": "f",
        "HTTPS_PROXY": "http://name:word@proxy:1",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HOME", "/models")
    run = jobs.start()
    jobs.wait()
    given = json.loads((run.run_dir / "environment.json").read_text())
    assert given.keys().isdisjoint(secrets)
    assert given["HF_HOME"] == "/models"
    assert given["PYTHONSAFEPATH"] == "1"
    assert given["PATH"] == os.environ["PATH"]
