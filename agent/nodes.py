"""The steps of a turn: listen, speak, use tools, ask for approval, carry out.

A node may be killed and repeated at any point. What it does outside the state is therefore repeatable (reads,
journalled edits of the spec, runs guarded by the ledger), and nothing at all comes before an interrupt.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    HumanMessage,
    ToolCall,
    ToolMessage,
    message_chunk_to_message,
)
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent import spec_watch
from agent.cards import plan_ready, spec_diff
from agent.consent import LICENCE_REFUSED, accept_licence, claims_licence, consent_notice, heard_licence
from agent.context import AgentContext, TrainingPointless, WatchingStopped, emit
from agent.events import (
    ApprovalAnswered,
    Notice,
    Question,
    RunProgress,
    Shown,
    SpecChanged,
    Text,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from agent.memory import notes_of, prompt_messages, surplus
from agent.reach import is_inside, is_named, stray_file
from agent.result_text import answers_text, results_text
from agent.state import MAX_QUESTIONS, NOTES, ApprovalAnswer, ApprovalRequest, ConversationState, LicenseWords
from agent.toolset import ASK, AskArgs, Outcome, effect_class, encode, failure, shorten
from agent.watching import RunWatch, verdict_text
from specs.errors import TailorError
from tools.escape import visible
from tools.events import ExecutorEvent, StepFinished
from tools.steps import JsonDict

Updates = dict[str, Any]
_WIDTH = 76
_STOPPED = "The user ended the turn before this was done."


def listen(state: ConversationState, runtime: Runtime[AgentContext]) -> Updates:
    """Take the user's message in: edits made by hand, words about a licence, room for new messages."""
    context = runtime.context
    context.control.check_leaving()
    messages = state.get("messages", [])
    sighting = spec_watch.look(context.door.layout, state)
    if sighting.event is not None:
        emit(runtime, sighting.event)
    updates: Updates = {"goes_on": True, "question": {}, **sighting.updates}
    changed: list[Any] = list(surplus(messages))
    if messages and isinstance(messages[-1], HumanMessage):
        last = messages[-1]
        words = heard_licence(state, last.text)
        updates["licence"] = words.model_dump()
        if words.accepted != LicenseWords.model_validate(state.get("licence", {})).accepted:
            updates |= _licence_written(words, runtime)
        if sighting.note:
            noted = {**last.additional_kwargs, NOTES: [*notes_of(last), sighting.note]}
            changed.append(HumanMessage(last.text, id=last.id, additional_kwargs=noted))
    return updates | ({"messages": changed} if changed else {})


def speak(state: ConversationState, runtime: Runtime[AgentContext]) -> Updates:
    """Let the brain answer, passing its words on as they come."""
    context = runtime.context
    messages = state.get("messages", []) if context.brain.is_guide else prompt_messages(state)
    bound = context.brain.model.bind_tools(context.toolset.schemas())
    total: AIMessageChunk | None = None
    try:
        for chunk in bound.stream(messages):
            context.control.check_leaving()
            piece = cast("AIMessageChunk", chunk)
            if text := piece.text:
                emit(runtime, TextDelta(text=text))
            total = piece if total is None else total + piece
            if context.control.stopped:
                break
    except TailorError:
        raise
    except Exception as error:
        translated = context.brain.explain(error)
        if translated is error:
            raise
        raise translated from error
    return _spoken(total, runtime)


def use_tools(state: ConversationState, runtime: Runtime[AgentContext]) -> Updates:
    """Make the calls that need no approval, and prepare the one that does."""
    messages = state.get("messages", [])
    speaker = messages[-1]
    calls = speaker.tool_calls if isinstance(speaker, AIMessage) else []
    updates: Updates = {"request": {}, "goes_on": True}
    answers: list[AnyMessage] = []
    for call in calls:
        view = cast("ConversationState", {**state, **updates})
        runtime.context.control.check_leaving()
        if runtime.context.control.stopped:
            outcome, more = failure(_STOPPED), {"goes_on": False}
        else:
            outcome, more = _one_call(call, view, runtime)
        updates |= more
        if outcome is not None:
            answers.append(ToolMessage(outcome.content, tool_call_id=call["id"] or "", name=call["name"]))
    return {**updates, "messages": answers}


def approve(state: ConversationState, runtime: Runtime[AgentContext]) -> Updates:
    """Wait for the person. What they answer decides the way; whether grants hold is decided at the launch."""
    request = ApprovalRequest.model_validate(state.get("request", {}))
    asked = {"request_id": request.id, "plan": request.plan, "steps": request.steps, "reasons": list(request.reasons)}
    answer = interrupt(asked, response_schema=ApprovalAnswer)
    if answer.request_id != request.id:
        done = under_way(runtime.context, request.plan)
        left = {step: digest for step, digest in request.steps.items() if step not in done}
        return {"request": {**request.model_dump(), "id": _new_id(), "steps": left}}
    return _answered(request, answer, runtime)


def carry_out(state: ConversationState, runtime: Runtime[AgentContext]) -> Updates:
    """Run the approved call and tell what happens."""
    context = runtime.context
    request = ApprovalRequest.model_validate(state.get("request", {}))
    grants = state.get("grants", {})
    watch = RunWatch(lambda event: _forward(event, runtime), context.control)
    call = ToolCall(name=request.tool, args=request.arguments, id=request.call)
    started = time.monotonic()
    emit(runtime, ToolStarted(call=request.call, tool=request.tool, arguments=shorten(request.arguments)))
    try:
        outcome = context.toolset.call(request.tool, request.arguments, grants, watch)
    except WatchingStopped:
        outcome = Outcome(encode(watch.left_running()), ok=False, message="You stopped watching; the job goes on.")
        _finished(call, outcome, started, runtime)
        return _done(request, outcome, {"plan_state": "running", "goes_on": False})
    except TrainingPointless:
        outcome = Outcome(encode(watch.paused()), ok=True)
        _finished(call, outcome, started, runtime)
        return _done(request, outcome, {"plan_state": "waiting", "goes_on": True})
    _finished(call, outcome, started, runtime)
    if (again := watch.refused_grants(grants)) or watch.waits_beyond(grants):
        anew = {**request.model_dump(), "id": _new_id(), "reasons": tuple(again.values())}
        anew["steps"] = {step: digest for step, digest in request.steps.items() if step not in watch.succeeded}
        return {"request": anew, "grants": {}, "plan_state": "waiting", "goes_on": True}
    result = Outcome(encode(watch.summary()), ok=True) if outcome.ok and watch.finished else outcome
    return _done(request, result, {"plan_state": watch.state or state.get("plan_state", "planned"), "goes_on": True})


def after_speaking(state: ConversationState) -> str:
    """Return the next node after the brain."""
    messages = state.get("messages", [])
    last = messages[-1] if messages else None
    return "use_tools" if isinstance(last, AIMessage) and last.tool_calls else "end"


def after_tools(state: ConversationState) -> str:
    """Return the next node after tool calls."""
    request = state.get("request", {})
    if request:
        return "approve" if request.get("steps") else "carry_out"
    return "speak" if state.get("goes_on", True) else "end"


def after_approval(state: ConversationState) -> str:
    """Return the next node after an answer: carry out, ask again, or talk."""
    if request := state.get("request", {}):
        # a request that asks for nothing any more: every step was done elsewhere meanwhile
        return "carry_out" if state.get("grants", {}) or not request.get("steps") else "approve"
    messages = state.get("messages", [])
    return "listen" if messages and isinstance(messages[-1], HumanMessage) else "speak"


def after_carrying_out(state: ConversationState) -> str:
    """Return the next node after a run."""
    if state.get("request", {}):
        return "approve"
    return "speak" if state.get("goes_on", True) else "end"


def _spoken(total: AIMessageChunk | None, runtime: Runtime[AgentContext]) -> Updates:
    control = runtime.context.control
    is_silent = total is None or not (total.text or total.tool_calls)
    if total is None or (is_silent and not runtime.context.brain.is_guide and not control.stopped):
        raise TailorError("The model answered nothing.", "Say it again, or choose another brain with --brain.")
    message = cast("AIMessage", message_chunk_to_message(total))
    if control.stopped:
        message = AIMessage(message.text or "(stopped)", id=message.id)
    if message.text:
        emit(runtime, Text(role="assistant", text=visible(message.text, 20_000), id=message.id or ""))
    return {"messages": [message]}


def _one_call(
    call: ToolCall, state: ConversationState, runtime: Runtime[AgentContext]
) -> tuple[Outcome | None, Updates]:
    """Return a call's outcome, None while it waits for approval, and what it changes in the state."""
    context = runtime.context
    if call["name"] == ASK:
        return _ask(call, state, runtime)
    effect = context.toolset.effect(call["name"])
    if effect is not None and effect_class(effect) == "approval":
        return _prepare(call, state, runtime)
    started = time.monotonic()
    emit(runtime, ToolStarted(call=call["id"] or "", tool=call["name"], arguments=shorten(call["args"])))
    if (refused := _out_of_reach(call, state, context)) is not None:
        outcome, updates = refused, {}
    elif effect == "write":
        outcome, updates = _write(call, state, runtime)
    else:
        outcome, updates = context.toolset.call(call["name"], call["args"]), {}
    _finished(call, outcome, started, runtime)
    if outcome.ok and outcome.data is not None:
        _shown(call, outcome.data, runtime)
    if call["name"] == "make_plan" and outcome.ok and outcome.data is not None:
        plan = context.door.known_plan(str(outcome.data["plan"]))
        emit(runtime, plan_ready(plan))
        asked: list[str] = []
        updates = {**updates, "plan": plan.hash, "plan_state": "planned", "asked": asked}
    return outcome, updates


def _out_of_reach(call: ToolCall, state: ConversationState, context: AgentContext) -> Outcome | None:
    """Refuse a model a file outside the project that no words of the person name; the guide's own code may look."""
    if context.brain.is_guide:
        return None
    root, said = context.door.layout.root, state.get("messages", [])
    if call["name"] == "inspect_data":
        named = str(call["args"].get("path", ""))
        path = None if is_inside(root, named) or is_named(named, said) else named
    else:
        # a file in the spec is read by the next plan
        path = stray_file(root, call["args"], said) if call["name"] in ("create_spec", "update_spec") else None
    if path is None:
        return None
    return failure(
        f"{visible(path)} lies outside the project and the user has not named it.", "Ask the user which file is meant."
    )


def _ask(call: ToolCall, state: ConversationState, runtime: Runtime[AgentContext]) -> tuple[Outcome, Updates]:
    if state.get("question"):
        return failure("One question at a time: another is open."), {}
    try:
        args = AskArgs.model_validate(call["args"])
    except ValueError as error:
        return failure(f"The question cannot be asked: {visible(str(error))}"), {}
    asked = state.get("asked", [])
    # another brain could ask on for ever under one topic
    topic = (args.topic if runtime.context.brain.is_guide else "") or args.text
    again = topic in asked
    if not again and len(asked) >= MAX_QUESTIONS and args.licence_of is None:
        return failure(f"{MAX_QUESTIONS} questions were asked already.", "Take defaults for the rest and go on."), {}
    asked = asked if again else [*asked, topic]
    place = asked.index(topic) + 1
    question = Question(
        text=visible(args.text, 1000) + consent_notice(args.licence_of),
        why=visible(args.why),
        default=None if args.default is None else visible(args.default),
        options=tuple(visible(option) for option in args.options),
        number=f"{place} of {MAX_QUESTIONS}" if place <= MAX_QUESTIONS else None,
    )
    emit(runtime, question)
    licence = LicenseWords.model_validate(state.get("licence", {}))
    return Outcome(encode({"asked": True, "note": "The next message of the user is the answer."}), ok=True), {
        "asked": asked,
        "question": question.model_dump(mode="json"),
        "licence": licence.model_copy(update={"asked": args.licence_of}).model_dump(),
        "goes_on": False,
    }


def _write(call: ToolCall, state: ConversationState, runtime: Runtime[AgentContext]) -> tuple[Outcome, Updates]:
    """Make an edit once, even when this node is repeated after a kill."""
    context = runtime.context
    layout = context.door.layout
    if claims_licence(call["name"], call["args"]):
        return LICENCE_REFUSED, {}
    sighting = spec_watch.look(layout, state)
    if sighting.event is not None:
        emit(runtime, sighting.event)
    text = layout.spec_path.read_text(encoding="utf-8-sig", errors="replace") if layout.spec_path.exists() else ""
    key = call["id"] or _new_id()
    record = context.journal.begin(key, text)
    if record is not None and record["content"] is not None:
        return Outcome(str(record["content"]), ok=True), _seen(layout, state)
    if record is not None and record["before"] != text:
        outcome = Outcome(encode({"diff": spec_diff(str(record["before"]), text)}), ok=True)
    else:
        outcome = context.toolset.call(call["name"], call["args"])
    if outcome.ok and call["name"] == "create_spec":
        # before the edit counts as made: what was made is not done again after a kill
        accept_licence(context.door, LicenseWords.model_validate(state.get("licence", {})))
    context.journal.finish(key, outcome.content)
    updates: Updates = {**sighting.updates, **_seen(layout, state)}
    if outcome.ok and (now := str(updates.get("spec_text", text))) != text:
        emit(runtime, SpecChanged(by="agent", diff=spec_diff(text, now)))
    return outcome, updates


def _seen(layout: Any, state: ConversationState) -> Updates:
    try:
        loaded = spec_watch.current_spec(layout)
    except TailorError:
        return {}
    text = loaded.text if loaded is not None else ""
    return {"spec_text": text, "broken_spec": ""} if text != state.get("spec_text", "") else {}


def _licence_written(words: LicenseWords, runtime: Runtime[AgentContext]) -> Updates:
    """Write what the person said about the licence into the spec; nothing else ever does."""
    diff = accept_licence(runtime.context.door, words)
    if not diff:
        return {}
    emit(runtime, SpecChanged(by="agent", diff=visible(diff, 20_000)))
    loaded = spec_watch.current_spec(runtime.context.door.layout)
    return {"spec_text": loaded.text} if loaded is not None else {}


def _prepare(
    call: ToolCall, state: ConversationState, runtime: Runtime[AgentContext]
) -> tuple[Outcome | None, Updates]:
    """Make the request for a person, or refuse what cannot be asked."""
    door = runtime.context.door
    if state.get("request"):
        return failure("One approval at a time: another is being asked for."), {}
    try:
        plan = door.known_plan(str(call["args"].get("plan", "")))
        refused = spec_watch.refusal(door.layout, plan.spec_hash)
    except TailorError as error:
        refused = error
        plan = None
    if plan is None or refused is not None:
        return failure(refused.message if refused else "There is no plan.", refused.hint if refused else ""), {}
    wanted = call["args"].get("steps", "all")
    done = under_way(runtime.context, plan.hash)
    known = [step.id for step in plan.steps]
    chosen = known if wanted == "all" else list(cast("Sequence[str]", wanted))
    if unknown := [step for step in chosen if step not in known]:
        return failure(f"The plan has no step {visible(str(unknown[0]))!r}.", f"Its steps: {', '.join(known)}."), {}
    steps = {step.id: step.digest(plan.hash) for step in plan.steps if step.id in chosen and step.id not in done}
    request = ApprovalRequest(
        id=_new_id(), call=call["id"] or "", tool=call["name"], arguments=call["args"], plan=plan.hash, steps=steps
    )
    return None, {"request": request.model_dump(), "grants": {}, "plan": plan.hash}


def under_way(context: AgentContext, plan_hash: str) -> frozenset[str]:
    """Return the steps that have succeeded or whose job runs: they need no approval to be skipped or taken up."""
    outcome = context.toolset.call("project_status", {})
    plan = cast("Mapping[str, Any]", (outcome.data or {}).get("plan") or {})
    nothing: Mapping[str, str] = {}
    states = cast("Mapping[str, str]", plan.get("steps", nothing)) if plan.get("hash") == plan_hash else nothing
    return frozenset(step for step, state in states.items() if state in ("succeeded", "running"))


def _answered(request: ApprovalRequest, answer: ApprovalAnswer, runtime: Runtime[AgentContext]) -> Updates:
    door = runtime.context.door
    if answer.decision == "talk":
        refused = failure("Not approved yet: the user wrote something else.")
        spoken = HumanMessage(answer.reason, id=answer.message_id or _new_id())
        return _done(request, refused, {"goes_on": True}, spoken)
    steps = tuple(answer.grants) if answer.decision == "approve" else ()
    emit(
        runtime,
        ApprovalAnswered(
            request_id=request.id,
            decision=answer.decision,
            steps=steps,
            reason=visible(answer.reason),
            digests={step: digest for step, digest in request.steps.items() if step in answer.grants},
            keys=visible(answer.keys, 100),
        ),
    )
    if answer.decision == "deny" or not answer.grants:
        said = f" They said: {answer.reason}" if answer.reason else ""
        return _done(request, failure(f"The user did not approve.{said}"), {"goes_on": True})
    if stale := spec_watch.refusal(door.layout, door.known_plan(request.plan).spec_hash):
        return _done(request, failure(stale.message, stale.hint), {"goes_on": True})
    return {"grants": answer.grants, "goes_on": True}


def _done(request: ApprovalRequest, outcome: Outcome, updates: Updates, *more: AnyMessage) -> Updates:
    answer = ToolMessage(outcome.content, tool_call_id=request.call, name=request.tool)
    messages: JsonDict = {"messages": [answer, *more]}
    return {"request": {}, "grants": {}, **updates, **messages}


def _forward(event: ExecutorEvent, runtime: Runtime[AgentContext]) -> None:
    emit(runtime, RunProgress(event=event))
    if isinstance(event, StepFinished) and (text := verdict_text(event)):
        emit(runtime, Notice(message=visible(text, 2_000)))


def _shown(call: ToolCall, data: JsonDict, runtime: Runtime[AgentContext]) -> None:
    """Show measured figures and answers as code words them, so that no brain has to repeat a number."""
    match call["name"]:
        case "show_results":
            emit(runtime, Shown(what="results", text=results_text(data, _WIDTH), data=data))
        case "play":
            emit(
                runtime, Shown(what="answers", text=answers_text(str(call["args"].get("prompt", "")), data), data=data)
            )
        case _:
            pass


def _finished(call: ToolCall, outcome: Outcome, started: float, runtime: Runtime[AgentContext]) -> None:
    seconds = round(time.monotonic() - started, 3)
    event = ToolFinished(
        call=call["id"] or "", tool=call["name"], ok=outcome.ok, message=visible(outcome.message), seconds=seconds
    )
    emit(runtime, event)


def _new_id() -> str:
    return uuid.uuid4().hex
