from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.fakes.granted_project import a_plan, a_step
from tools.approvals import Clock, GrantIssuer, GrantKey, GrantVerifier
from tools.errors import GrantRefused
from tools.ledger import GrantRecord, Ledger

PLANS = tuple(a_plan(a_step("train", arguments={"epochs": epochs}), a_step("deploy"), max_usd=9.0) for epochs in (1, 2))
STEPS = ("train", "deploy")
Examine: TypeAlias = "Callable[[type[GrantVerifier], int], None]"
KEYS = (GrantKey(b"a" * 32), GrantKey(b"b" * 32))


class Grants(RuleBasedStateMachine):
    """Grants are issued, time passes, the process restarts, and whatever is consumed must have been allowed."""

    issued = Bundle("issued")
    verifier_class: type[GrantVerifier] = GrantVerifier
    ledger: Ledger

    @initialize()
    def start(self) -> None:
        self.wall_s, self.uptime_s = 1e6, 100.0
        self.clock_was_set = False
        self.clock = Clock(lambda: self.wall_s, lambda: self.uptime_s, lambda: "boot")
        self.verifier = self.verifier_class(self.ledger, KEYS[0], self.clock)
        self.uses: dict[str, int] = {}

    @rule(
        target=issued,
        plan=st.sampled_from(PLANS),
        step=st.sampled_from(STEPS),
        cap=st.sampled_from([1.0, 5.0]),
        ttl_s=st.integers(1, 9),
        key=st.sampled_from([KEYS[0], *KEYS]),
    )
    def issue(self, plan, step, cap, ttl_s, key):
        issuer = GrantIssuer(self.ledger, key, self.clock)
        grant = issuer.issue(plan, step, max_usd=cap, max_seconds=10.0, ttl_s=float(ttl_s))
        return grant, self.uptime_s + ttl_s, key

    @rule(
        grant=issued,
        deviation=st.sampled_from(["none", "none", "plan", "step", "cost", "time"]),
        times=st.integers(1, 2),
    )
    def consume(self, grant, deviation, times):
        record, ends_at, key = grant
        plan = next(plan for plan in PLANS if (plan.hash == record.plan) == (deviation != "plan"))
        step = next(step for step in STEPS if (step == record.step) == (deviation != "step"))
        usd = 6.0 if deviation == "cost" else 1.0
        seconds = 11.0 if deviation == "time" else 1.0
        for _ in range(times):
            with suppress(GrantRefused):
                self.verifier.consume(record.grant_id, plan, plan.step(step), usd=usd, seconds=seconds)
                self.uses[record.grant_id] = self.uses.get(record.grant_id, 0) + 1
                assert (record.plan, record.step) == (plan.hash, step), "another step than was approved"
                assert (usd, seconds) == (1.0, 1.0), "over the cap"
                assert self.uptime_s <= ends_at, "expired"
                assert key == KEYS[0], "forged"

    @rule(grant=issued)
    def fresh_exact_use_is_allowed(self, grant):
        record, ends_at, key = grant
        if record.grant_id in self.uses or self.uptime_s >= ends_at or key != KEYS[0] or self.clock_was_set:
            return
        plan = next(plan for plan in PLANS if plan.hash == record.plan)
        self.verifier.consume(record.grant_id, plan, plan.step(record.step), usd=1.0, seconds=1.0)
        self.uses[record.grant_id] = 1

    @rule(grant=issued)
    def edit_cap(self, grant):
        self.ledger.change("UPDATE grants SET max_usd = 1e6 WHERE grant_id = ?", (grant[0].grant_id,))
        # Refused from now on, and not expected to be allowed.
        self.uses.setdefault(grant[0].grant_id, 0)

    @rule(seconds=st.integers(1, 9), turned_s=st.sampled_from([0, 0, -9, -3600, 5]))
    def pass_time(self, seconds, turned_s):
        self.uptime_s += seconds
        self.wall_s += seconds + turned_s
        self.clock_was_set = self.clock_was_set or turned_s != 0

    @rule()
    def start_again(self):
        self.verifier = self.verifier_class(self.ledger, KEYS[0], self.clock)

    @invariant()
    def used_at_most_once(self):
        assert all(uses <= 1 for uses in getattr(self, "uses", {}).values()), "used twice"


class TakesAnyStep(GrantVerifier):
    def consume(self, grant_id, plan, step, *, usd, seconds):
        record = self._ledger.grant(grant_id)
        approved = self._ledger.plan(record.plan)
        return super().consume(grant_id, approved, approved.step(record.step), usd=usd, seconds=seconds)


class ForgetsExpiry(GrantVerifier):
    def _check_time(self, grant, again):
        return None


class TrustsTheWallClock(GrantVerifier):
    def _check_time(self, grant, again):
        if self._clock.wall() - grant.issued_at > grant.ttl_s:
            raise GrantRefused("expired", again)


class ForgetsCaps(GrantVerifier):
    def consume(self, grant_id, plan, step, *, usd, seconds):
        return super().consume(grant_id, plan, step, usd=0.0, seconds=0.0)


class ForgetsTheSignature(GrantVerifier):
    def _genuine(self, grant_id, step, again):
        return self._ledger.grant(grant_id)


class ForgetsUse(GrantVerifier):
    def consume(self, grant_id, plan, step, *, usd, seconds):
        found: GrantRecord = super().consume(grant_id, plan, step, usd=usd, seconds=seconds)
        self._key.used.clear()
        self._ledger.change("UPDATE grants SET used_at = NULL WHERE grant_id = ?", (grant_id,))
        return found


class RefusesEverything(GrantVerifier):
    def consume(self, grant_id, plan, step, *, usd, seconds):
        raise GrantRefused("no")


@pytest.fixture
def examine(tmp_path: Path) -> Iterator[Callable[[type[GrantVerifier], int], None]]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        # Durability is tested by kills; here it would only cost time.
        ledger.rows("PRAGMA synchronous=OFF")

        def run(verifier: type[GrantVerifier], examples: int) -> None:
            members = {"verifier_class": verifier, "ledger": ledger}
            run_state_machine_as_test(
                type(f"With{verifier.__name__}", (Grants,), members),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=20,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    print_blob=False,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate],
                ),
            )

        yield run


def test_grants_hold_their_promises_over_random_histories(examine: Examine, num_kills: int):
    examine(GrantVerifier, 10 * num_kills)


@pytest.mark.parametrize(
    ("mutant", "found"),
    [
        (TakesAnyStep, "another step"),
        (ForgetsExpiry, "expired"),
        (TrustsTheWallClock, "expired"),
        (ForgetsCaps, "over the cap"),
        (ForgetsTheSignature, "forged|over the cap"),
        (ForgetsUse, "used twice"),
    ],
)
def test_planted_defect_is_found_by_random_histories(examine: Examine, mutant: type[GrantVerifier], found: str):
    with pytest.raises((AssertionError, BaseExceptionGroup), match=found):
        examine(mutant, 500)


def test_refusing_everything_is_found_too(examine: Examine):
    with pytest.raises(GrantRefused):
        examine(RefusesEverything, 500)
