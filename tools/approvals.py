"""Grants: a person's approval of one step, bound to its exact arguments and inputs, capped, expiring, single use.

Issued only at human doors (the terminal, a person's command, a person's script); checked by the code that launches.
The signing key lives in memory alone: whoever lacks it, the model and every stored row included, cannot make a grant.
Whoever may write the ledger's file owns the project; a grant defends against rows and requests, not against them.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from specs.canonical import canonical_json
from specs.plan import Plan, Step
from tools.boot import boot_id, uptime_s
from tools.errors import GrantRefused, UsageError

if TYPE_CHECKING:
    from tools.ledger import GrantRecord, Ledger

DEFAULT_TTL_S = 24 * 3600.0
"""Seconds a grant holds: a night's queue, no longer."""

_SHOWN = 60


@dataclass(frozen=True)
class GrantKey:
    """The secret that grants are signed with. Never written, never shown."""

    secret: bytes
    used: set[str] = field(default_factory=set[str], repr=False, compare=False)
    """Ids of grants used with it, so that a row edited back to unused does not count again."""

    @classmethod
    def new(cls) -> "GrantKey":
        """Return a fresh random key."""
        return cls(secrets.token_bytes(32))

    @property
    def fingerprint(self) -> str:
        """Return a name of the key that does not give it away."""
        return hashlib.sha256(b"tailor grant key" + self.secret).hexdigest()[:16]

    def sign(self, record: "GrantRecord") -> str:
        """Return the signature over everything that must not change in a grant."""
        fields = {name: value for name, value in asdict(record).items() if name not in {"mac", "used_at"}}
        return hmac.new(self.secret, canonical_json(fields), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return f"GrantKey({self.fingerprint})"


@dataclass(frozen=True)
class Clock:
    """The clocks an expiry is measured by."""

    wall: Callable[[], float] = time.time
    """Seconds since the epoch; a person may set it back."""
    uptime: Callable[[], float] = uptime_s
    """Seconds since the machine started."""
    boot: Callable[[], str] = boot_id
    """Name of the machine's start the uptime belongs to."""


class GrantIssuer:
    """Makes grants. Only for code that a person's key press or command has reached."""

    def __init__(self, ledger: "Ledger", key: GrantKey, clock: Clock | None = None) -> None:
        self._ledger = ledger
        self._key = key
        self._clock = clock or Clock()

    def issue(
        self, plan: Plan, step_id: str, *, max_usd: float, max_seconds: float, ttl_s: float = DEFAULT_TTL_S
    ) -> "GrantRecord":
        """Record and return a grant for one step of a plan.

        Args:
            plan: the plan as the person saw it.
            step_id: the step.
            max_usd: the most the step may cost, in US dollars.
            max_seconds: the longest its job may work.
            ttl_s: seconds until it expires.

        Raises:
            UsageError: the plan has no such step.
            ToolError: the ledger cannot be written.
        """
        from tools.ledger import GrantRecord

        step = _step(plan, step_id)
        draft = GrantRecord(
            grant_id=secrets.token_hex(16),
            digest=step.digest(plan.hash),
            plan=plan.hash,
            step=step.id,
            max_usd=float(max_usd),
            max_seconds=float(max_seconds),
            issued_at=self._clock.wall(),
            issued_uptime=self._clock.uptime(),
            boot=self._clock.boot(),
            ttl_s=float(ttl_s),
            signer=self._key.fingerprint,
            mac="",
        )
        grant = replace(draft, mac=self._key.sign(draft))
        with self._ledger.transaction():
            self._ledger.record_plan(plan)
            self._ledger.add_grant(grant)
        return grant


class GrantVerifier:
    """Decides whether a grant allows a step, and uses it up."""

    def __init__(self, ledger: "Ledger", key: GrantKey, clock: Clock | None = None) -> None:
        self._ledger = ledger
        self._key = key
        self._clock = clock or Clock()

    def consume(self, grant_id: str, plan: Plan, step: Step, *, usd: float, seconds: float) -> "GrantRecord":
        """Use up a grant for a step. Call it in the transaction that records what the grant is used for.

        Args:
            grant_id: as issued.
            plan: the plan that is run.
            step: the step as it would be run now.
            usd: the most the step may cost, in US dollars.
            seconds: the least it needs to work.

        Raises:
            GrantRefused: what differs from what was approved, and the next step.
        """
        again = f"Approve the step again when it is asked for, or with: tailor run --approve {step.id}"
        grant = self._genuine(grant_id, step, again)
        if grant.digest != step.digest(plan.hash):
            raise GrantRefused(
                f"Step {step.id} is not what was approved: {self._difference(grant, plan, step)}.", again
            )
        self._check_time(grant, again)
        _check_caps(grant, step, usd, seconds)
        fresh = grant_id not in self._key.used and self._ledger.use_grant(grant_id, self._clock.wall())
        self._key.used.add(grant_id)
        if not fresh:
            raise GrantRefused(f"The approval of step {step.id} was used before; each counts once.", again)
        return grant

    def vouches(self, grant_id: str, plan: Plan, step: Step) -> bool:
        """Return whether this process's person approved exactly this step by a grant that was then used."""
        grant = self._ledger.grant(grant_id)
        return (
            grant is not None
            and grant.used_at is not None
            and hmac.compare_digest(grant.mac, self._key.sign(grant))
            and grant.digest == step.digest(plan.hash)
        )

    def _genuine(self, grant_id: str, step: Step, again: str) -> "GrantRecord":
        grant = self._ledger.grant(grant_id)
        if grant is None:
            raise GrantRefused(f"There is no approval with that id for step {step.id}.", again)
        if grant.signer != self._key.fingerprint:
            raise GrantRefused(f"The approval of step {step.id} was not given in this session of Tailor.", again)
        if not hmac.compare_digest(grant.mac, self._key.sign(grant)):
            raise GrantRefused(f"The approval of step {step.id} was changed after it was given.", again)
        return grant

    def _check_time(self, grant: "GrantRecord", again: str) -> None:
        if grant.boot != self._clock.boot():
            raise GrantRefused(f"The approval of step {grant.step} was given before the machine restarted.", again)
        # The larger of two ages: a wall clock set back cannot make a grant younger, a slept machine cannot either.
        age_s = max(self._clock.wall() - grant.issued_at, self._clock.uptime() - grant.issued_uptime)
        if age_s > grant.ttl_s:
            late_s = age_s - grant.ttl_s
            raise GrantRefused(
                f"The approval of step {grant.step} expired {late_s:.0f} s ago; it held for {grant.ttl_s:.0f} s.", again
            )

    def _difference(self, grant: "GrantRecord", plan: Plan, step: Step) -> str:
        if grant.step != step.id:
            return f"the approval is for step {grant.step}"
        approved = self._ledger.plan(grant.plan)
        if approved is None:
            return "it belongs to another plan"
        before = _step(approved, grant.step)
        for what, old, new in (
            ("argument", before.arguments, step.arguments),
            ("input", before.inputs, step.inputs),
        ):
            changed = _first_change(old, new)
            if changed:
                return f"{what} {changed}"
        return f"the plan around it is another one ({plan.hash[:19]}, approved was {grant.plan[:19]})"


def _check_caps(grant: "GrantRecord", step: Step, usd: float, seconds: float) -> None:
    again = f"Approve it with a higher cap: tailor run --approve {step.id} --max-usd {usd:.2f}"
    # `not <=` so that a NaN is refused too.
    if not usd <= grant.max_usd:
        raise GrantRefused(f"Step {step.id} may cost {usd:.2f} USD; approved were {grant.max_usd:.2f} USD.", again)
    if not seconds <= grant.max_seconds:
        raise GrantRefused(
            f"Step {step.id} needs at least {seconds:.0f} s; approved were {grant.max_seconds:.0f} s.",
            "Raise budget.hours in spec.yaml and approve the new plan.",
        )


def _first_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return the first name with another value, with both values, or an empty text."""
    for name in sorted({*old, *new}):
        before, after = _shown(old, name), _shown(new, name)
        if before != after:
            return f"{name} was {_cut(before)}, now is {_cut(after)}"
    return ""


def _shown(values: Mapping[str, Any], name: str) -> str:
    return canonical_json(values[name]).decode() if name in values else "not set"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _step(plan: Plan, step_id: str) -> Step:
    try:
        return plan.step(step_id)
    except KeyError as e:
        names = ", ".join(step.id for step in plan.steps)
        raise UsageError(f"The plan has no step {step_id!r}.", f"Its steps are {names}.") from e
