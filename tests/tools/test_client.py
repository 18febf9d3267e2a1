import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.planned_project import project_with_spec
from tests.fakes.quick_engine import quick_backend
from tools import running
from tools.approvals import GrantKey
from tools.client import Tailor
from tools.errors import UsageError
from tools.events import ExecutorEvent


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tailor, list[ExecutorEvent]]]:
    """A project whose whole plan was run by quick jobs, and what the run told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "backend", quick_backend)
        tailor = project_with_spec(tmp_path_factory.mktemp("road") / "project")
        plan = tailor.plan()
        yield tailor, list(tailor.run(plan, tailor.approve(plan, "all")))


def test_run_ends_with_the_finished_plan(road: tuple[Tailor, list[ExecutorEvent]]):
    tailor, events = road
    assert events[-1].type == "plan_finished"
    assert (events[-1].state, events[-1].model) == ("succeeded", "intents@1")
    assert events[-1].plan == tailor.known_plan().hash


def test_run_again_needs_no_grant_and_does_nothing_twice(road: tuple[Tailor, list[ExecutorEvent]]):
    tailor, events = road
    num_runs = len(tailor.runs())
    again = list(tailor.run(tailor.plan(), {}))
    assert again[-1].state == "succeeded"
    assert again[-1].checks == events[-1].checks
    assert len(tailor.runs()) == num_runs == 3


def test_results_hold_what_was_measured_as_json(road: tuple[Tailor, list[ExecutorEvent]]):
    results = json.loads(json.dumps(road[0].results()))
    check = results["checks"][0]
    assert (check["baseline"]["value"], check["custom"]["value"], check["difference"]["wins"]) == (0.0, 1.0, 24)
    assert results["model"] == "intents@1"
    assert len(results["side_by_side"]) == 12
    assert road[0].results("r2")["plan"] == results["plan"]


def test_runs_and_one_run_are_shown_with_their_log(road: tuple[Tailor, list[ExecutorEvent]]):
    assert [(run.run_id, run.step, run.state) for run in road[0].runs()] == [
        ("r1", "baseline", "succeeded"), ("r2", "train", "succeeded"), ("r3", "evaluate", "succeeded"),
    ]  # fmt: skip
    assert road[0].show("r2").progress == 1.0
    assert list(road[0].logs("r2", follow=True)) == []
    assert road[0].stop("r2")["message"] == "Run r2 had already finished."


def test_play_says_that_nothing_is_served(road: tuple[Tailor, list[ExecutorEvent]]):
    with pytest.raises(UsageError, match="No server is running"):
        road[0].play("hello")


def test_plan_is_found_by_its_hash_and_an_unknown_one_is_told(road: tuple[Tailor, list[ExecutorEvent]]):
    plan = road[0].known_plan()
    assert road[0].known_plan(plan.hash) == plan
    with pytest.raises(UsageError, match=r"no plan with the hash sha256:000.*tailor plan"):
        road[0].known_plan("sha256:000")


def test_grants_count_for_the_key_they_were_signed_with_alone(tmp_path: Path):
    key = GrantKey.new()
    person = Tailor(project_with_spec(tmp_path / "project").layout.root, grant_key=key)
    plan = person.plan()
    grants = person.approve(plan, ["prepare_data"])
    stranger = list(Tailor(person.layout.root).run(plan, grants, only=["prepare_data"]))
    assert [event.type for event in stranger] == ["step_waiting", "plan_finished"]
    assert "not given in this session" in stranger[0].message
    engine = list(Tailor(person.layout.root, grant_key=key).run(plan, grants, only=["prepare_data"]))
    assert engine[-1].steps[0].state == "succeeded"


def test_nothing_runs_until_the_iterator_is_read(tmp_path: Path):
    tailor = project_with_spec(tmp_path / "project")
    plan = tailor.plan()
    tailor.run(plan, tailor.approve(plan, "all")).close()
    assert not tailor.layout.runs_dir.exists()
    assert tailor.status()["plan"]["steps"]["prepare_data"] == "not_run"


def test_spec_of_another_name_is_the_projects_spec(tmp_path: Path):
    tailor = project_with_spec(tmp_path / "project")
    other = tailor.layout.root / "other.yaml"
    other.write_text(tailor.load_spec().text.replace("name: intents", "name: others"))
    assert Tailor(tailor.layout.root, spec_name="other.yaml").load_spec().spec.name == "others"
    assert tailor.load_spec().spec.name == "intents"
    with pytest.raises(UsageError, match=r"There is no third\.yaml"):
        Tailor(tailor.layout.root, spec_name="third.yaml").load_spec()
