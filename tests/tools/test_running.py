import json
import time
from pathlib import Path

import pytest

from specs.layout import ProjectLayout
from specs.plan import StepKind
from tests.fakes.granted_project import a_manifest
from tests.fakes.planned_project import serve_manifest
from tests.fakes.quick_engine import quick_backend
from tools import running
from tools.approvals import GrantKey
from tools.backends.local.marks import mark_started
from tools.client import Tailor
from tools.errors import UsageError
from tools.ledger import Ledger
from tools.running import handlers, stop_run, teardown


@pytest.fixture
def tailor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tailor:
    monkeypatch.setattr(running, "backend", quick_backend)
    return Tailor(tmp_path)


def a_run(layout: ProjectLayout, state: str | None, *, launched: bool = True) -> None:
    run = layout.run("r1")
    run.run_dir.mkdir(parents=True)
    run.manifest_path.write_text(a_manifest("r1").model_dump_json())
    if launched:
        mark_started(run, 1)
    if state is not None:
        event = {"type": "finished", "time": time.time(), "state": state, "message": "", "exit_code": 0, "seconds": 1}
        run.events_path.write_text(json.dumps(event) + "\n")


@pytest.mark.parametrize("kind", ["prepare_data", "baseline", "train", "evaluate", "deploy"])
def test_every_step_of_a_plan_has_a_handler(kind: StepKind):
    assert handlers()[kind].keeps_running is (kind == "deploy")
    assert handlers()[kind].has_job is (kind != "prepare_data")


def test_executor_takes_the_projects_parts(tailor: Tailor):
    with Ledger(tailor.layout.ledger_path) as ledger:
        made = running.executor(tailor.layout, ledger, GrantKey.new())
        assert callable(made.run)


@pytest.mark.parametrize(
    ("state", "launched", "after", "sentence"),
    [
        ("succeeded", True, "succeeded", "Run r1 had already finished."),
        ("failed", True, "failed", "Run r1 had already failed."),
        ("stopped", True, "stopped", "Run r1 is stopped."),
        (None, False, "stopped", "Run r1 is stopped."),
    ],
)
def test_stop_says_how_the_run_stands(tailor: Tailor, state: str | None, launched: bool, after: str, sentence: str):
    a_run(tailor.layout, state, launched=launched)
    assert stop_run(tailor.layout, "r1") == {"run": "r1", "state": after, "message": sentence}


def test_stop_names_the_runs_there_are_when_one_is_unknown(tailor: Tailor):
    a_run(tailor.layout, "succeeded")
    with pytest.raises(UsageError, match=r"There is no run r7.*The project has r1"):
        stop_run(tailor.layout, "r7")


def test_stop_ends_a_running_job(tailor: Tailor):
    running.backend(tailor.layout).submit(serve_manifest(tailor, "r1"), 1)
    assert tailor.show("r1").state == "running"
    assert stop_run(tailor.layout, "r1")["message"] == "Run r1 is stopped."
    assert tailor.show("r1").state == "stopped"


def test_teardown_stops_a_server_by_its_models_name(tailor: Tailor):
    running.backend(tailor.layout).submit(serve_manifest(tailor, "r1"), 1)
    with pytest.raises(UsageError, match="No server that runs is called other"):
        teardown(tailor.layout, "other")
    (stopped,) = teardown(tailor.layout, "intents")
    assert stopped.startswith("intents@1 (r1")
    assert teardown(tailor.layout, None) == []
