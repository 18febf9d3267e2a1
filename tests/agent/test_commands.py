import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.cli import main
from specs.edit import Change
from tests.fakes.planned_project import project_with_spec, serve_manifest
from tests.fakes.quick_engine import quick_backend
from tools import running
from tools.client import Tailor
from tools.data.quality import QualityReport

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `tailor` in this process; return exit code, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def tailor(tmp_path: Path) -> Tailor:
    return project_with_spec(tmp_path / "project")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose plan was run to its end by quick jobs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "backend", quick_backend)
        tailor = project_with_spec(tmp_path_factory.mktemp("done") / "project")
        plan = tailor.plan()
        events = list(tailor.run(plan, tailor.approve(plan, "all")))
        assert events[-1].state == "succeeded"
        return tailor.layout.root


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["spec", "check"], 2, "", "There is no spec.yaml in"),
        (["spec", "diff"], 2, "", "There is no plan recorded in this project. "),
        (["data", "check", "rows.csv"], 2, "", "rows.csv"),
        (["data", "show"], 2, "", "No data was prepared in this project yet."),
        (["plan"], 2, "", "There is no spec.yaml in"),
        (["run"], 2, "", "Talk it through with `tailor chat`, or start from a template with `tailor init`."),
        (["run", "--approve", "all"], 2, "", "There is no spec.yaml in"),
        (["runs"], 0, "No run yet. `tailor run` starts one.", ""),
        (["runs", "--json"], 0, "", ""),
        (["show", "r1"], 2, "", "There is no run r1."),
        (["show", "../.."], 2, "", "There is no run ../..."),
        (["report"], 2, "", "Nothing was measured yet: this project has no plan."),
        (["report", "r1"], 2, "", "There is no run r1."),
        (["logs", "r1"], 2, "", "The project has no runs yet: `tailor run`."),
        (["logs", "r1", "-f"], 2, "", "There is no run r1."),
        (["stop", "r1"], 2, "", "There is no run r1."),
        (["play", "-p", "hi"], 2, "", "No server is running"),
        (["play", "model@1", "-p", "hi", "--json"], 2, "", "No server is running"),
        (["play", "-p", ""], 2, "", "No server is running"),
        (["teardown"], 2, "", "Which server?"),
        (["teardown", "--all"], 0, "No server was running.", ""),
        (["teardown", "--all", "--json"], 0, '{"type": "teardown", "stopped": []}', ""),
        (["teardown", "nobody"], 2, "", "No server that runs is called nobody."),
        (["doctor"], 0, "✓ jobs        nothing is running", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_command_on_an_empty_project(empty: Path, cli: Cli, arguments: list[str], code: int, out: str, err: str):
    found, stdout, stderr = cli("-C", empty, *arguments)
    assert found == code
    assert out in stdout if out else stdout == ""
    assert err.strip() in stderr if err else stderr == ""


@pytest.mark.parametrize(
    "arguments", [["runs"], ["doctor"], ["plan"], ["data", "show"], ["teardown", "--all"]], ids=" ".join
)
def test_missing_folder_is_told_with_the_next_step(tmp_path: Path, cli: Cli, arguments: list[str]):
    code, out, err = cli("-C", tmp_path / "nowhere", *arguments)
    assert (code, out) == (2, "")
    assert "There is no folder" in err
    assert "tailor init" in err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["plan", "run", "spec check", "spec diff"])
def test_missing_spec_path_is_told(tmp_path: Path, cli: Cli, name: str):
    for wrong in (tmp_path / "gone.yaml", tmp_path):
        code, out, err = cli(*name.split(), wrong)
        assert (code, out) == (2, "")
        assert f"There is no spec file {wrong}." in err


def test_init_makes_a_spec_that_is_valid_once_and_not_twice(tmp_path: Path, cli: Cli):
    folder = tmp_path / "new"
    code, out, err = cli("init", folder)
    assert (code, out.strip()) == (0, str(folder / "spec.yaml"))
    assert "tailor plan" in err
    assert cli("-C", folder, "spec", "check")[:2] == (0, "spec.yaml is valid: my-model, 1 data source.\n")
    code, _, err = cli("init", folder)
    assert code == 2
    assert "already has a spec.yaml" in err
    code, _, err = cli("-C", folder, "plan")
    assert code == 2
    assert "train.csv" in err


def test_spec_check_names_every_defect_with_its_line(tailor: Tailor, cli: Cli):
    text = tailor.layout.spec_path.read_text()
    tailor.layout.spec_path.write_text(text.replace("epochs: 2", "epochs: -2").replace("threads: 1", "threads: many"))
    code, out, err = cli("spec", "check", tailor.layout.spec_path)
    assert (code, out) == (2, "")
    assert err.count("spec.yaml:") == 2
    assert "epochs" in err
    assert "threads" in err


def test_spec_schema_is_json(cli: Cli):
    code, out, _ = cli("spec", "schema")
    assert code == 0
    assert json.loads(out)["type"] == "object"


def test_spec_diff_shows_what_changed_since_the_plan(tailor: Tailor, cli: Cli):
    tailor.plan()
    assert cli("-C", tailor.layout.root, "spec", "diff")[1] == "The spec is the one the last plan was made from.\n"
    tailor.patch_spec([Change(path="train.0.epochs", value=7)])
    assert "+    epochs: 7" in cli("-C", tailor.layout.root, "spec", "diff")[1]


def test_data_check_shows_a_file_and_escapes_it(empty: Path, cli: Cli):
    rows = ["\x1b[2Jhello\u2028there,yes", "good\x85bye,no"] * 5
    (empty / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    code, out, _ = cli("-C", empty, "data", "check", "rows.csv")
    assert code == 0
    assert "rows.csv: csv" in out
    assert not set("\x1b\u2028\x85") & set(out)
    code, out, _ = cli("-C", empty, "data", "check", "rows.csv", "--json")
    assert json.loads(out)["num_rows"] == 10
    assert len(out.splitlines()) == 1


def test_json_is_one_line_whatever_the_rows_hold(empty: Path, cli: Cli):
    # a label is shown as it stands in the file where JSON carries it
    (empty / "rows.jsonl").write_text('{"p\u2028\u0085q": "a", "completion": "b"}\n' * 3, encoding="utf-8")
    code, out, _ = cli("-C", empty, "data", "check", "rows.jsonl", "--json")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert json.loads(out)["columns"][0]["name"] == "p\u2028\u0085q"


def test_data_show_tells_of_the_prepared_data(done: Path, cli: Cli):
    code, out, err = cli("-C", done, "data", "show")
    assert code == 0
    assert "80 train, 0 validation, 24 test" in out
    assert "4; " in out
    assert err.startswith("Dataset intents, version ")
    version = err.split()[-1]
    code, out, _ = cli("-C", done, "data", "show", f"intents@{version[:4]}", "--json")
    shown = json.loads(out)
    assert shown.pop("type") == "dataset_quality"
    assert QualityReport.model_validate(shown).splits.test == 24
    code, _, err = cli("-C", done, "data", "show", "other")
    assert code == 2
    assert f"intents@{version}" in err


def test_plan_shows_the_whole_plan_or_json(tailor: Tailor, cli: Cli):
    code, out, err = cli("plan", tailor.layout.spec_path)
    assert code == 0
    assert "3. train: Train intents@1" in out
    assert "tailor run" in err
    made = json.loads(cli("-C", tailor.layout.root, "plan", "--json")[1])
    assert made["hash"] == tailor.known_plan().hash
    assert [step["id"] for step in made["steps"]] == ["prepare_data", "baseline", "train", "evaluate"]


@pytest.mark.parametrize(
    "arguments", [["runs"], ["show", "r2"], ["report"], ["report", "r1"], ["logs", "r2"]], ids=" ".join
)
def test_looking_commands_answer_in_words_and_in_json(done: Path, cli: Cli, arguments: list[str]):
    code, out, err = cli("-C", done, *arguments)
    assert (code, err) == (0, "")
    if arguments[0] == "logs":
        return
    assert out.strip()
    code, out, _ = cli("-C", done, *arguments, "--json")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == (3 if arguments == ["runs"] else 1)


def test_report_shows_base_against_custom(done: Path, cli: Cli):
    out = cli("-C", done, "report")[1]
    assert "accuracy" in out
    assert "Rows side by side" in out
    assert "100.0" in out


def test_report_prints_every_row_of_a_filter_in_words_and_in_json(done: Path, cli: Cli):
    results = json.loads(cli("-C", done, "report", "--json")[1])
    code, out, err = cli("-C", done, "report", "--rows", "better", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert len(rows) == results["checks"][0]["difference"]["wins"] > 0
    assert {(row["type"], row["outcome"]) for row in rows} == {("row", "better")}
    out = cli("-C", done, "report", "--rows", "all")[1]
    assert out.count("Row ") == results["report"]["test_set"]["num_rows"]
    assert all(part in out for part in ("prompt", "wanted", "base ✗ wrong", "custom ✓ right", "data/test.csv:"))


def test_logs_escape_what_a_job_printed(tailor: Tailor, cli: Cli):
    run = tailor.layout.run("r1")
    serve_manifest(tailor, "r1")
    run.log_path.write_bytes(b"\x1b[2Jred\nlast \xff line")
    assert cli("-C", tailor.layout.root, "logs", "r1")[1].splitlines() == ["\\x1b[2Jred", "last \ufffd line"]


def test_stop_says_what_it_does_and_what_came_of_it(tailor: Tailor, cli: Cli):
    running.backend(tailor.layout).submit(serve_manifest(tailor, "r1"), 1)
    code, out, err = cli("-C", tailor.layout.root, "stop", "r1")
    assert (code, out, err) == (0, "Run r1 is stopped.\n", "Stopping r1.\n")
    code, out, err = cli("-C", tailor.layout.root, "stop", "r1", "--json")
    assert (code, json.loads(out)["state"], err) == (0, "stopped", "")


def test_stop_of_a_run_that_ended_announces_nothing(done: Path, cli: Cli):
    assert cli("-C", done, "stop", "r2") == (0, "Run r2 had already finished.\n", "")


def test_teardown_names_what_it_stopped(tailor: Tailor, cli: Cli):
    running.backend(tailor.layout).submit(serve_manifest(tailor, "r1"), 1)
    code, out, _ = cli("-C", tailor.layout.root, "teardown", "intents")
    assert code == 0
    assert out.startswith("Stopped: intents@1 (r1")


def test_play_reads_prompts_line_by_line_from_stdin(empty: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n  \n"))
    assert cli("-C", empty, "play") == (0, "", "")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nhello\n"))
    code, _, err = cli("-C", empty, "play")
    assert code == 2
    assert "No server is running" in err


def test_doctor_exits_1_when_something_failed(tailor: Tailor, cli: Cli):
    tailor.plan()
    tailor.layout.ledger_path.chmod(0o644)
    code, out, _ = cli("-C", tailor.layout.root, "doctor")
    assert code == 1
    assert "✗ file modes" in out
