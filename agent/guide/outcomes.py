"""What the guide makes of each tool's result."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from agent.guide.interview import SEEDLING, DataFile, Interview, Stage, read_profile
from agent.guide.phrases import APPROVAL_WORDS, CAN_DO, GREETING, REVIEW
from agent.guide.questions import columns_text, metric, question
from agent.guide.reply import Reply, ask, call, remark
from tools.steps import JsonDict
from tools.wording import count

_REASON_WORDS = {"lr": "learning_rate", "batch": "batch_size", "lora": "tuning", "full tuning": "tuning"}
_DECLINED = "The user did not approve."


def follow(interview: Interview, tool: str, data: JsonDict) -> Reply:
    """Return what follows from a result; `data` holds `error` and perhaps `hint` when the tool failed."""
    handler = _HANDLERS.get(tool)
    if handler is None:
        return remark(interview)
    reply = handler(interview, data)
    if reply.interview.after != interview.after:
        return reply
    return Reply(reply.interview.model_copy(update={"after": ""}), reply.text, reply.tool, reply.arguments)


def approval_again(reply: Reply) -> Reply:
    """Return `reply` followed by the approval that was open before it, so that it can still be given."""
    plan = {"plan": reply.interview.plan, "steps": "all"}
    return call(reply.interview, "run_steps", plan, f"{reply.text}\n{APPROVAL_WORDS}".strip())


def in_words(reply: Reply) -> Reply:
    """Return a question as plain words, for when it cannot be asked as one."""
    asked = reply.interview.question
    default = asked.get("default")
    enter = f" Enter takes: {default}." if default else ""
    return remark(reply.interview, f"{reply.text}\n{asked.get('text', '')}{enter}".strip())


def setting_of(interview: Interview, plan: JsonDict, topic: str) -> str:
    """Return the setting that has the value a topic names, as in `why 40?`; the topic itself when none has."""
    said = re.fullmatch(r"(\d*\.?\d+(?:e[+-]?\d+)?)\s*(%?)[?.! ]*", topic.strip().lower())
    if said is None:
        return topic
    wanted = float(said[1]) / (100 if said[2] else 1)
    steps = cast("Sequence[Mapping[str, Any]]", plan.get("steps") or ())
    planned = [value for step in steps for value in cast("Sequence[Mapping[str, Any]]", step.get("values") or ())]
    pairs = [(edit["path"], edit["value"]) for edit in reversed(interview.edits)]
    pairs += [(value.get("name"), value.get("value")) for value in planned]
    for name, value in pairs:
        if _as_number(value) == wanted:
            return str(name).rpartition(".")[2].replace("_", " ")
    return topic


def _as_number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def planned_reason(plan: JsonDict, topic: str) -> str:
    """Return why the plan has the value a topic names; empty when it names none."""
    wanted = topic.strip().lower().rstrip("?.! ")
    name = _REASON_WORDS.get(wanted, wanted.replace(" ", "_"))
    for step in cast("Sequence[Mapping[str, Any]]", plan.get("steps") or ()):
        for value in cast("Sequence[Mapping[str, Any]]", step.get("values") or ()):
            if value.get("name") == name:
                return f"In this plan {name} is {value.get('value')}: {value.get('reason')}"
    return ""


def _status(interview: Interview, data: JsonDict) -> Reply:
    match interview.after:
        case "stop":
            return _stop_running(interview, data)
        case "tell":
            return remark(interview, _status_text(data))
        case _:
            return _opened(interview, data)


def _opened(interview: Interview, data: JsonDict) -> Reply:
    files = tuple(str(path) for path in cast("Sequence[object]", data.get("data_files") or ()))
    known = interview.model_copy(update={"files": files})
    spec = cast("Mapping[str, Any]", data.get("spec") or {})
    if spec.get("state") == "missing" or not spec:
        return remark(known, GREETING)
    resumed = known.model_copy(update={"has_spec": True, "stage": "review"})
    if spec.get("state") == "invalid":
        problems = "\n".join(f"  {problem}" for problem in cast("Sequence[object]", spec.get("problems") or ()))
        return remark(
            resumed, f"{GREETING}\n\nThe spec.yaml here is not valid:\n{problems}\nCorrect it, then say `plan`."
        )
    where = _plan_sentence(data)
    return remark(resumed, f"{GREETING}\n\nThis project has a spec for {spec.get('name')}.{where} {CAN_DO}")


def _inspected(interview: Interview, data: JsonDict) -> Reply:
    role = interview.inspecting
    seen = interview.model_copy(update={"inspecting": ""})
    if role == "guess":
        found = () if "error" in data else (str(data.get("path")),)
        return remark(seen.model_copy(update={"files": (*seen.files, *found)}))
    if "error" in data:
        return remark(seen.model_copy(update={"test_path": ""} if role == "test" else {}), _problem(data))
    file = read_profile(str(data.get("path")), data)
    if role == "test":
        with_test = seen.answering("test").model_copy(update={"test": file, "test_path": ""})
        return remark(with_test, f"{file.path} holds {count(file.num_rows, 'test row')}.")
    if not file.columns:
        return remark(seen, f"{file.path} has no column of text to learn from. Name another file.")
    return remark(_with_train(seen, file), _described(file))


def _with_train(interview: Interview, file: DataFile) -> Interview:
    update: JsonDict = {"train": file}
    if "data" not in interview.answered and interview.stage == "data":
        return interview.answering("data").model_copy(update=update)
    return interview.model_copy(update=update)


def _described(file: DataFile) -> str:
    parts = [f"{file.path} holds {count(file.num_rows, 'row')}"]
    if file.is_sure and file.columns:
        parts.append(f"I read it as {columns_text(file.columns)}")
    if file.num_labels and metric(file).scorer != "numeric":
        parts.append(f"with {count(file.num_labels, 'label')}, so this is classification")
    refused = f" {count(file.num_refused, 'row')} cannot be read and will be left out." if file.num_refused else ""
    return "\n".join([f"{', '.join(parts)}.{refused}", *file.notices])


def _created(interview: Interview, data: JsonDict) -> Reply:
    if "error" in data:
        reviewing = interview.model_copy(update={"stage": "review", "has_spec": True})
        return remark(reviewing, f"{_problem(data)} Say `plan` to go on with the spec that is there.")
    written = interview.model_copy(update={"has_spec": True, "stage": "review", "question": {}})
    if interview.base != SEEDLING:
        return licence_question(written)
    return remark(written, REVIEW)


def licence_question(interview: Interview) -> Reply:
    """Return the question for the licence of a base model."""
    asked = interview.model_copy(update={"stage": "licence", "answered": _without_licence(interview)})
    return ask(asked, "", question(asked, "licence"))


def _without_licence(interview: Interview) -> tuple[Stage, ...]:
    return tuple(stage for stage in interview.answered if stage != "licence")


def _updated(interview: Interview, data: JsonDict) -> Reply:
    if "error" in data:
        return remark(interview, _problem(data))
    if not data.get("diff"):
        return remark(interview, "The spec says so already.")
    if interview.after:
        return licence_question(interview.model_copy(update={"base": interview.after}))
    return remark(interview.model_copy(update={"stage": "review"}), "Done. Say `go on` and I plan it.")


def _undone(interview: Interview, data: JsonDict) -> Reply:
    return remark(
        interview, _problem(data) if "error" in data else "I took the last edit back. Say `go on` to plan it."
    )


def _planned(interview: Interview, data: JsonDict) -> Reply:
    if "error" in data:
        return remark(interview.model_copy(update={"stage": "review"}), f"No plan can be made yet. {_problem(data)}")
    planned = interview.model_copy(update={"plan": str(data["plan"]), "stage": "review"})
    states = cast("Mapping[str, str]", data.get("states") or {})
    done = ", ".join(f"{step} {state}" for step, state in states.items() if state in ("succeeded", "running"))
    so_far = f"So far: {done}" if done else "Nothing of it has started"
    text = f"This is the plan. {so_far}; each step that runs a job needs your approval."
    text = f"{text} {APPROVAL_WORDS}" if interview.is_talked_over else text
    return call(planned, "run_steps", {"plan": planned.plan, "steps": "all"}, text)


def _declined(problem: str) -> str:
    """Return why a run was not approved, said to the person; any other problem as it is."""
    before, found, reason = problem.partition(_DECLINED)
    if not found:
        return problem
    reason = reason.strip().removeprefix("They said: ").strip().rstrip(".")
    return f"{before}You declined{f': {reason}' if reason else ''}."


def _ran(interview: Interview, data: JsonDict) -> Reply:
    # it was answered, or words took its place, which the person's next message tells
    interview = interview.model_copy(update={"is_talked_over": False})
    if "error" in data:
        said = _declined(_problem(data))
        return remark(interview, f"{said} Nothing was started. Say what to change, or `go on` to be asked again.")
    done = interview.model_copy(update={"stage": "done"})
    match data.get("state"):
        case "succeeded":
            return call(done.model_copy(update={"after": "finished"}), "show_results")
        case "paused":
            return remark(
                done, "The base model is good enough as it is, so I stopped before training. Say `go on` to train."
            )
        case "waiting":
            waiting = ", ".join(str(step) for step in cast("Sequence[object]", data.get("waiting_for_approval") or ()))
            return remark(done, f"Waiting for your approval: {waiting}. Say `go on` to be asked again.")
        case state:
            return remark(done, _ended_early(str(state), data))


def _ended_early(state: str, data: JsonDict) -> str:
    steps = cast("Sequence[Mapping[str, Any]]", data.get("steps") or ())
    nothing: Mapping[str, Any] = {}
    last = next((step for step in reversed(steps) if step.get("state") in ("failed", "stopped")), nothing)
    said = " ".join(part for part in (str(last.get("message", "")), str(last.get("hint", ""))) if part)
    return f"Step {last.get('step', '?')} {state}. {said} Say `go on` to take it up again.".replace("  ", " ")


def _results(interview: Interview, data: JsonDict) -> Reply:
    if "error" in data:
        return remark(interview, _problem(data))
    verdict = str(cast("Mapping[str, Any]", data.get("verdict") or {}).get("text", ""))
    if interview.after != "finished":
        return remark(interview, verdict)
    served = data.get("endpoint")
    offer = "Try it: `play` and a prompt asks both models." if served else "Nothing is served; say what to change."
    return remark(interview, f"{verdict} {offer}".strip())


def _explained(interview: Interview, data: JsonDict) -> Reply:
    text = _problem(data) if "error" in data else str(data.get("text", ""))
    return remark(interview, f"{interview.after}\n{text}".strip())


def _spec_text(interview: Interview, data: JsonDict) -> Reply:
    return remark(interview, _problem(data) if "error" in data else str(data.get("text", "")))


def _played(interview: Interview, data: JsonDict) -> Reply:
    return remark(interview, _problem(data) if "error" in data else "")


def _stopped(interview: Interview, data: JsonDict) -> Reply:
    return remark(
        interview, _problem(data) if "error" in data else "The job was told to stop; it saves its work first."
    )


def _torn_down(interview: Interview, data: JsonDict) -> Reply:
    if "error" in data:
        return remark(interview, _problem(data))
    stopped = cast("Sequence[object]", data.get("stopped") or ())
    return remark(interview, f"Stopped: {', '.join(str(name) for name in stopped)}." if stopped else "No server runs.")


def _stop_running(interview: Interview, data: JsonDict) -> Reply:
    runs = cast("Sequence[Mapping[str, Any]]", data.get("runs") or ())
    running = [str(run.get("run")) for run in runs if run.get("state") == "running"]
    if not running:
        return remark(interview, "No job is running.")
    return call(interview, "stop_run", {"run": running[-1]})


def _status_text(data: JsonDict) -> str:
    spec = cast("Mapping[str, Any]", data.get("spec") or {})
    lines = [f"Spec: {spec.get('state', 'missing')}{' (' + str(spec['name']) + ')' if spec.get('name') else ''}."]
    lines.append(_plan_sentence(data).strip() or "No plan yet.")
    runs = cast("Sequence[Mapping[str, Any]]", data.get("runs") or ())
    if runs:
        shown = [f"{run.get('run')} {run.get('step')} {run.get('state')}" for run in runs[-5:]]
        lines.append(f"Runs: {', '.join(shown)}.")
    models = cast("Sequence[object]", data.get("models") or ())
    if models:
        lines.append(f"Models: {', '.join(str(model) for model in models)}.")
    return "\n".join(lines)


def _plan_sentence(data: JsonDict) -> str:
    plan = cast("Mapping[str, Any]", data.get("plan") or {})
    steps = cast("Mapping[str, str]", plan.get("steps") or {})
    return f" Last plan: {', '.join(f'{step} {state}' for step, state in steps.items())}." if steps else ""


def _problem(data: JsonDict) -> str:
    return f"{data.get('error', '')} {data.get('hint', '')}".strip()


_HANDLERS: dict[str, Callable[[Interview, JsonDict], Reply]] = {
    "project_status": _status,
    "inspect_data": _inspected,
    "create_spec": _created,
    "update_spec": _updated,
    "undo_spec": _undone,
    "make_plan": _planned,
    "run_steps": _ran,
    "show_results": _results,
    "explain": _explained,
    "show_spec": _spec_text,
    "play": _played,
    "stop_run": _stopped,
    "teardown": _torn_down,
}
