"""The lines around the body, made from the state: header, stages, status. Pure."""

from collections.abc import Mapping, Sequence

from agent.tui.state import ApprovalMode, AppState, ProjectFacts
from agent.tui.viewmodels.frame import HeaderView, StageName, StageState, StageView, StatusView
from tools.escape import one_line
from tools.wording import duration

STAGES: tuple[tuple[StageName, str], ...] = (
    ("interview", "Interview"),
    ("data", "Data"),
    ("train", "Train"),
    ("eval", "Eval"),
    ("deploy", "Deploy"),
    ("play", "Play"),
)
_STAGE_OF_KIND: Mapping[str, StageName] = {
    "prepare_data": "data",
    "synthesize": "data",
    "train": "train",
    "baseline": "eval",
    "evaluate": "eval",
    "deploy": "deploy",
}
_LONGEST_NAME = 60
_SPEC_WORDS = {
    "none": "no spec yet",
    "saved": "spec valid",
    "unsaved": "spec unsaved",
    "invalid": "spec invalid",
    "conflict": "spec: two edits",
}

_RULES: Mapping[ApprovalMode, str] = {"ask": "", "paid": "asks for paid steps only", "plan": "plan only"}


def header_view(state: AppState, project: str, session: str, machine: str) -> HeaderView:
    """Return the first line."""
    name = one_line(state.facts.spec_name or project, _LONGEST_NAME)
    return HeaderView(name, one_line(session, _LONGEST_NAME), machine, _SPEC_WORDS[state.spec_state])


def status_view(state: AppState) -> StatusView:
    """Return the status line."""
    return StatusView(
        mode=state.mode,
        brain=state.brain,
        spent_usd=state.facts.spent_usd,
        budget_usd=state.facts.budget_usd,
        num_jobs=len(state.facts.running),
        num_waiting=1 if state.request is not None and state.is_put_off else 0,
        spec_state=state.spec_state,
        num_serving=len(state.facts.serving),
        rule=_RULES[state.approval_mode],
        activity=state.activity or _resting(state),
    )


def stage_views(state: AppState) -> tuple[StageView, ...]:
    """Return the six stages of the rail."""
    waiting = _waiting_steps(state)
    return tuple(
        StageView(number, name, title, *_stage(name, state, waiting))
        for number, (name, title) in enumerate(STAGES, start=1)
    )


def _resting(state: AppState) -> str:
    if state.engine == "starting":
        return "starting the engine"
    return "" if state.engine == "ready" else "no engine"


def _waiting_steps(state: AppState) -> frozenset[str]:
    if state.request is None:
        return frozenset()
    first = next((card.id for card in state.request.steps if card.needs_approval), "")
    return frozenset({first})


def _stage(name: StageName, state: AppState, waiting: frozenset[str]) -> tuple[StageState, str]:
    facts = state.facts
    if name == "interview":
        if facts.plan:
            return "done", "The spec is written and planned."
        return "running", "Questions, then the spec." if state.spec_state == "none" else "The spec is written."
    if name == "play":
        if facts.has_votes:
            return "done", "You compared answers and voted."
        return "todo", "A server answers: both models can be asked." if facts.serving else "Needs a deployed model."
    steps = [step for step in facts.steps if _STAGE_OF_KIND.get(step[1]) == name]
    if not steps:
        return "todo", "Not in a plan yet." if not facts.plan else "Not in this plan."
    return _stage_state([step[3] for step in steps], {step[0] for step in steps} & waiting), _detail(steps, facts)


def _stage_state(states: Sequence[str], waiting: set[str]) -> StageState:
    if "running" in states:
        return "running"
    if waiting:
        return "waiting"
    if "failed" in states:
        return "failed"
    return "done" if all(state == "succeeded" for state in states) else "todo"


def _detail(steps: Sequence[tuple[str, str, str, str]], facts: ProjectFacts) -> str:
    seconds = dict(facts.seconds)
    runs = dict(facts.runs)
    told: list[str] = []
    for step, _kind, title, state in steps:
        took = f", {duration(seconds[step])}" if step in seconds else ""
        run = f" ({runs[step]})" if step in runs else ""
        told.append(f"{title}: {state.replace('_', ' ')}{took}{run}")
    return "\n".join(told)
