import functools

import pytest

from agent.cards import plan_ready
from agent.events import PlanReady, ValueCard
from agent.plan_text import estimate_text, plan_text, short_hash, wrapped
from specs.plan import Plan
from tests.fakes.granted_project import a_plan, a_step
from tests.fakes.planned_project import project_with_spec

WIDTHS = (80, 140)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return project_with_spec(tmp_path_factory.mktemp("planned") / "project").plan()


def too_wide(text: str, width: int) -> list[str]:
    """Return lines that are wider although they have a place to break behind their indent and label."""
    return [line for line in text.splitlines() if len(line) > width and len(line.split()) > 2]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("brief", [True, False])
def test_plan_stays_within_the_width(plan: Plan, width: int, brief: bool):
    text = plan_text(plan_ready(plan), width, brief=brief)
    assert too_wide(text, width) == []
    assert max(len(line) for line in text.splitlines()) > width * 0.75


@pytest.mark.parametrize("width", WIDTHS)
def test_full_plan_shows_every_value_with_its_reason_and_what_a_step_touches(plan: Plan, width: int):
    ready = plan_ready(plan)
    text = " ".join(plan_text(ready, width).split())
    for number, step in enumerate(ready.steps, start=1):
        assert f"{number}. {step.id}: {step.title}" in text
        assert " ".join(step.undo.split()) in text
        assert all(path in text for path in (*step.reads, *step.writes))
        for value in step.values:
            assert f" {value.name} {value.value} " in text
    assert all(" ".join(f"Note: {note}".split()) in text for note in plan.notes)
    assert text.count("Basis:") == len(plan.steps)


def test_brief_plan_shows_what_a_person_decides_on_and_where_the_rest_is(plan: Plan):
    text = plan_text(plan_ready(plan), 80, brief=True)
    assert all(step.title in text for step in plan.steps)
    assert "epochs" in text
    assert "tuning" in text
    assert "weight_decay" not in text
    assert "Basis:" not in text
    assert "`tailor plan` shows every value" in text
    assert len(text) < len(plan_text(plan_ready(plan), 80)) / 2


def test_plan_says_what_it_may_take_at_most(plan: Plan):
    head = plan_text(plan_ready(plan), 140).splitlines()[0]
    assert head.startswith(f"Plan {short_hash(plan.hash)} for intents: 4 steps, about ")
    assert head.endswith("at most $0 and 1 h.")
    assert len(short_hash(plan.hash)) == 12


def with_value(value: ValueCard) -> PlanReady:
    ready = plan_ready(a_plan(a_step("train")))
    step = ready.steps[0].model_copy(update={"values": (ValueCard(name="seed", value="0", reason="Why not."), value)})
    return ready.model_copy(update={"steps": (step,)})


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("length", [13, 100, 300])
def test_long_value_is_shown_whole_with_its_reason(width: int, length: int):
    words = "ab " * (length // 3)
    ready = with_value(ValueCard(name="system_prompt", value=words.strip(), reason="It was written in the spec. " * 5))
    text = plan_text(ready, width)
    assert too_wide(text, width) == []
    assert text.split().count("ab") == length // 3
    assert text.count("written") == 5


def test_value_without_a_reason_is_shown_too():
    assert "   beta" in plan_text(with_value(ValueCard(name="beta", value="0.1", reason="")), 80)


def test_outside_text_is_escaped():
    hostile = "\x1b[2Jtrain \u202ex"
    step = a_step("train", title=hostile, reads=(hostile,), writes=(hostile,), undo=hostile)
    plan = a_plan(step, notes=(hostile,))
    for show in (plan_text, functools.partial(plan_text, brief=True)):
        assert not set("\x1b\u202e") & set(show(plan_ready(plan)))


def test_estimate_says_what_it_rests_on(plan: Plan):
    text = estimate_text(plan.step("train").estimate)
    assert text.startswith("takes about ")
    assert "$0. Basis: 80 rows" in text or "Basis: 78 rows" in text


def test_wrapped_never_breaks_a_word_and_never_falls_below_forty():
    assert wrapped("a" * 100, 80, indent="  ", hanging="  ") == ["  " + "a" * 100]
    assert max(map(len, wrapped("word " * 50, 10, indent="", hanging=" "))) <= 40
