"""Events of the engine change the state: pure functions, the same for live events and for those of the record.

Everything of others is escaped here, before it enters a view model.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from agent.events import (
    AgentEvent,
    ApprovalAnswered,
    ApprovalRequested,
    Notice,
    PlanReady,
    Question,
    RunProgress,
    SessionRefused,
    SessionStarted,
    Shown,
    SpecChanged,
    Text,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TurnFailed,
    TurnFinished,
)
from agent.narrator import Narrator
from agent.tui.state import AppState, find, put, words_said
from agent.tui.viewmodels.chat import Asked, ChatItem, Measured, Note, PlanShown, RunTold, Said, SpecEdit, ToolUse
from specs.events import Serving, Started, Warned
from tools.escape import one_line, visible
from tools.events import PlanFinished, StepFinished, StepProgress, StepStarted
from tools.wording import duration, money

_LONG = 100_000
_UNANSWERED = "What you said last was not answered; ↑ gives it back."
_TOOL_WORDS: Mapping[str, tuple[str, str]] = {
    "project_status": ("Look at the project", ""),
    "inspect_data": ("Read", "path"),
    "show_data": ("Read the prepared data", "name"),
    "show_spec": ("Read spec.yaml", ""),
    "create_spec": ("Write spec.yaml", ""),
    "update_spec": ("Edit spec.yaml", ""),
    "undo_spec": ("Take the last edit of spec.yaml back", ""),
    "make_plan": ("Plan", ""),
    "run_steps": ("Run the approved steps", ""),
    "show_results": ("Read the results", ""),
    "explain": ("Look up", "topic"),
    "stop_run": ("Stop", "run"),
    "play": ("Ask both models", "prompt"),
    "teardown": ("Stop servers", "name"),
}


def reduce(state: AppState, event: AgentEvent) -> AppState:
    """Return the state after an event."""
    match event:
        case TextDelta():
            return replace(state, live=state.live + visible(event.text, _LONG), activity="")
        case SessionStarted() | SessionRefused() | TurnFinished() | TurnFailed() | Notice():
            return _session(state, event)
        case ToolStarted() | ToolProgress() | ToolFinished():
            return _tool(state, event)
        case ApprovalRequested() | ApprovalAnswered():
            return _approval(state, event)
        case RunProgress():
            return _run(state, event)
        case Text() | Question():
            return _said(state, event)
        case SpecChanged() | PlanReady() | Shown():
            return _showed(state, event)


def restore(state: AppState, events: Iterable[AgentEvent], num_skipped: int = 0) -> AppState:
    """Return the state after the kept events of earlier sittings: nothing of them is at work any more."""
    for event in events:
        state = reduce(state, event)
    return replace(
        _at_rest(state), num_skipped=num_skipped, request=None, engine="starting", is_working=False, activity=""
    )


def _session(state: AppState, event: SessionStarted | SessionRefused | TurnFinished | TurnFailed | Notice) -> AppState:
    match event:
        case SessionStarted():
            return replace(state, engine="ready", brain=one_line(event.brain, 100), is_working=True, live="")
        case SessionRefused():
            hint = f"{_text(event.hint)} {_UNANSWERED if _is_unsent(state) else ''}".rstrip()
            refused = Note(_key("refused", event), event.time, "error", _text(event.message), hint)
            return put(replace(_at_rest(state, event.time), engine="gone", request=None), refused)
        case TurnFinished():
            request = state.request if event.waiting == "approval" else None
            return replace(_at_rest(state, event.time), request=request)
        case TurnFailed():
            failed = Note(_key("failed", event), event.time, "error", _text(event.message), _text(event.hint))
            return put(replace(_at_rest(state, event.time), request=None), failed)
        case Notice(again=True):
            return replace(state, activity=one_line(event.message, 200))
        case Notice():
            note = Note(
                _key("notice", event, event.message), event.time, "info", _text(event.message), _text(event.hint)
            )
            return put(state, note)


def _at_rest(state: AppState, time: float = 0.0) -> AppState:
    """Return the state when a turn has ended: what was left open is closed, what waited is sent."""
    items = tuple(_ended(item) for item in state.items) if any(map(_is_open, state.items)) else state.items
    rested = replace(state, items=items, is_working=False, is_running=False, activity="", live="")
    if state.live.strip():
        # the words of an answer that was cut off stay
        when = time or (items[-1].time if items else 0.0)
        rested = put(rested, Said(f"cut:{len(items)}", when, "agent", state.live))
    return rested


def _is_open(item: object) -> bool:
    return (
        (isinstance(item, Said) and not item.is_sent)
        or (isinstance(item, ToolUse) and item.state == "running")
        or (isinstance(item, RunTold) and item.is_running)
    )


def _is_unsent(state: AppState) -> bool:
    return any(isinstance(item, Said) and not item.is_sent for item in state.items)


def _ended(item: ChatItem) -> ChatItem:
    match item:
        case Said():
            return replace(item, is_sent=True)
        case ToolUse(state="running"):
            return replace(item, state="done")
        case RunTold():
            return replace(item, is_running=False)
        case _:
            return item


def _tool(state: AppState, event: ToolStarted | ToolProgress | ToolFinished) -> AppState:
    key = f"tool:{event.call}"
    before = find(state, key)
    used = before if isinstance(before, ToolUse) else ToolUse(key, event.time, "Work", "running")
    match event:
        case ToolStarted():
            words = _tool_words(event)
            return replace(put(state, ToolUse(key, event.time, words, "running")), activity=words)
        case ToolProgress():
            detail = one_line(event.message, 300)
            return replace(put(state, replace(used, detail=detail)), activity=detail)
        case ToolFinished():
            done = replace(
                used, state="done" if event.ok else "refused", seconds=event.seconds, detail=_text(event.message)
            )
            return replace(put(state, done), activity="")


def _tool_words(event: ToolStarted) -> str:
    words, argument = _TOOL_WORDS.get(event.tool, (one_line(event.tool, 40), ""))
    told = event.arguments.get(argument) if argument else None
    return f"{words} {one_line(str(told), 60)}" if told else words


def _approval(state: AppState, event: ApprovalRequested | ApprovalAnswered) -> AppState:
    if isinstance(event, ApprovalRequested):
        return replace(state, request=event, is_put_off=False, activity="")
    steps = f": {', '.join(event.steps)}" if event.steps else ""
    reason = f" Reason: {_text(event.reason)}" if event.reason else ""
    approved = event.decision == "approve"
    text = f"You approved{steps}." if approved else f"You declined{steps}.{reason}"
    note = Note(f"answer:{event.request_id}", event.time, "done" if approved else "info", text)
    return replace(put(state, note), request=None, is_put_off=False, is_working=True)


def _run(state: AppState, event: RunProgress) -> AppState:
    told = event.event
    if isinstance(told, StepStarted):
        state = replace(state, is_running=True, is_working=True, run=told.run or state.run, activity="")
    elif isinstance(told, StepFinished | PlanFinished):
        state = replace(state, is_running=False)
    if isinstance(told, StepProgress) and not isinstance(told.event, Warned | Serving | Started):
        return state
    key = f"run:{event.node or event.time}"
    before = find(state, key)
    # what was done in an earlier sitting was told then
    was_told = isinstance(told, StepFinished) and told.skipped and isinstance(before, RunTold)
    lines = () if was_told else tuple(Narrator().feed(told))
    kept = before.lines if isinstance(before, RunTold) else ()
    # an engine that took the work up again tells again what was told
    fresh = tuple(line for line in lines if line not in kept)
    if not fresh and isinstance(before, RunTold):
        return state
    time = before.time if isinstance(before, RunTold) else event.time
    return put(state, RunTold(key, time, (*kept, *fresh), is_running=not isinstance(told, PlanFinished)))


def _said(state: AppState, event: Text | Question) -> AppState:
    match event:
        case Text(role="user"):
            if event.again and state.items:
                return state
            words = words_said(state, _text(event.text))
            said = Said(f"said:{event.id or event.time}", event.time, "user", words)
            return replace(put(state, said), question=None)
        case Text():
            if event.again and state.items:
                return replace(state, live="")
            said = Said(f"text:{event.node or event.id or event.time}", event.time, "agent", _text(event.text))
            return replace(put(state, said), live="", activity="")
        case Question():
            return _asked(state, event)


def _asked(state: AppState, event: Question) -> AppState:
    asked = Asked(
        _key("question", event, event.text if not event.node else ""),
        event.time,
        _text(event.text),
        _text(event.why),
        None if event.default is None else one_line(event.default, 400),
        tuple(one_line(option, 200) for option in event.options),
        None if event.number is None else one_line(event.number, 20),
    )
    last = next((item for item in reversed(state.items) if isinstance(item, Asked)), None)
    if event.again and last is not None and last.text == asked.text:
        # an engine that was started again asks before it has read the answer that is on its way
        return replace(state, question=None if _is_answer_due(state) else last)
    return replace(put(state, asked), question=asked, activity="")


def _is_answer_due(state: AppState) -> bool:
    """Whether the person spoke last and nothing came back, not even a failure."""
    for item in reversed(state.items):
        if isinstance(item, Said):
            return item.by == "user"
        if isinstance(item, Asked) or (isinstance(item, Note) and item.level == "error"):
            return False
    return False


def _showed(state: AppState, event: SpecChanged | PlanReady | Shown) -> AppState:
    match event:
        case SpecChanged():
            items = tuple(
                replace(item, can_undo=False) if isinstance(item, SpecEdit) and item.can_undo else item
                for item in state.items
            )
            problems = tuple(_text(problem) for problem in event.problems)
            can_undo = event.by == "agent" and _had_text_before(event.diff)
            key = _key("spec", event, event.diff)
            edit = SpecEdit(key, event.time, event.by, visible(event.diff, _LONG), problems, can_undo)
            return put(replace(state, items=items), edit)
        case PlanReady():
            steps = tuple(
                (card.title, f"about {duration(card.estimate.seconds)}, {money(card.estimate.cost_usd)}")
                for card in event.steps
            )
            total = f"All together at most {money(event.max_usd)} and {duration(event.max_seconds)} of work."
            shown = PlanShown(_key("plan", event), event.time, one_line(event.name), steps, total, event.notes)
            return put(state, shown)
        case Shown():
            text = visible(event.text, _LONG)
            return put(state, Measured(_key("shown", event, event.text), event.time, event.what, text))


def _had_text_before(diff: str) -> bool:
    """Whether a diff changes a text; the first text of a file can only be removed, not taken back."""
    return any(line.startswith((" ", "-")) for line in diff.splitlines() if not line.startswith("--- "))


def _key(kind: str, event: AgentEvent, content: str = "") -> str:
    """Return a key that is the same when a piece of work is repeated after a kill."""
    mark = f":{zlib.crc32(content.encode('utf-8', 'replace')):x}" if content else ""
    return f"{kind}:{event.node or event.time}{mark}"


def _text(text: str) -> str:
    return visible(text, _LONG)
