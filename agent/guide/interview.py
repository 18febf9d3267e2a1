"""What the guide knows so far: answers, files looked at, the open question. Compact, JSON, carried in its messages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from pydantic import Field

from agent.guide.edits import read_edits, slug
from specs.base import StrictModel
from tools.steps import JsonDict

Stage: TypeAlias = Literal["task", "data", "columns", "test", "example", "score", "model", "licence", "review", "done"]
SEEDLING = "seedling"
_MAX_PAST = 16
_NOT_TAKEN_BACK = ("files", "guessed", "has_spec", "plan", "is_talked_over", "past")
_PASSING = ("stage", "question", "inspecting", "after")
_FILE = re.compile(r"\.(?:csv|tsv|jsonl|json|parquet)\b", re.IGNORECASE)
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and answer any as at by classify customer customers detect each every find for from give i in into is it "
        "its label me message messages model of on one or our please predict s say shall should text that the their "
        "these this to tell train want wants what which who with write you your assign name put sort wish",
    )
)


class DataFile(StrictModel):
    """A data file as inspect_data described it, cut to what the interview needs."""

    path: str
    num_rows: int
    columns: dict[str, str] = Field(default_factory=dict)
    """Spec columns by their part, as {"prompt": "text", "completion": "category"}; empty when none was suggested."""
    is_sure: bool = True
    """Whether the columns need no question."""
    choices: tuple[dict[str, str], ...] = ()
    """Other readings of the columns."""
    names: tuple[str, ...] = ()
    """All columns."""
    task: str = ""
    num_labels: int = 0
    num_refused: int = 0
    rows: tuple[tuple[str, str], ...] = ()
    """A few prompts with their answers."""
    answers: tuple[str, ...] = ()
    """A few distinct answers."""
    notices: tuple[str, ...] = ()
    """What is unusual about the file."""


class Interview(StrictModel):
    """One interview."""

    stage: Stage = "task"
    """Which question is open, or that none is."""
    question: JsonDict = Field(default_factory=dict)
    """The open question as it was asked, to be asked again."""
    inspecting: Literal["", "train", "test", "guess"] = ""
    """What the file being looked at is for."""
    after: str = ""
    """What to do with the next tool result, where the tool alone does not say it."""
    answered: tuple[Stage, ...] = ()
    files: tuple[str, ...] = ()
    """Data files of the project."""
    task: str = ""
    train: DataFile | None = None
    test: DataFile | None = None
    test_path: str = ""
    """Test file that was named or found but not looked at yet."""
    guessed: bool = False
    """Whether a test file beside the training file was looked for."""
    fraction: float | None = None
    wrong: str = ""
    """An answer that would be wrong."""
    scorer: str = ""
    threshold: float = 0.0
    base: str = SEEDLING
    hours: float = 1.0
    edits: tuple[JsonDict, ...] = ()
    """Edits said before there was a spec, as path, value, said."""
    has_spec: bool = False
    plan: str = ""
    is_talked_over: bool = False
    """Whether an approval is open that the person answered with other words."""
    past: tuple[JsonDict, ...] = ()
    """How the interview stood before each answer and change, the latest last; for undo."""

    def answering(self, stage: Stage) -> "Interview":
        """Return the interview with `stage` answered."""
        return self.model_copy(update={"answered": (*self.answered, stage), "question": {}})

    def remembered(self) -> "Interview":
        """Return the interview with its present state kept for undo."""
        if self.past and not self._differs(self.past[-1]):
            return self
        now = self.model_dump(mode="json", exclude={*_NOT_TAKEN_BACK})
        return self.model_copy(update={"past": (*self.past, now)[-_MAX_PAST:]})

    def taken_back(self) -> "Interview | None":
        """Return the interview before the last thing the person said that changed it; None when nothing did."""
        for index in range(len(self.past) - 1, -1, -1):
            if self._differs(self.past[index]):
                kept = {name: getattr(self, name) for name in _NOT_TAKEN_BACK}
                return Interview.model_validate({**kept, **self.past[index], "past": self.past[:index]})
        return None

    def _differs(self, before: JsonDict) -> bool:
        now = self.model_dump(mode="json", exclude={*_NOT_TAKEN_BACK})
        return any(now[name] != before.get(name) for name in now if name not in _PASSING)


def read_profile(path: str, data: Mapping[str, Any]) -> DataFile:
    """Return the part of an inspect_data result that the interview needs."""
    suggestion = cast("Mapping[str, Any]", data.get("suggestion") or {})
    columns = cast("Sequence[Mapping[str, Any]]", data.get("columns") or ())
    chosen = _columns(suggestion)
    nothing: Mapping[str, Any] = {}
    answer = next((c for c in columns if c.get("name") == chosen.get("completion")), nothing)
    return DataFile(
        path=path,
        num_rows=int(data.get("num_rows", 0)),
        columns=chosen,
        is_sure=suggestion.get("confidence") == "high",
        choices=tuple(_columns(item) for item in cast("Sequence[Mapping[str, Any]]", data.get("alternatives") or ())),
        names=tuple(str(c.get("name")) for c in columns),
        task=str(data.get("task_hint") or ""),
        num_labels=int(data.get("num_labels") or 0),
        num_refused=int(data.get("num_refused") or 0),
        rows=_rows(data, chosen),
        answers=tuple(str(sample) for sample in cast("Sequence[object]", answer.get("samples", ()))),
        notices=tuple(str(notice) for notice in cast("Sequence[object]", data.get("notices") or ())),
    )


def spec_fields(interview: Interview) -> JsonDict:
    """Return the spec's sections from the answers. The licence is never among them."""
    if interview.train is None:
        raise ValueError("a spec needs a data file")
    train = interview.train
    name = slug(_name_words(interview.task, train.columns.get("completion", ""))) or "my-model"
    goal: JsonDict = {"task": interview.task}
    if train.rows:
        goal["good_examples"] = [{"prompt": prompt, "answer": answer} for prompt, answer in train.rows]
    if interview.wrong and train.rows:
        prompt = train.rows[0][0]
        goal["bad_examples"] = [
            {"prompt": prompt, "answer": interview.wrong, "why": "said to be wrong in the interview"}
        ]
    check = {"name": check_name(interview.scorer), "scorer": interview.scorer, "threshold": interview.threshold}
    fields: JsonDict = {
        "version": 1,
        "name": name,
        "goal": goal,
        "model": {"base": interview.base},
        "data": {"sources": [_source(train, train.columns)], "test": _test(interview, train)},
        "train": [{"method": "sft"}],
        "evaluation": {"checks": [check]},
        "deployment": {"target": "local"},
        "budget": {"usd": 0, "hours": _plain(interview.hours)},
    }
    for edit in interview.edits:
        _set(fields, str(edit["path"]).split("."), edit["value"])
    return fields


def check_name(scorer: str) -> str:
    """Return what a check is called in reports."""
    return {"exact_match": "accuracy", "macro_f1": "macro-f1"}.get(scorer, scorer.replace("_", "-"))


def task_sentence(text: str, files: Sequence[str] = ()) -> str:
    """Return the part of an answer that says the task, without clauses that name `files` or set values."""
    for path in files:
        for name in (path, path.rpartition("/")[2]):
            # a file's name may hold what separates clauses
            text = re.sub(re.escape(name), "file.csv", text, flags=re.IGNORECASE)
    clauses = re.split(r"(?<=[,;])\s+|(?<=[.!])\s+(?=\S)", " ".join(text.split()))
    kept = [clause for clause in clauses if not _FILE.search(clause) and not (len(clauses) > 1 and read_edits(clause))]
    sentence = " ".join(kept).strip(" ,;")
    return sentence[:1].upper() + sentence[1:] if sentence else ""


def _plain(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _name_words(task: str, answer: str) -> str:
    """Return up to three telling words of the task; one alone gets the name of the answer's column beside it."""
    words = dict.fromkeys(word for word in re.findall(r"[a-z0-9]+", task.lower()) if word not in _STOP_WORDS)
    telling = [*words][:3]
    return "-".join([*telling, answer] if len(telling) == 1 and answer not in telling else telling)


def _columns(suggestion: Mapping[str, Any]) -> dict[str, str]:
    columns = cast("Mapping[str, Any]", suggestion.get("columns") or {})
    return {str(part): str(name) for part, name in columns.items() if name is not None}


def _rows(data: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Take whole rows for examples: one that was cut or escaped on the way is no real row."""
    prompt, completion = columns.get("prompt", ""), columns.get("completion", "")
    rows = cast("Sequence[Mapping[str, Any]]", data.get("rows") or ())
    pairs = [(str(row.get(prompt, "")), str(row.get(completion, ""))) for row in rows]
    whole = [pair for pair in pairs if all(pair) and "… (" not in pair[0] + pair[1] and "\\" not in pair[0] + pair[1]]
    return tuple(whole[:3])


def _source(file: DataFile, columns: Mapping[str, str]) -> JsonDict:
    return {"path": file.path, "columns": dict(columns)} if columns else {"path": file.path}


def _test(interview: Interview, train: DataFile) -> JsonDict:
    test = interview.test
    if test is None:
        return {"fraction": interview.fraction or 0.1}
    same = set(train.columns.values()) <= set(test.names)
    return _source(test, train.columns if same else test.columns)


def _set(node: Any, path: Sequence[str], value: Any) -> None:
    """Set a value in nested fields; sections on the way are made, indices must exist."""
    for part in path[:-1]:
        node = cast("Any", node[int(part)] if isinstance(node, list) else node.setdefault(part, {}))
    if isinstance(node, list):
        node[int(path[-1])] = value
    else:
        node[path[-1]] = value
