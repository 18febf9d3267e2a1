"""What the answer to each question means. An answer that is not understood is said to be so, and the question stays."""

import re
from collections.abc import Callable

from agent.guide.edits import Edit, data_files, read_edits
from agent.guide.intents import is_accept, is_refuse
from agent.guide.interview import Interview, task_sentence
from agent.guide.questions import DEFAULT_FRACTION, columns_text, metric, test_candidate, train_candidates
from agent.guide.reply import Reply, call, remark
from tools.escape import one_line

_SHARE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(%|percent)?")
_HUB_ID = re.compile(r"(?<![\w./-])([A-Za-z0-9][\w.-]*/[\w.-]+|[a-z0-9][a-z0-9-]*@\d+)(?![\w/-])")
_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(h\b|hrs?\b|hours?|mins?\b|minutes?)", re.IGNORECASE)
_COLUMNS = re.compile(r"[\"']?([^\"'→,>]+?)[\"']?\s*(?:→|->|=>|,|\band\b|\bto\b)\s*[\"']?([^\"'→,>]+?)[\"']?\s*$")
_MAX_WRONG = 400


def understand(interview: Interview, text: str) -> Reply:
    """Return what follows from an answer to the open question."""
    return _ANSWERS[interview.stage](interview, text)


def look_at(interview: Interview, path: str, lead: str = "") -> Reply:
    """Return the look at a training file."""
    return call(interview.model_copy(update={"inspecting": "train"}), "inspect_data", {"path": path}, lead)


def look_at_test(interview: Interview, path: str, lead: str = "") -> Reply:
    """Return the look at a test file."""
    return call(interview.model_copy(update={"inspecting": "test"}), "inspect_data", {"path": path}, lead)


def _task(interview: Interview, text: str) -> Reply:
    files = data_files(text, interview.files)
    sentence = task_sentence(text, tuple(path for path, _ in files))
    candidates = train_candidates(interview)
    if is_accept(text) or is_refuse(text):
        if len(candidates) != 1:
            return remark(interview, "I need a sentence about the task; there is no sensible default for it.")
        sentence = f"Answer like the examples in {candidates[0]}."
        files = ((candidates[0], "train"),)
    elif not files and len(sentence.split()) < 2:
        return remark(
            interview,
            "That is too short for a task. Say what goes in and what comes out, as in: label messages by topic.",
        )
    named = {role: _known_path(interview, path) for path, role in reversed(files)}
    edits = read_edits(text)
    heard = interview.answering("task").model_copy(
        update={
            "task": sentence or f"Answer like the examples in {named.get('train', 'the data')}.",
            "test_path": named.get("test", ""),
            "edits": tuple(_dump(edit) for edit in edits),
        }
    )
    noted = f"Noted: {', '.join(edit.said for edit in edits)}. " if edits else ""
    if "train" in named:
        return look_at(heard, named["train"], noted.strip())
    return remark(heard, noted.strip())


def _data(interview: Interview, text: str) -> Reply:
    candidates = train_candidates(interview)
    if is_accept(text):
        if not candidates:
            return remark(interview, "I need a file with examples: CSV, TSV, JSONL, JSON or Parquet.")
        return look_at(interview, candidates[0])
    files = data_files(text, interview.files) or (
        ((text.strip().strip("\"'"), "train"),) if "/" in text or "." in text else ()
    )
    if not files:
        return remark(interview, "I did not see a file name in that; name a file such as data/train.csv.")
    tests = [path for path, role in files if role == "test"]
    trains = [path for path, role in files if role == "train"] or tests
    heard = interview
    if tests and trains != tests:
        heard = interview.model_copy(update={"test_path": _known_path(interview, tests[0])})
    return look_at(heard, _known_path(interview, trains[0]))


def _columns(interview: Interview, text: str) -> Reply:
    train = interview.train
    if train is None:
        return remark(interview)
    readings = [reading for reading in (train.columns, *train.choices) if reading]
    chosen = readings[0] if readings and is_accept(text) else None
    chosen = chosen or next((r for r in readings if columns_text(r).lower() == text.strip().lower()), None)
    match = _COLUMNS.search(text.strip())
    if chosen is None and match:
        names = {name.lower(): name for name in train.names}
        prompt, completion = (names.get(part.strip().lower()) for part in match.groups())
        if prompt and completion and prompt != completion:
            chosen = {"prompt": prompt, "completion": completion}
    if chosen is None:
        return remark(interview, "I did not recognise two columns in that. Write them as: text → label.")
    read = train.model_copy(update={"columns": chosen, "is_sure": True})
    return remark(interview.answering("columns").model_copy(update={"train": read}))


def _test(interview: Interview, text: str) -> Reply:
    found = interview.test_path or test_candidate(interview)
    if is_accept(text) and found:
        return look_at_test(interview, found)
    if is_accept(text) or is_refuse(text):
        return _held_out(interview, DEFAULT_FRACTION)
    if files := data_files(text, interview.files):
        return look_at_test(interview, _known_path(interview, files[0][0]))
    if match := _SHARE.search(text):
        share = float(match[1]) / (100 if match[2] or float(match[1]) >= 1 else 1)
        if 0 < share < 1:
            return _held_out(interview, share)
    return remark(interview, "I did not understand that. Name a file, or a share such as: hold out 10 %.")


def _example(interview: Interview, text: str) -> Reply:
    wrong = "" if is_accept(text) or is_refuse(text) else text.strip()[:_MAX_WRONG]
    return remark(interview.answering("example").model_copy(update={"wrong": wrong}))


def _score(interview: Interview, text: str) -> Reply:
    usual = metric(interview.train)
    scorer, threshold = usual.scorer, usual.threshold
    spoken = {edit.path.rpartition(".")[2]: edit.value for edit in read_edits(f"use {text}")}
    match = _SHARE.search(re.sub(r"f1|macro", "", text, flags=re.IGNORECASE))
    if not is_accept(text):
        if match is None and "scorer" not in spoken:
            return remark(interview, "I did not understand that. A share is enough, as 0.8 or 80 %.")
        scorer = str(spoken.get("scorer", scorer))
        if match is not None:
            threshold = float(match[1]) / (100 if match[2] or float(match[1]) > 1 else 1)
    if not 0 <= threshold <= 1:
        return remark(interview, "A score lies between 0 and 1, or 0 and 100 %.")
    heard = interview.answering("score").model_copy(update={"scorer": scorer, "threshold": threshold})
    return remark(heard, f"Noted: score {threshold:g}.")


def _model(interview: Interview, text: str) -> Reply:
    base, hours = interview.base, interview.hours
    if not is_accept(text):
        named = _HUB_ID.search(text)
        time = _HOURS.search(text)
        if named is None and time is None and base not in text.lower():
            return remark(interview, "I did not understand that. Name a model, a time, or both: seedling, 2 hours.")
        base = named[1] if named else base
        if time:
            hours = float(time[1]) / (60 if time[2].lower().startswith("m") else 1)
    heard = interview.answering("model").model_copy(update={"base": base, "hours": round(hours, 4)})
    return remark(heard, f"Noted: base model {one_line(base, 100)}, at most {_time(heard.hours)}.")


def _time(hours: float) -> str:
    return f"{60 * hours:.3g} minutes" if hours < 1 else f"{hours:g} hour{'s' if hours != 1 else ''}"


def _licence(interview: Interview, text: str) -> Reply:
    if is_refuse(text):
        return remark(
            interview.answering("licence"),
            "Then I cannot plan with it. Choose another base model, as in: base model seedling.",
        )
    return remark(interview.answering("licence"))


def _held_out(interview: Interview, share: float) -> Reply:
    heard = interview.answering("test").model_copy(update={"fraction": round(share, 4)})
    return remark(heard, f"I hold out {100 * share:g} % of the rows, drawn so that duplicates never cross sides.")


def _known_path(interview: Interview, path: str) -> str:
    """Return the project's file of that name when the name alone was given."""
    if path in interview.files or "/" in path:
        return path
    return next((known for known in interview.files if known.rpartition("/")[2] == path), one_line(path, 300))


def _dump(edit: Edit) -> dict[str, object]:
    return {"path": edit.path, "value": edit.value, "said": edit.said}


_ANSWERS: dict[str, Callable[[Interview, str], Reply]] = {
    "task": _task,
    "data": _data,
    "columns": _columns,
    "test": _test,
    "example": _example,
    "score": _score,
    "model": _model,
    "licence": _licence,
}
