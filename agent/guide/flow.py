"""The guide's way through an interview: what was heard leads to words, a question or a tool call."""

from agent.guide import answers, outcomes
from agent.guide.edits import Edit
from agent.guide.intents import (
    Accept,
    Change,
    Intent,
    Play,
    Refuse,
    Simple,
    StopRun,
    Teardown,
    Why,
    Words,
    read_command,
    read_intent,
)
from agent.guide.interview import Interview, spec_fields
from agent.guide.phrases import CAN_DO, NOT_UNDERSTOOD, noted_edit
from agent.guide.questions import next_stage, question, twin_of
from agent.guide.reply import Reply, ask, call, remark
from tools.steps import JsonDict

_FREE_TEXT = frozenset({"task", "example"})


def opening(interview: Interview) -> Reply:
    """Return the first step in a thread: see what is there."""
    return call(interview, "project_status")


def heard(interview: Interview, text: str, notes: list[str], plan: JsonDict) -> Reply:
    """Return what follows from words of the person.

    Args:
        interview: what is known.
        text: the words.
        notes: what Tailor saw beside them, edits of the spec by hand for one.
        plan: the last make_plan result, empty when there is none.
    """
    lead = "\n".join(noted_edit(note) for note in notes)
    if lead:
        interview = interview.model_copy(update={"has_spec": True})
    return _with_lead(_heard(interview, text, plan), lead)


def told(interview: Interview, tool: str, data: JsonDict) -> Reply:
    """Return what follows from a tool's result; `data` holds `error` when it failed."""
    return _going_on(outcomes.follow(interview, tool, data))


def _heard(interview: Interview, text: str, plan: JsonDict) -> Reply:
    is_asking = bool(interview.question)
    command = read_command(text)
    if not isinstance(command, Words):
        return _obey(interview, command, plan)
    if is_asking:
        return _answer(interview, text, plan)
    return _obey(interview, read_intent(text), plan)


def _answer(interview: Interview, text: str, plan: JsonDict) -> Reply:
    """Take words as the answer to the open question; edits of other values count at any time."""
    if interview.stage not in _FREE_TEXT:
        intent = read_intent(text)
        if isinstance(intent, Play):
            return _obey(interview, intent, plan)
        if isinstance(intent, Change) and not _belongs_here(interview, intent):
            return _obey(interview, intent, plan)
    return _going_on(answers.understand(interview, text))


def _belongs_here(interview: Interview, change: Change) -> bool:
    """Whether an edit is just what the open question asks for."""
    asked = {
        "test": ("data.test",),
        "score": ("evaluation.checks.0.threshold", "evaluation.checks.0.scorer"),
        "model": ("model.base", "budget.hours"),
    }
    return all(edit.path in asked.get(interview.stage, ()) for edit in change.edits)


def _obey(interview: Interview, intent: Intent, plan: JsonDict) -> Reply:
    match intent:
        case Simple(name):
            return _simple(interview, name)
        case Why(topic):
            return _why(interview, topic, plan)
        case Change(edits):
            return _change(interview, edits)
        case Play() | StopRun() | Teardown():
            return _act(interview, intent)
        case Accept():
            return _simple(interview, "go_on")
        case Refuse():
            return remark(interview, f"Nothing was done. {CAN_DO}")
        case Words():
            return remark(interview, f"{NOT_UNDERSTOOD} {CAN_DO}")


def _act(interview: Interview, intent: Play | StopRun | Teardown) -> Reply:
    match intent:
        case Play(prompt):
            return call(interview, "play", {"prompt": prompt})
        case StopRun(run):
            if run:
                return call(interview, "stop_run", {"run": run})
            return call(interview.model_copy(update={"after": "stop"}), "project_status")
        case Teardown(name):
            return call(interview, "teardown", {"name": name or None})


def _simple(interview: Interview, name: str) -> Reply:
    match name:
        case "help":
            return _going_on(remark(interview, CAN_DO))
        case "undo":
            return _undo(interview)
        case "status":
            return call(interview.model_copy(update={"after": "tell"}), "project_status")
        case "results":
            return call(interview, "show_results")
        case "show_spec":
            return call(interview, "show_spec")
        case _ if interview.question:
            return _going_on(answers.understand(interview, ""))
        case _:
            return call(interview, "make_plan") if interview.has_spec else _going_on(remark(interview))


def _undo(interview: Interview) -> Reply:
    """Take the last answer back while interviewing, the last edit of the spec after it."""
    if interview.has_spec:
        return call(interview, "undo_spec")
    if not interview.answered:
        return _going_on(remark(interview, "There is nothing to undo yet."))
    last = interview.answered[-1]
    forgotten: dict[str, JsonDict] = {
        "task": {"task": "", "train": None, "test_path": "", "edits": ()},
        "data": {"train": None, "test": None, "test_path": ""},
        "columns": {"train": None},
        "test": {"test": None, "fraction": None, "test_path": ""},
        "example": {"wrong": ""},
    }
    changes: JsonDict = {"answered": interview.answered[:-1], "question": {}, **forgotten.get(last, {})}
    return _going_on(remark(interview.model_copy(update=changes), "I took your last answer back."))


def _why(interview: Interview, topic: str, plan: JsonDict) -> Reply:
    if not topic:
        if interview.question:
            return _going_on(remark(interview, str(interview.question.get("why", ""))))
        return remark(interview, "Ask about something, as in: why LoRA? or: why epochs?")
    reason = outcomes.planned_reason(plan, topic)
    return call(interview.model_copy(update={"after": reason}), "explain", {"topic": topic})


def _change(interview: Interview, edits: tuple[Edit, ...]) -> Reply:
    said = ", ".join(edit.said for edit in edits)
    if interview.has_spec:
        changes = [{"path": edit.path, "op": "set", "value": edit.value} for edit in edits]
        after = next((str(edit.value) for edit in edits if edit.path == "model.base"), "")
        updated = interview.model_copy(update={"after": after})
        return call(updated, "update_spec", {"changes": changes}, f"I change: {said}.")
    known = {str(old["path"]): old for old in interview.edits}
    known |= {edit.path: {"path": edit.path, "value": edit.value, "said": edit.said} for edit in edits}
    return _going_on(remark(interview.model_copy(update={"edits": tuple(known.values())}), f"Noted: {said}."))


def _going_on(reply: Reply) -> Reply:
    """Add what comes next to a remark: a look at a file, the next question, or the spec."""
    interview = reply.interview
    if reply.tool or (interview.has_spec and interview.stage in ("review", "done")):
        return reply
    if interview.stage == "licence" and not interview.question:
        return Reply(interview.model_copy(update={"stage": "review"}), reply.text)
    if interview.question and interview.stage not in interview.answered:
        return ask(interview, reply.text, interview.question)
    if look := _look(interview, reply.text):
        return look
    stage = next_stage(interview)
    if stage is not None:
        asked = interview.model_copy(update={"stage": stage})
        return ask(asked, reply.text, question(asked, stage))
    return call(interview, "create_spec", {"fields": spec_fields(interview)}, reply.text)


def _look(interview: Interview, lead: str) -> Reply | None:
    """Return the look at a test file that was named, or that the training file's name suggests."""
    train = interview.train
    if train is None or next_stage(interview) != "test":
        return None
    if interview.test_path:
        return answers.look_at_test(interview, interview.test_path, lead)
    twin = twin_of(train.path)
    if twin and twin not in interview.files and not interview.guessed:
        guess = interview.model_copy(update={"inspecting": "guess", "guessed": True})
        return call(guess, "inspect_data", {"path": twin}, lead)
    return None


def _with_lead(reply: Reply, lead: str) -> Reply:
    text = f"{lead}\n{reply.text}".strip() if lead else reply.text
    return Reply(reply.interview, text, reply.tool, reply.arguments)
