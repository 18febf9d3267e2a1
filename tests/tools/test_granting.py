import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.granted_project import a_plan
from tools.approvals import GrantKey
from tools.errors import UsageError
from tools.granting import approve_steps
from tools.ledger import Ledger

PLAN = a_plan(max_usd=5.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def test_approve_makes_a_grant_for_each_step_bound_to_it(ledger: Ledger):
    grants = approve_steps(ledger, GrantKey.new(), PLAN, "all", None)
    assert list(grants) == ["prepare_data", "train", "evaluate"]
    assert len(set(grants.values())) == 3
    for step in PLAN.steps:
        grant = ledger.grant(grants[step.id])
        assert grant is not None
        assert (grant.digest, grant.plan, grant.used_at) == (step.digest(PLAN.hash), PLAN.hash, None)


def test_approve_names_the_steps_and_grants_nothing_when_one_is_unknown(ledger: Ledger):
    with pytest.raises(UsageError, match=r"no step 'tarin'.*prepare_data, train, evaluate"):
        approve_steps(ledger, GrantKey.new(), PLAN, ["train", "tarin"], None)
    assert ledger.rows("SELECT * FROM grants") == []


def test_approve_counts_a_step_named_twice_once(ledger: Ledger):
    approve_steps(ledger, GrantKey.new(), PLAN, ["train", "train"], None)
    assert len(ledger.rows("SELECT * FROM grants")) == 1


@pytest.mark.parametrize(("asked", "cap"), [(None, 5.0), (2.0, 2.0), (50.0, 5.0), (0.0, 0.0)])
def test_approve_caps_at_the_persons_and_the_plans_money(ledger: Ledger, asked: float | None, cap: float):
    grants = approve_steps(ledger, GrantKey.new(), PLAN, ["train"], asked)
    grant = ledger.grant(grants["train"])
    assert grant is not None
    assert (grant.max_usd, grant.max_seconds) == (cap, PLAN.max_seconds)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -1.0])
def test_approve_refuses_a_cap_that_is_no_amount(ledger: Ledger, amount: float):
    with pytest.raises(UsageError, match="no amount of money"):
        approve_steps(ledger, GrantKey.new(), PLAN, "all", amount)
