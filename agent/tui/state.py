"""What the interface knows, as one frozen value. Changed by `reduce` alone; drawn by the screen. No Textual here."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from agent.tui.viewmodels.chat import Asked, ChatItem, Note, Said
from agent.tui.viewmodels.frame import Mode

if TYPE_CHECKING:
    from agent.events import ApprovalRequested

EngineState: TypeAlias = Literal["starting", "ready", "gone"]
SpecState: TypeAlias = Literal["none", "saved", "unsaved", "invalid", "conflict"]
ApprovalMode: TypeAlias = Literal["ask", "paid", "plan"]
"""Ask before each step; ask before paid steps only; approve nothing, plan only."""

_REACH = 400
"""How far back an item told again is looked for: pieces of one turn stand close together."""


@dataclass(frozen=True)
class ProjectFacts:
    """What ledger and run directories say, read from disk."""

    spec_name: str = ""
    plan: str = ""
    """Hash of the latest plan, empty when there is none."""
    steps: tuple[tuple[str, str, str, str], ...] = ()
    """Id, kind, title and state of each step of that plan."""
    seconds: tuple[tuple[str, float], ...] = ()
    """Seconds of work by step id, of steps that have a run."""
    runs: tuple[tuple[str, str], ...] = ()
    """Run id by step id of that plan."""
    spent_usd: float | None = None
    budget_usd: float | None = None
    running: tuple[str, ...] = ()
    """Ids of runs at work, servers left out."""
    serving: tuple[str, ...] = ()
    """Ids of runs that serve a model."""
    has_votes: bool = False
    """Whether the person voted in the playground."""
    is_planned: bool = True
    """Whether the latest plan was made from the spec as it is now."""


@dataclass(frozen=True)
class AppState:
    """The whole state."""

    engine: EngineState = "starting"
    brain: str = ""
    is_working: bool = False
    """Whether the agent's turn goes on."""
    items: tuple[ChatItem, ...] = ()
    live: str = ""
    """The answer being written."""
    question: Asked | None = None
    request: "ApprovalRequested | None" = None
    is_put_off: bool = False
    """Whether the open approval was folded away, to be decided later."""
    run: str | None = None
    """The run that is being watched, or was last."""
    is_running: bool = False
    activity: str = ""
    num_skipped: int = 0
    """Lines of the conversation's record that could not be read."""
    spec_state: SpecState = "none"
    approval_mode: ApprovalMode = "ask"
    facts: ProjectFacts = field(default_factory=ProjectFacts)

    @property
    def can_go_on(self) -> bool:
        """Whether an empty message means to go on: the guide says so while something is left to plan or to run."""
        facts = self.facts
        # a server that ended is started again when it is asked for, not by an Enter
        is_left = any(state not in ("succeeded", "ended") for _id, _kind, _title, state in facts.steps)
        is_open = is_left or not facts.steps or not facts.is_planned
        return self.brain.startswith("guide") and self.mode == "YOU" and self.spec_state == "saved" and is_open

    @property
    def mode(self) -> Mode:
        """Whose move it is."""
        if self.engine != "ready":
            return "OFF"
        if self.request is not None:
            return "ASK"
        if self.is_working:
            return "RUN" if self.is_running else "AGENT"
        return "YOU"


def put(state: AppState, item: ChatItem) -> AppState:
    """Return the state with the item added, or in the place of the one with its key."""
    for index in range(len(state.items) - 1, max(-1, len(state.items) - _REACH - 1), -1):
        if state.items[index].key == item.key:
            return replace(state, items=(*state.items[:index], item, *state.items[index + 1 :]))
    return replace(state, items=(*state.items, item))


def find(state: AppState, key: str) -> ChatItem | None:
    """Return the item of that key, None when there is none."""
    return next((item for item in reversed(state.items[-_REACH:]) if item.key == key), None)


def words_said(state: AppState, text: str) -> str:
    """Return what the person's message shows: an empty one took the default of the open question."""
    default = state.question.default if state.question is not None else None
    return text if text.strip() else f"(Enter: {default})" if default else "(Enter)"


def spoke(state: AppState, message_id: str, text: str, time: float) -> AppState:
    """Return the state after the person sent a message; it answers the open question."""
    is_sent = state.engine == "ready" and not state.is_working
    said = Said(f"said:{message_id}", time, "user", words_said(state, text), is_sent)
    return replace(put(state, said), question=None, is_working=state.is_working or is_sent)


def noted(state: AppState, note: Note) -> AppState:
    """Return the state with a line of the interface's own."""
    return put(state, note)
