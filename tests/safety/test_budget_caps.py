import math

from tests.fakes.granted_project import GrantedProject, a_plan, a_step
from tools.events import StepFinished, StepProgress
from tools.runs import run_info


def ends(events: list) -> dict[str, StepFinished]:
    return {event.step: event for event in events if isinstance(event, StepFinished)}


def test_time_of_a_plan_is_counted_over_steps_and_restarts(project: GrantedProject):
    plan = a_plan(a_step("baseline"), a_step("train"), max_seconds=1.5)
    project.options = ["--work-s", "0.6"]
    assert project.run(plan, project.approve(plan, "baseline"))[-1].state == "waiting"
    used_s = project.ledger.spent(plan.hash).seconds
    assert used_s >= 0.6
    project.options = ["--work-s", "60"]
    later = GrantedProject(project.layout.root, *project.options)
    end = ends(later.run(plan))["train"]
    assert end.state == "stopped"
    assert "approved time" in end.message
    assert math.isclose(later.ledger.spent(plan.hash).seconds, used_s + end.seconds)
    last = GrantedProject(project.layout.root)
    refused = ends(last.run(plan))["train"]
    assert "used up" in refused.message
    assert "budget.hours" in refused.hint
    assert project.effects("r2") == 1
    for made in (later, last):
        made.ledger.close()


def test_time_of_a_job_is_counted_over_its_relaunches(project: GrantedProject):
    plan = a_plan(a_step("train"), max_seconds=600.0)
    project.options = ["--deaths", "2", "--work-s", "0.3"]
    end = ends(project.run(plan))["train"]
    assert end.seconds >= 0.3
    assert math.isclose(end.seconds, run_info(project.layout, "r1").seconds)
    assert run_info(project.layout, "r1").launches == 3


def test_job_is_stopped_at_the_cap_of_its_grant_when_that_is_lower(project: GrantedProject):
    plan = a_plan(a_step("train"))
    project.options = ["--work-s", "60"]
    end = ends(project.run(plan, project.approve(plan, max_seconds=1.0)))["train"]
    assert end.state == "stopped"
    assert run_info(project.layout, "r1").state == "stopped"


def test_cap_holds_when_the_watcher_was_away(project: GrantedProject):
    plan = a_plan(a_step("train"), max_seconds=1.2)
    project.options = ["--work-s", "60"]
    watched = project.watch(plan, project.approve(plan))
    assert any(isinstance(event, StepProgress) for event in watched)
    watched.close()
    later = GrantedProject(project.layout.root)
    assert ends(later.run(plan, {}))["train"].state == "stopped"
    assert later.effects("r1") == 1
    later.ledger.close()


def test_money_of_failed_attempts_counts(project: GrantedProject):
    dear = a_step("train").estimate.model_copy(update={"cost_usd": 4.0})
    plan = a_plan(a_step("train", estimate=dear), max_usd=10.0)
    project.options = ["--exit-code", "1"]
    assert [project.run(plan)[-1].spent_usd for _ in range(3)] == [4.0, 8.0, 8.0]
    assert project.effects("r1") == 2


def test_nothing_that_costs_runs_when_the_budget_is_zero(project: GrantedProject):
    cheap = a_step("train").estimate.model_copy(update={"cost_usd": 0.01})
    plan = a_plan(a_step("train", estimate=cheap), max_usd=0.0)
    end = ends(project.run(plan))["train"]
    assert "0.01 USD" in end.message
    assert not project.layout.runs_dir.exists()
