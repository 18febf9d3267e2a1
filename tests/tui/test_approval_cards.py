from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cards import plan_cards, spec_diff
from agent.events import ApprovalRequested
from agent.tui.approval_cards import approval_view
from specs.plan import Plan
from tests.fakes.granted_project import GrantedProject, a_plan, a_step
from tests.fakes.planned_project import project_with_spec
from tools.approvals import GrantVerifier
from tools.errors import GrantRefused


@pytest.fixture
def request_for() -> Callable[..., ApprovalRequested]:
    def make(plan: Plan, *steps: str, **changes: Any) -> ApprovalRequested:
        chosen = frozenset(steps) if steps else None
        return ApprovalRequested(request_id="r1", plan=plan, steps=plan_cards(plan, chosen), **changes)

    return make


def an_estimate(**changes: Any) -> dict[str, Any]:
    values = {
        "seconds": 1440,
        "seconds_low": 1080,
        "seconds_high": 2160,
        "memory_bytes": 0,
        "disk_bytes": 1_100_000_000,
        "cost_usd": 0,
        "num_tokens": 0,
        "basis": "8 steps were measured.",
    }
    return values | changes


def test_approval_view_shows_every_line_when_the_plan_is_real(
    tmp_path: Path, request_for: Callable[..., ApprovalRequested]
) -> None:
    plan = project_with_spec(tmp_path / "project").plan()
    view = approval_view(request_for(plan, "prepare_data", "train", "evaluate"), budget_usd=5.0)
    step = plan.step("train")
    assert view.queue == "1 of 2"
    assert view.card.title == "Step 3 of 4 · Train intents@1"
    assert view.card.risk == "low, reversible"
    assert view.card.cost == "$0 · about 12 s (5 s to 30 s), stops itself at 1 h"
    assert view.card.why == step.estimate.basis
    assert view.card.digest == step.digest(plan.hash)
    assert step.inputs["dataset"] in view.card.reads
    assert step.inputs["model"].removeprefix("sha256:")[:12] in view.card.reads
    assert view.card.undo == "Delete the run folder; the base model is only read."
    assert ("epochs", "2", "Set in the spec.") in view.card.values
    assert [card.step for card in view.along] == ["prepare_data"]
    assert plan.step("prepare_data").inputs["data/train.csv"][:12] in view.along[0].reads
    assert [card.step for card in view.rest] == ["evaluate"]
    assert view.steps_once == ("prepare_data", "train")
    assert view.steps_all == ("prepare_data", "train", "evaluate")
    assert view.ceiling == "at most 1 h and $0"
    assert (view.confirm_once, view.confirm_all, view.blocked) == (None, None, "")


def test_approval_view_counts_as_paid_when_there_is_no_estimate(request_for: Callable[..., ApprovalRequested]) -> None:
    for nothing in ({"basis": " "}, {"seconds": 0, "seconds_low": 0, "seconds_high": 0}):
        plan = a_plan(a_step("train", estimate=an_estimate(**nothing)), max_usd=14.5)
        view = approval_view(request_for(plan), budget_usd=None)
        assert not view.card.has_estimate
        assert view.card.cost == (
            "no estimate: counts as paid; at most $14.50, the budget of the plan, stops itself at 10 min"
        )
        assert view.confirm_once == "15"
        no_money = a_plan(a_step("train", estimate=an_estimate(**nothing)))
        assert approval_view(request_for(no_money), budget_usd=None).confirm_once == "demo"


def test_approval_view_wants_the_amount_typed_when_a_step_is_paid(
    request_for: Callable[..., ApprovalRequested],
) -> None:
    plan = a_plan(
        a_step("prepare_data", effect="write"),
        a_step("train", effect="spend", estimate=an_estimate(cost_usd=11.4)),
        a_step("evaluate", estimate=an_estimate(cost_usd=3.0)),
        a_step("deploy", arguments={"ttl_s": 28800}),
        max_usd=20.0,
    )
    view = approval_view(request_for(plan), budget_usd=15.0)
    assert view.card.risk == "spends money"
    assert view.card.cost == (
        "at most $11.40 of a budget of $15.00 · about 24 min (18 min to 36 min), stops itself at 10 min"
    )
    assert view.card.writes == "nothing"
    assert (view.queue, view.confirm_once, view.confirm_all) == ("1 of 3", "12", "15")
    assert view.rest[1].cost == "$0 · about 1 s (1 s to 2 s), then keeps running for at most 8 h"


def test_approval_view_wants_an_exact_amount_typed_when_it_is_whole_or_below_a_dollar(
    request_for: Callable[..., ApprovalRequested],
) -> None:
    typed: list[str | None] = []
    for usd in (12.0, 12.01, 0.004, 4.1 + 4.1 + 3.8):
        plan = a_plan(a_step("train", effect="spend", estimate=an_estimate(cost_usd=usd)), max_usd=20)
        typed.append(approval_view(request_for(plan), budget_usd=None).confirm_once)
    assert typed == ["12", "13", "1", "12"]


def test_approval_view_wants_the_amount_typed_for_all_when_the_request_has_one_paid_step(
    request_for: Callable[..., ApprovalRequested],
) -> None:
    plan = a_plan(a_step("train", effect="spend", estimate=an_estimate(cost_usd=2)), max_usd=20)
    assert approval_view(request_for(plan), budget_usd=None).confirm_all == "2"


def test_approval_view_is_blocked_when_the_difference_was_cut(request_for: Callable[..., ApprovalRequested]) -> None:
    request = request_for(a_plan(), diff=spec_diff("name: a\n", "".join(f"line_{n}: {n}\n" for n in range(5_000))))
    assert "too long to be shown whole" in approval_view(request, budget_usd=None).blocked
    assert approval_view(request, budget_usd=None, blocked="Plan only.").blocked == "Plan only."
    assert approval_view(request_for(a_plan(), diff="-a\n+b"), budget_usd=None).blocked == ""


def test_approval_view_wants_the_name_typed_when_a_step_cannot_be_undone(
    request_for: Callable[..., ApprovalRequested],
) -> None:
    plan = a_plan(a_step("train"), a_step("teardown", undo=" "))
    view = approval_view(request_for(plan), budget_usd=None)
    assert (view.confirm_once, view.confirm_all) == (None, "demo")
    assert view.rest[0].risk == "cannot be undone"
    assert view.rest[0].undo == "This cannot be undone."


def test_approval_view_cuts_nothing_and_escapes_when_the_text_is_long_or_hostile(
    request_for: Callable[..., ApprovalRequested],
) -> None:
    long, nasty = "x" * 5_000, "\x1b[2J\u202e[/x]\n"
    estimate = an_estimate(basis=nasty + long)
    texts = {"title": nasty + long, "reads": (long,), "writes": (nasty,), "undo": long, "inputs": {long: "ab"}}
    plan = a_plan(a_step("train", estimate=estimate, **texts))
    view = approval_view(request_for(plan, reasons=(nasty + long,)), budget_usd=None)
    escaped = "\\x1b[2J\\u202e[/x]\\n"
    assert view.card.title == f"Step 1 of 1 · {escaped}{long}"
    assert view.card.reads == f"{long} (ab)"
    assert view.card.writes == f"{escaped} (1.1 GB)"
    assert view.card.undo == long
    assert view.card.why == view.reasons[0] == escaped + long
    assert not view.is_first


def test_approval_view_trusts_the_plan_when_the_cards_of_the_request_differ(
    request_for: Callable[..., ApprovalRequested],
) -> None:
    plan = a_plan(a_step("train", title="Train on 800 rows"))
    request = request_for(plan)
    forged = request.steps[0].model_copy(update={"title": "Look at a file", "digest": "sha256:00", "undo": ""})
    view = approval_view(request.model_copy(update={"steps": (forged,)}), budget_usd=None)
    assert view == approval_view(request, budget_usd=None)


def test_a_grant_is_refused_and_the_view_is_new_when_one_byte_of_an_input_changed(
    tmp_path: Path, request_for: Callable[..., ApprovalRequested]
) -> None:
    project = GrantedProject(tmp_path)
    approved = a_plan(a_step("train"))
    changed = a_plan(a_step("train", inputs={"data/train.csv": "sha256:ab"}))
    grant = project.approve(approved, "train")["train"]
    verifier = GrantVerifier(project.ledger, project.key)
    before, after = (approval_view(request_for(plan), budget_usd=None) for plan in (approved, changed))
    assert before.card.digest != after.card.digest
    assert replace(before, card=after.card) == after
    assert after.card.reads == "data/train.csv ab"
    with pytest.raises(GrantRefused, match="is not what was approved"):
        verifier.consume(grant, changed, changed.step("train"), usd=0, seconds=1)
