import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.cli import main
from specs.layout import RunLayout
from specs.run import RunManifest
from tests.fakes.granted_project import FAKE_TRAINER
from tests.fakes.planned_project import project_with_spec
from tools import running
from tools.backends.local.backend import LocalBackend
from tools.client import Tailor
from tools.ledger import Ledger

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def tailor(tmp_path: Path) -> Tailor:
    return project_with_spec(tmp_path / "project")


@pytest.fixture
def run(tailor: Tailor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tailor run`, with `typed` by a person at the terminal where it is given."""

    def call(*arguments: str, typed: str | None = None) -> tuple[int, str, str]:
        stdin = io.StringIO(typed or "")
        monkeypatch.setattr(stdin, "isatty", lambda: typed is not None, raising=False)
        monkeypatch.setattr(sys, "stdin", stdin)
        code = main(["-C", str(tailor.layout.root), "run", *arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call


def grants(tailor: Tailor) -> list[str]:
    with Ledger(tailor.layout.ledger_path) as ledger:
        return [row["step"] for row in ledger.rows("SELECT step FROM grants ORDER BY rowid")]


def states(tailor: Tailor) -> dict[str, str]:
    return tailor.status()["plan"]["steps"]


def test_run_waits_and_says_how_to_approve_when_nobody_can_be_asked(tailor: Tailor, run: Run):
    code, out, err = run()
    assert (code, out) == (5, "")
    assert "Approve it: tailor run --approve prepare_data" in err
    assert grants(tailor) == []
    assert set(states(tailor).values()) == {"not_run"}


def test_run_names_the_steps_when_an_approved_one_is_unknown(tailor: Tailor, run: Run):
    code, out, err = run("--approve", "prepare_data,tarin")
    assert (code, out) == (2, "")
    assert "The plan has no step 'tarin'." in err
    assert "prepare_data, baseline, train, evaluate" in err
    assert grants(tailor) == []


@pytest.mark.parametrize("nothing", ["", " , ,"])
def test_run_refuses_an_approval_of_nothing(tailor: Tailor, run: Run, nothing: str):
    code, _, err = run("--approve", nothing)
    assert code == 2
    assert "--approve names no step." in err


@pytest.mark.parametrize("amount", ["nan", "-1", "inf"])
def test_run_refuses_a_cap_that_is_no_money(tailor: Tailor, run: Run, amount: str):
    code, _, err = run("--approve", "all", f"--max-usd={amount}")
    assert code == 2
    assert "no amount of money" in err
    assert grants(tailor) == []


def test_run_does_the_approved_steps_alone(tailor: Tailor, run: Run):
    code, _, err = run("--approve", " prepare_data , ")
    assert code == 5
    assert states(tailor)["prepare_data"] == "succeeded"
    assert states(tailor)["baseline"] == "not_run"
    assert "✓ prepare_data succeeded" in err


def test_run_to_the_end_prints_the_measurement_and_then_knows_that_all_is_done(tailor: Tailor, run: Run):
    code, out, err = run("--approve", "all")
    assert code == 0, err
    assert "accuracy" in out
    assert err.index("● baseline (r1)") < err.index("● train (r2)") < err.index("Done in")
    code, out, err = run("--json")
    assert code == 0
    assert "is done; --again trains another version" in err
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1]["type"] == "plan_finished"
    assert all(line["skipped"] for line in lines if line["type"] == "step_finished")
    assert grants(tailor).count("train") == 1
    code, _, err = run("--again")
    assert code == 5
    assert "Train intents@2" in err


def test_json_carries_every_event_and_stderr_the_words(tailor: Tailor, run: Run):
    code, out, err = run("--approve", "prepare_data", "--json")
    assert code == 5
    types = [json.loads(line)["type"] for line in out.splitlines()]
    assert types == ["step_started", "step_finished", "step_waiting", "plan_finished"]
    assert "Plan " in err
    assert out.isascii()


@pytest.mark.parametrize(
    ("typed", "granted", "code"),
    [
        ("y\nn\n", ["prepare_data"], 5),
        ("YES\n\n", ["prepare_data"], 5),
        ("n\ny\n", [], 5),
        ("sure\n", [], 5),
        ("", [], 5),
        ("y\nall\n", ["prepare_data", "baseline", "train", "evaluate"], 0),
    ],
)
def test_person_at_the_terminal_is_asked_step_by_step(
    tailor: Tailor, run: Run, typed: str, granted: list[str], code: int
):
    found, _, err = run(typed=typed)
    assert found == code
    assert grants(tailor) == granted
    assert "Approve this step? [y]es, [a]ll that follow, [n]o: " in err
    assert "undo: " in err


def test_approved_step_is_not_asked_for_again(tailor: Tailor, run: Run):
    run("--approve", "prepare_data")
    _, _, err = run(typed="n\n")
    assert err.count("Approve this step?") == 1
    assert "\nbaseline: Measure seedling" in err


def test_failed_step_exits_1_and_goes_on_when_it_is_approved_again(
    tailor: Tailor, run: Run, monkeypatch: pytest.MonkeyPatch
):
    def out_of_luck(_manifest: RunManifest, job: RunLayout) -> list[str]:
        return [sys.executable, str(FAKE_TRAINER), str(job.run_dir), "--exit-code", "1"]

    with monkeypatch.context() as broken:
        broken.setattr(running, "backend", lambda layout: LocalBackend(layout, out_of_luck))
        code, out, err = run("--approve", "all")
    assert (code, out) == (1, "")
    assert "✗ baseline failed" in err
    assert "  Out of luck.\n" in err
    assert "The plan failed." in err
    assert states(tailor)["train"] == "not_run"
    code, out, err = run()
    assert code == 5
    code, out, err = run("--approve", "all")
    assert code == 0, err
    assert "✓ prepare_data was done before" in err
