"""The guide's questions: when each is needed, how it is put, its default and why it is asked."""

from dataclasses import dataclass

from agent.guide.edits import looks_like_test
from agent.guide.interview import SEEDLING, DataFile, Interview, Stage
from tools.escape import one_line
from tools.steps import JsonDict

STAGES: tuple[Stage, ...] = ("task", "data", "columns", "test", "example", "score", "model")
DEFAULT_FRACTION = 0.1
_MAX_LISTED = 6


@dataclass(frozen=True)
class Metric:
    """How answers are scored when nothing else was said."""

    scorer: str
    threshold: float
    meaning: str


def next_stage(interview: Interview) -> Stage | None:
    """Return the first question that is not answered and cannot be inferred; None when all is known."""
    for stage in STAGES:
        if stage not in interview.answered and _is_needed(interview, stage):
            return stage
    return None


def question(interview: Interview, stage: Stage) -> JsonDict:
    """Return the arguments of ask_user for a stage."""
    return {**_QUESTIONS[stage](interview), "topic": stage}


def train_candidates(interview: Interview) -> tuple[str, ...]:
    """Return the project's files that may hold training rows, the likeliest first."""
    files = [path for path in interview.files if not looks_like_test(path)]
    return tuple(sorted(files, key=lambda path: "train" not in path.lower()))


def test_candidate(interview: Interview) -> str:
    """Return a file that looks like test rows for the training file; empty when there is none."""
    train = interview.train.path if interview.train is not None else ""
    found = [path for path in interview.files if looks_like_test(path) and path != train]
    twin = twin_of(train)
    if twin in found:
        return twin
    return found[0] if found else ""


def twin_of(path: str) -> str:
    """Return the path with `test` where the file's name says `train`; empty when it does not."""
    folder, separator, name = path.rpartition("/")
    return f"{folder}{separator}{name.replace('train', 'test')}" if "train" in name else ""


def metric(train: DataFile | None) -> Metric:
    """Return the scorer that fits the answers, and the score that is usually worth shipping."""
    answers = train.answers if train is not None else ()
    if answers and all(_is_number(answer) for answer in answers):
        return Metric("numeric", 0.8, "the share of test rows whose number is right")
    if train is not None and train.task == "classification":
        return Metric("exact_match", 0.8, "the share of test rows whose label is exactly right")
    if answers and all(answer.strip().startswith(("{", "[")) for answer in answers):
        return Metric("json_valid", 0.95, "the share of answers that are valid JSON")
    return Metric("exact_match", 0.5, "the share of test rows whose answer equals the wanted one exactly")


def columns_text(columns: dict[str, str]) -> str:
    """Return a reading of the columns as `text → category`."""
    if "prompt" in columns:
        return f"{one_line(columns['prompt'], 60)} → {one_line(columns.get('completion', '?'), 60)}"
    return ", ".join(f"{part}: {one_line(name, 60)}" for part, name in columns.items())


def _is_needed(interview: Interview, stage: Stage) -> bool:
    match stage:
        case "task":
            return not interview.task
        case "data":
            return interview.train is None
        case "columns":
            return interview.train is not None and not interview.train.is_sure
        case "test":
            return interview.test is None and interview.fraction is None
        case "example":
            # the one to leave out where a question about columns was needed: six are enough
            has_answers = interview.train is not None and "completion" in interview.train.columns
            return has_answers and "columns" not in interview.answered
        case _:
            return True


def _task(interview: Interview) -> JsonDict:
    files = train_candidates(interview)
    return {
        "text": "What should the model do? One sentence is enough; you may name your data files in it.",
        "default": f"Answer like the examples in {files[0]}." if len(files) == 1 else None,
        "why": "It goes into the spec as the goal, and the name of the model and the way to score it follow from it.",
    }


def _data(interview: Interview) -> JsonDict:
    files = train_candidates(interview)
    found = f" I found {', '.join(files[:_MAX_LISTED])}." if files else " I found no data file in this project."
    return {
        "text": f"Which file holds your examples?{found}",
        "default": files[0] if files else None,
        "why": "The model learns from these rows: CSV, TSV, JSONL, JSON or Parquet, one example a row.",
        "options": list(files[:_MAX_LISTED]),
    }


def _columns(interview: Interview) -> JsonDict:
    train = interview.train
    choices = [train.columns, *train.choices] if train is not None and train.columns else []
    listed = ", ".join(one_line(name, 60) for name in train.names[:12]) if train is not None else ""
    return {
        "text": f"Which column is the prompt and which the answer? The columns are {listed}.",
        "default": columns_text(choices[0]) if choices else None,
        "why": "More than one reading is possible, and the wrong one would teach the wrong thing.",
        "options": [columns_text(choice) for choice in choices],
    }


def _test(interview: Interview) -> JsonDict:
    found = interview.test_path or test_candidate(interview)
    held_out = f"hold out {100 * DEFAULT_FRACTION:g} %"
    offered = f" {found} looks like it." if found else " I found no file that looks like it."
    return {
        "text": f"Which rows shall test the model?{offered} They are never trained on.",
        "default": found or held_out,
        "why": "Base and custom model answer the same test rows, and only these answers count.",
        "options": [found, held_out] if found else [held_out],
    }


def _example(interview: Interview) -> JsonDict:
    rows = interview.train.rows if interview.train is not None else ()
    shown = "".join(f"\n  {one_line(prompt, 60)} → {one_line(answer, 60)}" for prompt, answer in rows)
    lead = f"I take these rows as good examples:{shown}\n" if rows else ""
    about = f" to “{one_line(rows[0][0], 60)}”" if rows else ""
    return {
        "text": f"{lead}What would be a wrong answer{about}? Enter skips this.",
        "default": "skip",
        "why": "A wrong answer makes the goal clear to whoever reads the spec; nothing is trained on it.",
    }


def _score(interview: Interview) -> JsonDict:
    measure = metric(interview.train)
    return {
        "text": f"What score makes the model worth shipping? I measure {measure.meaning}.",
        "default": f"{measure.threshold:g}",
        "why": "The base model is measured first. If it reaches this already, training is not worth it; if the custom "
        "model does not, it should not be used.",
    }


def _model(interview: Interview) -> JsonDict:
    files = "Seedling ships with Tailor (Apache-2.0), is small, and is for trying things out."
    return {
        "text": f"Which base model, and how long may it all take? {files} A hub id such as Qwen/Qwen3-0.6B works too.",
        "default": f"{SEEDLING}, {interview.hours:g} hour{'s' if interview.hours != 1 else ''}",
        "why": "Weights come with a licence that only you can accept, and a job that reaches the time saves its work "
        "and stops.",
        "licence_of": SEEDLING,
    }


def _licence(interview: Interview) -> JsonDict:
    base = interview.base
    return {
        "text": f"Do you accept the licence of {one_line(base, 100)}? Read it on the model's page first.",
        "why": "Only you can accept it, and no plan is made without.",
        "options": ["yes", "no"],
        "licence_of": base,
    }


_QUESTIONS = {
    "task": _task,
    "data": _data,
    "columns": _columns,
    "test": _test,
    "example": _example,
    "score": _score,
    "model": _model,
    "licence": _licence,
}


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
