import pytest

from agent.result_text import answers_text, findings_text, profile_text, results_text, run_text, runs_text
from tests.fakes.measured_project import BASE, MeasuredProject
from tools.data.inspect import FileProfile, inspect_file
from tools.doctor import Finding
from tools.evaluation.report import read_report
from tools.evaluation.side_by_side import side_by_side
from tools.evaluation.step import Baseline, Evaluate
from tools.evaluation.text import cell_width
from tools.runs import RunInfo

HOSTILE = "\x1b[31mred\u202e\u200b\x9b2J"


def is_harmless(text: str) -> bool:
    return not set("\x1b\u202e\u200b\x9b") & set(text)


def a_run(**changes: object) -> RunInfo:
    values: dict = {
        "run_id": "r2", "plan": "sha256:00", "step": "train", "task": "train", "state": "running", "created_at": 1.0,
        "started_at": 1.0, "ended_at": None, "seconds": 75.0, "launches": 1,
    }  # fmt: skip
    return RunInfo(**values | changes)


def test_runs_text_says_how_to_begin_when_there_is_none():
    assert runs_text([]) == "No run yet. `tailor run` starts one."


def test_runs_text_has_a_line_for_each_run_in_columns():
    runs = [
        a_run(done=5, total=20),
        a_run(run_id="r3", step="evaluate", state="failed", message="No memory."),
        a_run(run_id="r4", step="deploy", url="http://127.0.0.1:9/v1"),
    ]
    head, *lines = runs_text(runs).splitlines()
    assert head.split() == ["run", "step", "state", "done", "time", "what"]
    assert lines[0].split() == ["r2", "train", "running", "25.0", "%", "1", "min", "15", "s"]
    assert lines[1].endswith("No memory.")
    assert lines[2].endswith("http://127.0.0.1:9/v1")
    assert lines[1].index("No") == lines[2].index("http") == head.index("what")


def test_run_text_tells_one_run():
    text = run_text(
        a_run(done=5, total=2000, launches=2, ended_at=3.0, message="It died.", hint="Look.", url="http://u")
    )
    assert text.startswith("Run r2: step train, running\n")
    for part in ("1 min 15 s of work in 2 launches", "5 of 2,000", "http://u", "It died.", "Look."):
        assert part in text
    bare = run_text(a_run(started_at=None))
    assert "begun     -" in bare
    assert "done" not in bare


def test_what_a_job_said_is_escaped():
    run = a_run(message=HOSTILE, hint=HOSTILE)
    assert is_harmless(run_text(run))
    assert is_harmless(runs_text([run]))
    assert "red" in run_text(run)


def test_answers_text_shows_each_model_and_escapes_what_it_said():
    answers = [
        {"model": "seedling", "text": HOSTILE, "num_tokens": 3, "seconds": 0.25},
        {"model": HOSTILE, "text": "", "num_tokens": 0, "seconds": 0.1},
    ]
    text = answers_text(f"hi {HOSTILE}", {"answers": answers})
    assert is_harmless(text)
    lines = text.splitlines()
    assert lines[0].startswith("> hi ")
    assert lines[1].startswith("seedling ")
    assert lines[1].endswith("[3 tokens, 0.25 s]")
    assert "(nothing)" in lines[2]
    assert answers_text("hi", {"answers": []}) == "> hi"


@pytest.fixture
def profile(tmp_path) -> FileProfile:
    labels = ["card", "loan", f"fees {HOSTILE}", *(f"label {number}" for number in range(8))]
    rows = [f"message {number},{labels[number % len(labels)]}" for number in range(66)]
    (tmp_path / "rows.csv").write_text("\n".join([f"text {HOSTILE},intent", *rows, "one,two,three"]) + "\n")
    return inspect_file("rows.csv", tmp_path)


def test_profile_text_shows_columns_labels_and_refused_rows_escaped(profile: FileProfile):
    text = profile_text(profile)
    assert is_harmless(text)
    assert text.startswith("rows.csv: csv, ")
    assert "11 labels: " in text
    assert text.count("label ") <= 16
    assert " …" in text
    assert "! 1 row refused (1.5 %):" in text
    assert "    line 68: " in text


def test_profile_text_escapes_whatever_the_profile_says(profile: FileProfile):
    refused = tuple(row.model_copy(update={"reason": HOSTILE}) for row in profile.refused)
    assert is_harmless(profile_text(profile.model_copy(update={"notices": (HOSTILE,), "refused": refused})))


def test_profile_text_of_a_file_without_labels_or_defects(tmp_path):
    (tmp_path / "free.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    text = profile_text(inspect_file("free.jsonl", tmp_path))
    assert "free.jsonl: jsonl" in text
    assert "refused" not in text
    assert "label" not in text


@pytest.mark.parametrize("width", [80, 140])
def test_findings_text_stays_within_the_width_and_shows_hints(width: int):
    findings = [
        Finding(name="python", state="ok", message="Python 3"),
        Finding(name="disk", state="warning", message="a word " * 40, hint="Free some space. " * 10),
        Finding(name="audit", state="failed", message=HOSTILE),
    ]
    text = findings_text(findings, width)
    lines = text.splitlines()
    assert lines[0] == "✓ python      Python 3"
    assert lines[1].startswith("! disk        a word")
    assert lines[-1].startswith("✗ audit ")
    assert max(map(len, lines)) <= width
    assert text.count("Free some space.") + text.count("Free\n") >= 1
    assert is_harmless(text)
    assert findings_text([], width) == ""


@pytest.fixture
def results(tmp_path) -> dict:
    """The results of ten rows, the custom model right on all but one."""
    labels = ["card", "loan"] * 5
    project = MeasuredProject(tmp_path, labels)

    def unlogged(*_: object) -> None:
        return None

    baseline, context = Baseline(unlogged), project.context("baseline", "r1")
    project.answered(baseline, context, project.answers([*["card"] * 9, HOSTILE]))
    project.results["baseline"] = baseline.finish(context)
    project.results["train"] = {"model": BASE.model_copy(update={"name": "bank@1"}).model_dump()}
    evaluate, context = Evaluate(unlogged), project.context("evaluate", "r3")
    project.answered(evaluate, context, project.answers([*labels[:9], HOSTILE]), "after")
    evaluate.finish(context)
    report = read_report(context.run)
    return {
        "report": report.model_dump(mode="json"),
        "side_by_side": [row.model_dump(mode="json") for row in side_by_side(report, 12)],
        "health": ["The loss rose."],
        "endpoint": "http://127.0.0.1:9/v1",
    }


@pytest.mark.parametrize("width", [80, 140])
def test_results_text_shows_measures_rows_health_and_server_within_the_width(results: dict, width: int):
    text = results_text(results, width)
    assert max(map(cell_width, text.splitlines())) <= width
    assert is_harmless(text)
    for part in ("accuracy", "90.0", "Rows side by side", "! The loss rose.", "Served at http://127.0.0.1:9/v1"):
        assert part in text


def test_results_text_of_a_baseline_has_no_rows_and_no_server(results: dict):
    text = results_text({**results, "side_by_side": [], "health": [], "endpoint": None}, 80)
    assert "side by side" not in text
    assert "Served" not in text
    assert "accuracy" in text
