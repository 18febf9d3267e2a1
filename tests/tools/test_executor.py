import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.fakes.granted_project import GrantedProject, a_plan, a_step
from tools.doctor import examine
from tools.errors import ProjectBusy, ToolError
from tools.events import PlanFinished, StepFinished, StepProgress, StepStarted, StepWaiting
from tools.ledger import StepRecord
from tools.status import plan_results


@pytest.fixture
def project(tmp_path: Path):
    made = GrantedProject(tmp_path)
    yield made
    for run_dir in made.layout.runs_dir.glob("r*"):
        made.backend.stop(run_dir.name, grace_s=0.0)
    made.ledger.close()


def finished(events: list) -> dict[str, StepFinished]:
    return {event.step: event for event in events if isinstance(event, StepFinished)}


def test_run_does_every_step_once_when_all_are_granted(project: GrantedProject):
    events = project.run(a_plan())
    closing = events[-1]
    assert isinstance(closing, PlanFinished)
    assert closing.state == "succeeded"
    assert [summary.state for summary in closing.steps] == ["succeeded"] * 3
    assert [summary.run for summary in closing.steps] == [None, "r1", "r2"]
    assert closing.model == "demo@1"
    assert closing.checks == ({"name": "accuracy", "passed": True},)
    assert closing.seconds > 0
    assert any(isinstance(event, StepProgress) and event.run == "r1" for event in events)
    assert (project.effects("r1"), project.effects("r2")) == (1, 1)
    assert project.ledger.custom_model("demo", 1) is not None
    assert project.ledger.next_version("demo") == 2
    assert project.audit.verify().whole


def test_run_skips_and_says_so_when_steps_succeeded_before(project: GrantedProject):
    plan = a_plan()
    project.run(plan)
    events = project.run(plan, {})
    assert [event.skipped for event in finished(events).values()] == [True, True, True]
    assert events[-1].state == "succeeded"
    assert events[-1].model == "demo@1"
    assert project.effects("r1") == 1


def test_deleted_dataset_is_prepared_again_once_that_is_granted(project: GrantedProject):
    plan = a_plan(a_step("prepare_data"))
    folder = project.layout.root / "dataset"
    folder.mkdir()
    project.handlers["prepare_data"].result = {"dir": str(folder)}
    project.run(plan)
    folder.rmdir()
    assert project.run(plan, {})[-1].state == "waiting"
    assert project.run(plan)[-1].state == "succeeded"
    assert project.ledger.step(plan.hash, "prepare_data").attempt == 2
    assert (project.layout.root / "prepare_data.done").read_text() == "once\nonce more\n"


def test_deleted_model_is_told_with_its_run_and_the_way_to_a_new_one(project: GrantedProject):
    plan = a_plan(a_step("train"))
    folder = project.layout.root / "model"
    folder.mkdir()
    project.handlers["train"].result |= {"model_dir": str(folder)}
    project.run(plan)
    folder.rmdir()
    ended = finished(project.run(plan))["train"]
    assert (ended.state, ended.hint) == ("failed", "Train it anew: tailor run --again")
    assert "model of run r1 was deleted" in ended.message
    assert project.ledger.step(plan.hash, "train").state == "succeeded"


def test_step_whose_result_was_edited_does_not_count_as_done(project: GrantedProject):
    plan = a_plan()
    project.run(plan)
    project.ledger.change("UPDATE steps SET result = '{\"checks\": []}' WHERE step = 'evaluate'")
    ended = finished(project.run(plan))["evaluate"]
    assert (ended.state, ended.skipped, ended.hint) == ("failed", False, "Measure anew: tailor run --again")
    assert "result of step evaluate is not the one that was measured" in ended.message
    assert [finding.name for finding in examine(project.layout) if finding.name == "results"] == ["results"]
    with pytest.raises(ToolError, match="step evaluate is not the one that was measured"):
        plan_results(project.layout, project.ledger, plan.hash)


def test_step_row_without_a_grant_does_not_count_as_done(project: GrantedProject):
    plan = a_plan(a_step("prepare_data"), a_step("train", after=("prepare_data",)))
    project.ledger.save_step(
        StepRecord(plan.hash, "prepare_data", 1, "forged", None, 0, "succeeded", 0.0, 1.0, result={"version": "x"})
    )
    events = project.run(plan)
    assert "ledger was changed" in finished(events)["prepare_data"].message
    assert [summary.state for summary in events[-1].steps] == ["failed", "not_run"]
    assert project.run(plan, only=["train"])[-1].steps[1].state == "failed"
    assert not project.layout.runs_dir.exists()


def test_run_waits_when_a_step_has_no_grant(project: GrantedProject):
    plan = a_plan()
    events = project.run(plan, project.approve(plan, "prepare_data"))
    waiting = [event for event in events if isinstance(event, StepWaiting)]
    assert [(event.step, event.digest) for event in waiting] == [("train", plan.step("train").digest(plan.hash))]
    assert [summary.state for summary in events[-1].steps] == ["succeeded", "waiting", "not_run"]
    assert events[-1].state == "waiting"
    assert not project.layout.runs_dir.exists()


def test_run_refuses_when_another_one_works(project: GrantedProject):
    plan = a_plan()
    watched = project.watch(plan, project.approve(plan))
    next(watched)
    with pytest.raises(ProjectBusy):
        next(project.watch(plan, {}))
    watched.close()
    assert project.run(plan)[-1].state == "succeeded"


def test_failed_job_fails_its_step_with_the_trainers_words(project: GrantedProject):
    project.options = ["--exit-code", "1"]
    events = project.run(a_plan())
    assert finished(events)["train"].message == "Out of luck."
    assert [summary.state for summary in events[-1].steps] == ["succeeded", "failed", "not_run"]
    assert events[-1].state == "failed"


def test_failed_step_runs_again_in_its_folder_when_it_is_granted_again(project: GrantedProject):
    plan = a_plan()
    project.options = ["--exit-code", "1"]
    project.run(plan)
    waiting = project.run(plan, {})
    assert waiting[-1].state == "waiting"
    project.options = []
    events = project.run(plan)
    assert events[-1].state == "succeeded"
    assert project.effects("r1") == 2
    assert project.ledger.step(plan.hash, "train").attempt == 2


def test_silent_failure_shows_the_last_line_of_the_log(project: GrantedProject):
    project.options = ["--silent", "--exit-code", "7"]
    message = finished(project.run(a_plan()))["train"].message
    assert "exit code 7" in message
    assert "the last words" in message


def test_killed_job_is_launched_again_in_its_folder(project: GrantedProject):
    project.options = ["--deaths", "2"]
    events = project.run(a_plan(a_step("train")))
    assert [event.resumed for event in events if isinstance(event, StepStarted)] == [False, True, True]
    assert events[-1].state == "succeeded"
    assert project.effects("r1") == 3


def test_adopted_job_tells_only_what_is_new(project: GrantedProject):
    plan = a_plan(a_step("train"))
    project.options = ["--work-s", "0.6"]
    watched = project.watch(plan, project.approve(plan))
    assert any(isinstance(event, StepProgress) for event in watched)
    watched.close()
    while project.backend.status("r1").state == "running":
        time.sleep(0.01)
    events = project.run(plan, {})
    assert [event.resumed for event in events if isinstance(event, StepStarted)] == [True]
    assert [event.event.type for event in events if isinstance(event, StepProgress)] in ([], ["started"])
    assert events[-1].state == "succeeded"


def test_job_that_is_killed_every_time_fails_after_three_relaunches(project: GrantedProject):
    project.options = ["--deaths", "99"]
    events = project.run(a_plan(a_step("train")))
    assert "signal 9" in finished(events)["train"].message
    assert "4 times" in finished(events)["train"].message
    assert project.effects("r1") == 4


def test_killed_job_is_not_launched_again_when_it_was_told_to_stop(project: GrantedProject):
    plan = a_plan(a_step("train"))
    project.options = ["--work-s", "60"]
    watched = project.watch(plan, project.approve(plan))
    assert any(isinstance(event, StepProgress) for event in watched)
    watched.close()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TAILOR_RUN_DIR") == str(project.layout.run("r1").run_dir):
                process.kill()
    while project.backend.status("r1").state == "running":
        time.sleep(0.01)
    assert project.backend.stop("r1").died
    assert project.run(plan, {})[-1].state == "stopped"
    assert project.effects("r1") == 1


def test_stopped_job_stops_the_plan_and_goes_on_when_granted_again(project: GrantedProject):
    plan = a_plan()
    project.options = ["--work-s", "30"]
    watched = project.watch(plan, project.approve(plan))
    for event in watched:
        if isinstance(event, StepProgress):
            project.backend.stop("r1")
            break
    rest = list(watched)
    assert finished(rest)["train"].state == "stopped"
    assert [summary.state for summary in rest[-1].steps] == ["succeeded", "stopped", "not_run"]
    assert rest[-1].state == "stopped"
    project.options = []
    assert project.run(plan)[-1].state == "succeeded"
    assert project.effects("r1") == 2


def test_closed_watch_leaves_the_job_and_the_next_run_takes_it_up(project: GrantedProject):
    plan = a_plan(a_step("train"))
    project.options = ["--work-s", "0.6"]
    watched = project.watch(plan, project.approve(plan))
    assert any(isinstance(event, StepProgress) for event in watched)
    watched.close()
    assert project.backend.status("r1").state == "running"
    events = project.run(plan, {})
    assert [event.resumed for event in events if isinstance(event, StepStarted)] == [True]
    assert events[-1].state == "succeeded"
    assert project.effects("r1") == 1


def test_job_over_its_time_is_stopped_and_counts_against_the_plan(project: GrantedProject):
    plan = a_plan(a_step("train"), a_step("evaluate"), max_seconds=1.1)
    project.options = ["--work-s", "30"]
    events = project.run(plan)
    assert finished(events)["train"].state == "stopped"
    assert "approved time" in finished(events)["train"].message
    assert [summary.state for summary in events[-1].steps] == ["stopped", "not_run"]
    again = project.run(plan)
    assert "used up" in finished(again)["train"].message
    assert project.effects("r1") == 1


def test_step_is_not_begun_when_the_money_does_not_reach(project: GrantedProject):
    dear = a_step("train").estimate.model_copy(update={"cost_usd": 6.0})
    plan = a_plan(a_step("train", estimate=dear), a_step("evaluate", after=("train",), estimate=dear), max_usd=10.0)
    events = project.run(plan)
    assert events[-1].spent_usd == 6.0
    assert [summary.state for summary in events[-1].steps] == ["succeeded", "stopped"]
    assert "6.00 USD" in finished(events)["evaluate"].message


def test_deploy_is_done_when_the_server_answers_and_is_reported_when_it_died(project: GrantedProject):
    plan = a_plan(a_step("deploy"))
    project.options = ["--serve", "--work-s", "60"]
    events = project.run(plan)
    assert events[-1].state == "succeeded"
    assert events[-1].endpoint == "http://127.0.0.1:1/v1"
    assert project.backend.status("r1").state == "running"
    project.backend.stop("r1")
    later = project.run(plan, {})
    assert "no longer runs" in finished(later)["deploy"].message
    assert later[-1].endpoint is None
    assert project.effects("r1") == 1
    assert project.run(plan)[-1].endpoint == "http://127.0.0.1:1/v1"
    assert project.effects("r1") == 2


def test_step_whose_result_fails_is_finished_later_without_a_second_launch(project: GrantedProject):
    plan = a_plan(a_step("train"))
    project.handlers["train"].error = ToolError("The weights cannot be read.", "Free memory.")
    events = project.run(plan)
    assert finished(events)["train"].message == "The weights cannot be read."
    assert finished(events)["train"].seconds > 0
    project.handlers["train"].error = None
    assert project.run(plan)[-1].state == "succeeded"
    assert project.effects("r1") == 1


def test_only_runs_the_named_step_with_earlier_results(project: GrantedProject):
    plan = a_plan()
    project.run(plan, project.approve(plan, "prepare_data", "train"))
    events = project.run(plan, project.approve(plan, "evaluate"), only=["evaluate"])
    assert list(finished(events)) == ["evaluate"]
    assert events[-1].state == "succeeded"


def test_only_tells_what_is_missing_when_the_step_before_has_not_run(project: GrantedProject):
    plan = a_plan()
    events = project.run(plan, only=["evaluate"])
    assert "needs step train" in finished(events)["evaluate"].message
    assert events[-1].state == "failed"


def test_step_begun_in_another_process_waits_when_its_job_never_began(project: GrantedProject, tmp_path: Path):
    plan = a_plan(a_step("train"))
    grants = project.approve(plan)
    with project.ledger.transaction():
        grant = project.executor().verifier.consume(grants["train"], plan, plan.step("train"), usd=0, seconds=1)
        job = project.ledger.intend_launch(project.ledger.claim_job(plan.hash, "train"))
        project.ledger.begin_step(grant, job, usd=0.0, now=time.time())
    other = GrantedProject(tmp_path)
    assert other.run(plan, {})[-1].state == "waiting"
    assert other.run(plan)[-1].state == "succeeded"
    assert other.effects("r1") == 1
    other.ledger.close()


def test_training_is_not_begun_when_another_plan_has_made_its_version(project: GrantedProject):
    output = {"output": {"name": "demo", "version": 1}}
    first, second = (a_plan(a_step("train", arguments={**output, "seed": seed})) for seed in (1, 2))
    grants = project.approve(second)
    assert project.run(first)[-1].state == "succeeded"
    events = project.run(second, grants)
    assert "demo@1 has been made since by another plan" in finished(events)["train"].message
    assert not project.layout.run("r2").run_dir.exists()
    assert project.run(first, {})[-1].state == "succeeded"
