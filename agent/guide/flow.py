"""The guide's way through an interview: what was heard leads to words, a question or a tool call."""

from agent.guide import answers, outcomes
from agent.guide.edits import Edit, negative_number
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
from agent.guide.interview import Interview, Stage, spec_fields
from agent.guide.phrases import CAN_DO, NOT_UNDERSTOOD, noted_edit
from agent.guide.questions import next_stage, question, twin_of
from agent.guide.reply import Reply, ask, call, remark
from tools.escape import one_line
from tools.steps import JsonDict

_FREE_TEXT = frozenset({"task", "example"})
_ASIDES = frozenset({"explain", "project_status", "show_spec", "show_results"})


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
        interview = interview.model_copy(update={"has_spec": True, "past": ()})
    return _with_lead(_heard(interview, text, plan), lead)


def told(interview: Interview, tool: str, data: JsonDict) -> Reply:
    """Return what follows from a tool's result; `data` holds `error` when it failed."""
    reply = _going_on(outcomes.follow(interview, tool, data))
    if interview.is_talked_over and not reply.tool and tool in _ASIDES:
        return outcomes.approval_again(reply)
    return reply


def without_repeating(reply: Reply) -> Reply:
    """Return what is said in place of a call that was made in this turn already."""
    if reply.tool == "ask_user":
        return outcomes.in_words(reply)
    said = f"I have just tried that ({reply.tool}) and know nothing new, so I stop here. {CAN_DO}"
    return Reply(reply.interview, f"{reply.text} {said}".strip())


def _heard(interview: Interview, text: str, plan: JsonDict) -> Reply:
    is_asking = bool(interview.question)
    if not interview.has_spec and read_command(text) != Simple("undo"):
        interview = interview.remembered()
    command = read_command(text)
    if not isinstance(command, Words):
        return _obey(interview, command, plan)
    is_free = is_asking and interview.stage in _FREE_TEXT
    if not is_free and (number := negative_number(text)):
        return _below_zero(interview, number)
    if is_asking:
        return _answer(interview, text, plan)
    return _obey(interview, read_intent(text), plan)


def _below_zero(interview: Interview, number: str) -> Reply:
    reply = remark(interview, f"{number} is below zero, and no value here can be; nothing was changed.")
    return outcomes.approval_again(reply) if interview.is_talked_over else _going_on(reply)


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
        case Change(edits, unread):
            return _change(interview, edits, unread)
        case Play() | StopRun() | Teardown():
            return _act(interview, intent)
        case Accept():
            return _simple(interview, "go_on")
        case Refuse():
            return remark(interview, f"Nothing was done. {CAN_DO}")
        case Words():
            return _not_understood(interview)


def _not_understood(interview: Interview) -> Reply:
    if interview.is_talked_over:
        return outcomes.approval_again(remark(interview, NOT_UNDERSTOOD))
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
            helped = _going_on(remark(interview, CAN_DO))
            return outcomes.approval_again(helped) if interview.is_talked_over else helped
        case "undo":
            return _undo(interview)
        case "start_over":
            return _start_over(interview)
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
    before = interview.taken_back()
    if before is None:
        return _going_on(remark(interview, "There is nothing to take back."))
    what = "change" if before.edits != interview.edits and before.answered == interview.answered else "answer"
    return _going_on(remark(before, f"I took your last {what} back."))


def _start_over(interview: Interview) -> Reply:
    """Begin the interview anew; a spec that was written stays."""
    if interview.has_spec:
        return remark(
            interview,
            "spec.yaml stays as it is: say what to change, take edits back with `undo`, or edit the file yourself. "
            "To be interviewed anew, move spec.yaml away and start in a new conversation.",
        )
    anew = Interview(files=interview.files, guessed=interview.guessed)
    return _going_on(remark(anew, "I forgot your answers; we begin again."))


def _why(interview: Interview, topic: str, plan: JsonDict) -> Reply:
    if not topic:
        if interview.question:
            return _going_on(remark(interview, str(interview.question.get("why", ""))))
        return remark(interview, "Ask about something, as in: why LoRA? or: why epochs?")
    topic = outcomes.setting_of(interview, plan, topic)
    reason = outcomes.planned_reason(plan, topic)
    return call(interview.model_copy(update={"after": reason}), "explain", {"topic": topic})


def _change(interview: Interview, edits: tuple[Edit, ...], unread: tuple[str, ...]) -> Reply:
    said = ", ".join(edit.said for edit in edits)
    missed = f" I did not understand: {one_line('; '.join(unread), 200)}." if unread else ""
    known = {str(old["path"]): old for old in interview.edits}
    known |= {edit.path: {"path": edit.path, "value": edit.value, "said": edit.said} for edit in edits}
    noted = interview.model_copy(update={"edits": tuple(known.values())})
    if interview.has_spec:
        changes = [{"path": edit.path, "op": "set", "value": edit.value} for edit in edits]
        after = next((str(edit.value) for edit in edits if edit.path == "model.base"), "")
        updated = noted.model_copy(update={"after": after})
        return call(updated, "update_spec", {"changes": changes}, f"I change: {said}.{missed}")
    return _going_on(remark(noted, f"Noted: {said}.{missed}"))


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
    if interview.train is None:
        asked = interview.model_copy(update={"stage": "data", "answered": _without_data(interview)})
        return ask(asked, reply.text, question(asked, "data"))
    finished = interview.model_copy(update={"past": ()})
    return call(finished, "create_spec", {"fields": spec_fields(interview)}, reply.text)


def _without_data(interview: Interview) -> tuple[Stage, ...]:
    return tuple(stage for stage in interview.answered if stage not in ("data", "columns"))


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
