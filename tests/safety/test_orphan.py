import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.fakes.granted_project import GrantedProject, a_manifest, a_plan, a_step
from tools.backends.local.marks import JobFacts, launches, process_start, write_job
from tools.errors import BackendError
from tools.events import StepProgress
from tools.runs import run_info


def start(project: GrantedProject, until: Callable[..., None], *options: str) -> JobFacts:
    project.options = list(options)
    run = project.layout.run("r1")
    run.run_dir.mkdir(parents=True, exist_ok=True)
    run.manifest_path.write_text(a_manifest("r1").model_dump_json())
    project.backend.submit(a_manifest("r1"), 1)
    until(lambda: run.job_path.exists() and run.events_path.exists())
    facts = json.loads(run.job_path.read_text())
    facts.pop("backend")
    return JobFacts(**facts)


def test_job_reads_running_and_is_not_started_again_when_its_supervisor_is_killed(
    project: GrantedProject, until: Callable[..., None], is_gone: Callable[[int], bool]
):
    facts = start(project, until, "--work-s", "2")
    os.kill(facts.supervisor_pid, signal.SIGKILL)
    until(lambda: is_gone(facts.supervisor_pid))
    assert project.backend.status("r1").state == "running"
    project.backend.submit(a_manifest("r1"), 1)
    assert project.effects("r1") == 1
    until(lambda: project.backend.status("r1").state == "lost")
    # No exit code is left, but the trainer's own last word is.
    assert run_info(project.layout, "r1").state == "succeeded"


def test_a_second_launch_is_refused_while_an_orphan_works(
    project: GrantedProject, until: Callable[..., None], is_gone: Callable[[int], bool]
):
    facts = start(project, until, "--work-s", "60")
    os.kill(facts.supervisor_pid, signal.SIGKILL)
    with pytest.raises(BackendError, match="still run"):
        project.backend.submit(a_manifest("r1"), 2)
    assert project.effects("r1") == 1
    project.backend.stop("r1")
    assert is_gone(facts.pid)


@pytest.mark.parametrize("known", [True, False])
def test_orphan_is_stopped_by_a_later_process(
    known: bool, no_leftovers: Path, until: Callable[..., None], is_gone: Callable[[int], bool]
):
    facts = start(GrantedProject(no_leftovers), until, "--work-s", "60", "--grandchild")
    os.kill(facts.supervisor_pid, signal.SIGKILL)
    later = GrantedProject(no_leftovers)
    run = later.layout.run("r1")
    grandchild = int((run.run_dir / "grandchild").read_text())
    if not known:
        run.job_path.unlink()
    later.backend.stop("r1")
    assert run_info(later.layout, "r1").state == "stopped"
    assert is_gone(facts.pid)
    assert is_gone(grandchild)


def test_stop_spares_a_stranger_that_has_the_recorded_process_id(project: GrantedProject, until: Callable[..., None]):
    facts = start(project, until, "--work-s", "60")
    run = project.layout.run("r1")
    stranger = psutil.Popen(["/bin/sleep", "60"])
    write_job(run, JobFacts(**{**vars(facts), "pid": stranger.pid, "start": facts.start - 1.0}))
    project.backend.stop("r1")
    assert stranger.is_running()
    stranger.kill()
    stranger.wait()


def test_job_of_an_earlier_start_of_the_machine_reads_lost(project: GrantedProject, until: Callable[..., None]):
    facts = start(project, until, "--work-s", "60")
    project.backend.stop("r1", grace_s=0.0)
    run = project.layout.run("r1")
    run.stop_path.unlink(missing_ok=True)
    run.exit_path.unlink()
    me = os.getpid()
    write_job(run, JobFacts(**{**vars(facts), "pid": me, "start": process_start(me), "boot": "another"}))
    assert project.backend.status("r1").state == "lost"
    project.backend.stop("r1", grace_s=0.0)
    assert run_info(project.layout, "r1").launches == len(launches(run)) == 1


def test_lost_job_goes_on_from_its_folder_when_the_plan_is_run_again(
    project: GrantedProject, until: Callable[..., None]
):
    plan = a_plan(a_step("train"))
    project.options = ["--work-s", "60"]
    watched = project.watch(plan, project.approve(plan))
    assert any(isinstance(event, StepProgress) for event in watched)
    watched.close()
    until(project.layout.run("r1").job_path.exists)
    facts = json.loads(project.layout.run("r1").job_path.read_text())
    for pid in (facts["supervisor_pid"], facts["pid"]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: project.backend.status("r1").state == "lost")
    project.options = []
    # Another process of Tailor: it holds no key that the first approval was signed with.
    later = GrantedProject(project.layout.root)
    assert later.run(plan, {})[-1].state == "succeeded"
    assert later.effects("r1") == 2
    later.ledger.close()
