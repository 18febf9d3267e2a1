import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.granted_project import GrantedProject, a_plan, a_step
from tools.events import PlanFinished, StepProgress
from tools.kill_points import KILL_POINTS

ROOT = Path(__file__).resolve().parents[2]
NOT_PASSED = {"relaunch_recorded", "stop_written"}


def a_person_runs(root: Path, *options: str) -> PlanFinished:
    """Approve and run the whole plan with a key and a ledger of its own, as a new process of Tailor does."""
    project = GrantedProject(root, *options)
    try:
        return project.run(a_plan())[-1]
    finally:
        project.ledger.close()


def test_kill_points_are_all_named_and_all_passed_by_the_code():
    sources = [path.read_text() for path in (ROOT / "tools").rglob("*.py") if path.name != "kill_points.py"]
    passed = [name for text in sources for name in re.findall(r"""kill_point\(["'](\w+)["']\)""", text)]
    assert sorted(passed) == sorted(KILL_POINTS)
    assert sum(len(re.findall(r"\bkill_point\(", text)) for text in sources) == len(passed)


@pytest.mark.parametrize("point", sorted(set(KILL_POINTS) - NOT_PASSED))
def test_plan_has_each_effect_once_when_killed_at(point: str, forked: Callable[..., int], no_leftovers: Path):
    code = forked(lambda: a_person_runs(no_leftovers), kill_at=point)
    assert (code == -signal.SIGKILL) is not point.startswith("supervisor_")
    closing = a_person_runs(no_leftovers)
    assert closing.state == "succeeded"
    project = GrantedProject(no_leftovers)
    assert [project.effects(run_id) for run_id in ("r1", "r2")] == [1, 1]
    assert (no_leftovers / "prepare_data.done").read_text() in {"once\n", "once\nonce more\n"}
    assert [record.state for record in project.ledger.steps(a_plan().hash)] == ["succeeded"] * 3
    assert project.audit.verify().whole
    project.ledger.close()


def test_relaunch_goes_on_when_killed_right_after_it_was_recorded(forked: Callable[..., int], no_leftovers: Path):
    for _ in ("train", "evaluate"):
        code = forked(lambda: a_person_runs(no_leftovers, "--deaths", "1"), kill_at="relaunch_recorded")
        assert code == -signal.SIGKILL
    assert a_person_runs(no_leftovers, "--deaths", "1").state == "succeeded"
    project = GrantedProject(no_leftovers)
    assert [project.effects(run_id) for run_id in ("r1", "r2")] == [2, 2]
    project.ledger.close()


def test_run_reads_stopped_when_the_stopper_is_killed_after_the_stop_file(
    project: GrantedProject, forked: Callable[..., int]
):
    plan = a_plan(a_step("train"))
    project.options = ["--work-s", "30"]
    watched = project.watch(plan, project.approve(plan))
    assert any(isinstance(event, StepProgress) for event in watched)
    assert forked(lambda: project.backend.stop("r1"), kill_at="stop_written") == -signal.SIGKILL
    assert list(watched)[-1].state == "stopped"
