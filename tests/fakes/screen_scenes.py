"""The interface without an engine, and what an engine would tell it: one conversation in pieces, at fixed times."""

from collections.abc import Mapping
from pathlib import Path

from agent.cards import plan_cards
from agent.events import (
    AgentEvent,
    ApprovalRequested,
    Decision,
    PlanReady,
    Question,
    SessionStarted,
    SpecChanged,
    Text,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from agent.tui.app import TailorApp
from agent.tui.settings import InterfaceSettings
from agent.tui.state import AppState, ProjectFacts
from specs.plan import Plan
from tests.fakes.granted_project import a_plan, a_step
from tools.approvals import GrantKey
from tools.client import Tailor

BEGIN = 1_790_000_000.0
PLAN = "sha256:9d7a"
TASK = "Tickets come from a CSV export. Route them; replies stay short."
FIGURES = """The check is reached.

check       wanted  base              custom            difference          rows  cost per 1,000  latency p95
──────────  ──────  ────────────────  ────────────────  ──────────────────  ────  ──────────────  ───────────
macro_f1    ✓ 80.0  71.3 (68.1…74.5)  84.2 (81.6…86.8)  +12.9 (+9.1…+16.7)  300   $0.02           210 ms
valid_json  ✓ 95.0  90.0 (86.1…92.9)  100.0 (98.7…100)  +10.0 (+6.7…+13.7)  300   $0.02           210 ms

- macro_f1: better than the base model by +12.9 points (+9.1 to +16.7), 62 rows won, 23 lost, p < 0.001."""
"""What was measured, as code words it."""
ANSWER = """Thank you. I read **2,000 rows** of `data/tickets.csv`:

| label | rows | example |
|---|---|---|
| billing | 512 | Charged twice for invoice 8812 |
| bug | 498 | The page stays white after login |
| how-to | 990 | How do I change the address? |

The largest label is twice as frequent as the smallest, which is fine. I would measure it like this:

```python
def is_right(wanted: str, answer: str) -> bool:
    return wanted == answer.strip()
```

1. Keep 300 rows aside, and never train on them.
2. Leave the twelve rows without a label out.
"""
DIFF = """--- spec.yaml
+++ spec.yaml
@@ -9,7 +9,8 @@
 train:
   - method: sft
-    epochs: 3
+    epochs: 2
+    learning_rate: 0.001
 evaluation:
   checks:
-    - {name: accuracy, threshold: 0.7}
+    - {name: accuracy, threshold: 0.8}
"""
OPTIONS = ("A wrong refund is promised", "A ticket is given to nobody", "An answer is longer than 60 words")


class QuietBridge:
    """Stands for the engine: gives the events it was handed, and keeps what it is told."""

    def __init__(self, tailor: Tailor) -> None:
        self.tailor = tailor
        self.said: list[str] = []
        self.answers: list[tuple[str, Decision, str]] = []
        self._events: list[AgentEvent] = []

    def start(self) -> None:
        """Start nothing."""

    def give(self, *events: AgentEvent) -> None:
        """Have events ready."""
        self._events += events

    def take(self) -> list[AgentEvent]:
        events, self._events = self._events, []
        return events

    def say(self, text: str) -> str:
        self.said.append(text)
        return f"m{len(self.said)}"

    def answer(
        self, request_id: str, decision: Decision, grants: Mapping[str, str], reason: str = "", keys: str = ""
    ) -> None:
        assert keys or not grants
        self.answers.append((request_id, decision, reason))

    def stop_turn(self) -> None:
        """Stop nothing."""

    def close(self) -> None:
        """End nothing."""


class QuietApp(TailorApp):
    """The real interface on a project; the engine is a `QuietBridge`, and so is what is known of the project."""

    def __init__(self, project: Path, facts: ProjectFacts | None = None) -> None:
        super().__init__(project, settings=InterfaceSettings(bell=False))
        self.engine = QuietBridge(Tailor(project, create=True, grant_key=GrantKey.new()))
        self.shown_facts = facts or ProjectFacts(spec_name="support-triage")
        self.desk.read_facts = lambda: self.shown_facts

    def hear(self, *events: AgentEvent) -> None:
        """Let the engine tell something."""
        self.engine.give(*events)
        self.on_engine_told()

    def know(self, facts: ProjectFacts) -> None:
        """Let the project be another."""
        self.shown_facts = facts
        self.desk.change(facts=facts)

    def _open(self) -> None:
        self.call_from_thread(self._opened, self.engine, AppState())


def started(brain: str = "bedrock:claude") -> SessionStarted:
    return SessionStarted(time=BEGIN, project="support-triage", thread="main", brain=brain, resumed=False)


def waits(waiting: str = "user", at: float = 40.0) -> TurnFinished:
    return TurnFinished.model_validate({"time": BEGIN + at, "waiting": waiting})


def the_interview() -> tuple[AgentEvent, ...]:
    """A task, the data read, an answer with table, code and list."""
    return (
        started(),
        waits(at=1),
        Text(time=BEGIN + 2, node="u1", role="user", text=TASK),
        ToolStarted(time=BEGIN + 3, node="n1", call="c1", tool="inspect_data", arguments={"path": "data/tickets.csv"}),
        ToolFinished(time=BEGIN + 4, node="n1", call="c1", tool="inspect_data", ok=True, seconds=0.4),
        Text(time=BEGIN + 6, node="n2", role="assistant", text=ANSWER),
    )


def the_question() -> tuple[AgentEvent, ...]:
    """A question with options and a default."""
    asked = Question(
        time=BEGIN + 7,
        node="n3",
        text="What must never happen?",
        why="It becomes a check of its own, so that a good average cannot hide it.",
        default=OPTIONS[0],
        options=OPTIONS,
        number="5 of 6",
    )
    return asked, waits(at=8)


def the_edit() -> tuple[AgentEvent, ...]:
    """What the agent changed in the spec."""
    return SpecChanged(time=BEGIN + 20, node="n4", by="agent", diff=DIFF), waits(at=21)


def a_figure(seconds: float, cost_usd: float = 0.0) -> dict[str, object]:
    return {
        "seconds": seconds,
        "seconds_low": seconds * 0.7,
        "seconds_high": seconds * 1.5,
        "memory_bytes": 2_000_000_000,
        "disk_bytes": 1_100_000_000,
        "cost_usd": cost_usd,
        "num_tokens": 400_000,
        "basis": "2,000 rows × 2 epochs ÷ 8 a batch = 500 steps, 2.9 s each by 8 steps that were measured.",
    }


def the_plan() -> Plan:
    """Four steps, none of which costs money."""
    values = (
        {"name": "epochs", "value": "2", "reason": "Set in the spec.", "source": "spec"},
        {"name": "learning rate", "value": "0.001", "reason": "Usual for a model of this size.", "source": "spec"},
    )
    return a_plan(
        a_step("prepare_data", title="Prepare tickets", effect="write", estimate=a_figure(4)),
        a_step("baseline", title="Measure the base model", after=("prepare_data",), estimate=a_figure(90)),
        a_step(
            "train",
            title="Train support-triage@1",
            after=("prepare_data",),
            estimate=a_figure(1450),
            reads=("data/tickets.csv",),
            writes=(".tailor/runs",),
            inputs={"data/tickets.csv": "sha256:5f4dcc3b5aa765d61d8327deb882cf99"},
            undo="Delete the run folder; the base model is only read.",
            values=values,
        ),
        a_step("evaluate", title="Measure support-triage@1", after=("train",), estimate=a_figure(100)),
        name="support-triage",
        max_seconds=2880.0,
    )


def the_request(plan: Plan | None = None, *steps: str, diff: str = DIFF) -> tuple[AgentEvent, ...]:
    """A plan, and the question whether its steps may run."""
    plan = plan or the_plan()
    cards = plan_cards(plan)
    asked = plan_cards(plan, frozenset(steps)) if steps else cards
    return (
        PlanReady(
            time=BEGIN + 30, node="n5", plan=plan.hash, name=plan.name, steps=cards,
            notes=("The test rows are never trained on.",), max_usd=plan.max_usd, max_seconds=plan.max_seconds,
        ),
        ApprovalRequested(time=BEGIN + 31, node="n6", request_id="q1", plan=plan, steps=asked, diff=diff),
        waits("approval", 32),
    )  # fmt: skip


def facts_of(plan: Plan, **states: str) -> ProjectFacts:
    """Return what a project knows whose plan stands so: a state a step, `waiting` for the others."""
    steps = tuple((step.id, step.kind, step.title, states.get(step.id, "waiting")) for step in plan.steps)
    numbers = {step.id: f"r{number}" for number, step in enumerate(plan.steps)}
    runs = tuple((step, numbers[step]) for step in states if step != "prepare_data")
    seconds = tuple((step, 62.0) for step, _run in runs)
    running = tuple(numbers[step] for step, state in states.items() if state == "running")
    return ProjectFacts("support-triage", PLAN, steps, seconds, runs, 0.0, plan.max_usd, running)
