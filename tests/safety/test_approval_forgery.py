import os
import sqlite3
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest

from specs.plan import Plan, Step
from tests.fakes.granted_project import GrantedProject, a_plan, a_step
from tools.approvals import Clock, GrantIssuer, GrantKey, GrantVerifier
from tools.errors import GrantRefused, UsageError
from tools.ledger import GrantRecord


class Hands:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.wall_s = 1_000_000.0
        self.uptime_s = 500.0
        self.boot = "first"

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_s, lambda: self.uptime_s, lambda: self.boot)


@pytest.fixture
def hands() -> Hands:
    return Hands()


PLAN = a_plan(
    a_step("train", arguments={"epochs": 3, "rate": 1e-3}, inputs={"data/train.csv": "sha256:aa"}),
    a_step("deploy"),
    max_usd=5.0,
)
TRAIN = PLAN.step("train")


def changed(**changes: object) -> tuple[Plan, Step]:
    plan = a_plan(TRAIN.model_copy(update=changes), PLAN.step("deploy"), max_usd=5.0)
    return plan, plan.step("train")


def issue(project: GrantedProject, hands: Hands, key: GrantKey | None = None, **caps: float) -> GrantRecord:
    issuer = GrantIssuer(project.ledger, key or project.key, hands.clock())
    return issuer.issue(PLAN, "train", **{"max_usd": 5.0, "max_seconds": 60.0, "ttl_s": 600.0, **caps})


def use(
    project: GrantedProject,
    hands: Hands,
    grant_id: str,
    plan: Plan = PLAN,
    step: Step = TRAIN,
    **costs: float,
) -> GrantRecord:
    verifier = GrantVerifier(project.ledger, project.key, hands.clock())
    return verifier.consume(grant_id, plan, step, **{"usd": 1.0, "seconds": 30.0, **costs})


def edit(project: GrantedProject, statement: str, *values: object) -> None:
    with sqlite3.connect(project.layout.ledger_path) as connection:
        connection.execute(statement, values)


def refusal(project: GrantedProject, hands: Hands, grant_id: str, *where: object, **costs: float) -> str:
    with pytest.raises(GrantRefused) as caught:
        use(project, hands, grant_id, *where, **costs)
    assert caught.value.hint
    assert caught.value.exit_code == 5
    return caught.value.message


def test_grant_allows_its_step_once(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    assert use(project, hands, grant.grant_id) == grant
    assert "used before" in refusal(project, hands, grant.grant_id)


def test_changed_argument_is_refused_and_named(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    message = refusal(project, hands, grant.grant_id, *changed(arguments={"epochs": 8, "rate": 1e-3}))
    assert "argument epochs was 3, now is 8" in message
    use(project, hands, grant.grant_id)


@pytest.mark.parametrize("value", [3.0, "3", True, None, [3], {"epochs": 3}])
def test_argument_of_another_type_is_refused(project: GrantedProject, hands: Hands, value: object):
    grant = issue(project, hands)
    where = changed(arguments={"epochs": value, "rate": 1e-3})
    assert "argument epochs" in refusal(project, hands, grant.grant_id, *where)


def test_look_alike_text_is_refused(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    text = unicodedata.normalize("NFD", "caf\u00e9")
    assert "argument name" in refusal(
        project, hands, grant.grant_id, *changed(arguments={**TRAIN.arguments, "name": text})
    )


def test_drifted_input_is_refused_and_named(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    message = refusal(project, hands, grant.grant_id, *changed(inputs={"data/train.csv": "sha256:bb"}))
    assert 'input data/train.csv was "sha256:aa", now is "sha256:bb"' in message


def test_other_step_is_refused(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    assert "for step train" in refusal(project, hands, grant.grant_id, PLAN, PLAN.step("deploy"))


def test_other_plan_around_the_same_step_is_refused(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    other = PLAN.model_copy(update={"max_usd": 500.0})
    assert "plan around it" in refusal(project, hands, grant.grant_id, other, TRAIN)


def test_cost_over_the_cap_is_refused(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    assert "5.01 USD" in refusal(project, hands, grant.grant_id, usd=5.01)
    assert "61 s" in refusal(project, hands, grant.grant_id, seconds=61.0)
    assert "nan" in refusal(project, hands, grant.grant_id, usd=float("nan"))
    use(project, hands, grant.grant_id, usd=5.0, seconds=60.0)


def test_expired_grant_is_refused(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    hands.wall_s += 601
    hands.uptime_s += 601
    assert "expired 1 s ago" in refusal(project, hands, grant.grant_id)


def test_clock_set_back_does_not_revive_a_grant(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    hands.uptime_s += 601
    hands.wall_s -= 3600
    assert "expired" in refusal(project, hands, grant.grant_id)


def test_grant_is_refused_after_a_restart_of_the_machine(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    hands.boot, hands.uptime_s = "second", 1.0
    assert "restarted" in refusal(project, hands, grant.grant_id)


def test_invented_id_is_refused(project: GrantedProject, hands: Hands):
    issue(project, hands)
    for grant_id in ("0" * 32, "", "' OR 1=1 --"):
        assert "no approval" in refusal(project, hands, grant_id)


def test_row_signed_with_another_key_is_refused(project: GrantedProject, hands: Hands):
    forged = issue(project, hands, GrantKey.new(), max_usd=1e9)
    assert "not given in this session" in refusal(project, hands, forged.grant_id)
    edit(project, "UPDATE grants SET signer = ?", project.key.fingerprint)
    assert "changed after" in refusal(project, hands, forged.grant_id)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("max_usd", 999999.0),
        ("max_seconds", 1e9),
        ("ttl_s", 1e9),
        ("issued_at", 2e6),
        ("issued_uptime", 1e6),
        ("boot", "second"),
        ("step", "deploy"),
        ("plan", "sha256:00"),
        ("digest", PLAN.step("deploy").digest(PLAN.hash)),
        ("grant_id", "f" * 32),
        ("mac", "0" * 64),
    ],
)
def test_edited_row_is_refused(project: GrantedProject, hands: Hands, column: str, value: object):
    grant = issue(project, hands)
    edit(project, f"UPDATE grants SET {column} = ?", value)
    grant_id = "f" * 32 if column == "grant_id" else grant.grant_id
    assert "changed after" in refusal(project, hands, grant_id)


def test_row_edited_back_to_unused_is_refused(project: GrantedProject, hands: Hands):
    grant = issue(project, hands)
    use(project, hands, grant.grant_id)
    edit(project, "UPDATE grants SET used_at = NULL")
    assert "used before" in refusal(project, hands, grant.grant_id)


def test_one_of_eight_wins_when_they_race_for_a_grant(project: GrantedProject, hands: Hands, begun: Callable[..., int]):
    grant = issue(project, hands)
    project.ledger.close()

    def race() -> None:
        racer = GrantedProject(project.layout.root)
        racer.key = project.key
        use(racer, hands, grant.grant_id)

    racers = [begun(race) for _ in range(8)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in racers]
    assert sorted(codes) == [0] + [1] * 7


def test_nothing_is_launched_by_a_forged_grant(project: GrantedProject):
    plan = a_plan(a_step("train"))
    forged = GrantIssuer(project.ledger, GrantKey.new()).issue(plan, "train", max_usd=0.0, max_seconds=600.0)
    for grant_id in (forged.grant_id, "0" * 32, project.approve(PLAN, "train")["train"]):
        closing = project.run(plan, {"train": grant_id})[-1]
        assert closing.state == "waiting"
    assert not project.layout.runs_dir.exists()


def test_nothing_is_launched_by_a_forged_step_row(project: GrantedProject):
    plan = a_plan(a_step("train"))
    forged = GrantIssuer(project.ledger, GrantKey.new()).issue(plan, "train", max_usd=0.0, max_seconds=600.0)
    project.ledger.use_grant(forged.grant_id, 1.0)
    with project.ledger.transaction():
        job = project.ledger.intend_launch(project.ledger.claim_job(plan.hash, "train"))
        project.ledger.begin_step(replace(forged, used_at=1.0), job, usd=0.0, now=1.0)
    assert project.run(plan, {})[-1].state == "waiting"
    assert not project.layout.run("r1").manifest_path.exists()


def test_key_is_never_shown_and_never_stored(project: GrantedProject, hands: Hands):
    issue(project, hands)
    project.ledger.close()
    stored = b"".join(path.read_bytes() for path in project.layout.state_dir.iterdir())
    assert project.key.secret not in stored
    assert project.key.secret.hex().encode() not in stored
    assert project.key.secret.hex() not in repr(project.key) + str(project.key)
    assert repr(project.key.secret) not in repr(project.key)


def test_issue_names_the_steps_when_there_is_no_such_step(project: GrantedProject):
    with pytest.raises(UsageError, match="no step 'publish'"):
        GrantIssuer(project.ledger, project.key).issue(PLAN, "publish", max_usd=0.0, max_seconds=1.0)
