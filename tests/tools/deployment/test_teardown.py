import pytest

from specs.plan import Plan, Step
from tests.fakes.measured_project import NOTHING
from tools.deployment.teardown import orphans, teardown
from tools.errors import BackendError, UsageError
from tools.ledger import GrantRecord, Ledger


def _key_exists(project, run_id: str) -> bool:
    return (project.layout.run(run_id).run_dir / "api_key").exists()


def test_teardown_stops_every_server_and_removes_its_key(project) -> None:
    project.serve("r1", [])
    project.serve("r2", [], ("seedling", "other@3"))
    project.serving_run("r3", "http://127.0.0.1:1/v1")
    project.backend.states["r3"] = "finished"
    stopped = teardown(project.layout, project.backend)
    assert [each.run_id for each in stopped] == ["r1", "r2"]
    assert str(stopped[1]).startswith("other@3 (r2, http://127.0.0.1:")
    assert not any(_key_exists(project, run_id) for run_id in ("r1", "r2", "r3"))
    assert teardown(project.layout, project.backend) == ()


@pytest.mark.parametrize("name", ["bank@1", "bank", "r1"])
def test_teardown_stops_the_named_server_alone(project, name: str) -> None:
    project.serve("r1", [])
    project.serve("r2", [], ("seedling", "other@3"))
    assert [each.run_id for each in teardown(project.layout, project.backend, name)] == ["r1"]
    assert _key_exists(project, "r2")
    assert project.backend.states["r2"] == "running"


@pytest.mark.parametrize("name", ["seedling", "nope", "bank@2"])
def test_teardown_names_what_runs_when_the_name_is_unknown(project, name: str) -> None:
    project.serve("r1", [])
    with pytest.raises(UsageError) as caught:
        teardown(project.layout, project.backend, name)
    assert "bank@1 (r1)" in caught.value.hint
    assert project.backend.states["r1"] == "running"


@pytest.mark.parametrize("still", ["running", "answering"])
def test_teardown_fails_when_the_server_does_not_go(project, still: str) -> None:
    project.serve("r1", [])
    if still == "running":
        project.backend.stubborn = True
    else:
        # the job counts as ended, but something with its key goes on answering
        project.extra = project.backend.servers.pop("r1")
    with pytest.raises(BackendError, match="r1"):
        teardown(project.layout, project.backend)
    assert _key_exists(project, "r1")
    if still == "answering":
        project.extra.__exit__(None, None, None)


def test_orphans_are_servers_without_a_step_in_the_ledger(project) -> None:
    step = Step(
        id="deploy", kind="deploy", title="", effect="execute", arguments={}, inputs={}, reads=(), writes=(),
        undo="", values=(), estimate=NOTHING, depends_on=(),
    )  # fmt: skip
    plan = Plan(name="bank", spec_hash="h", spec_text="", steps=(step,), max_usd=0, max_seconds=1)
    with Ledger(project.layout.ledger_path) as ledger:
        ledger.record_plan(plan)
        job = ledger.intend_launch(ledger.claim_job(plan.hash, "deploy"))
        grant = GrantRecord(
            grant_id="g", digest="d", plan=plan.hash, step="deploy", max_usd=0, max_seconds=1, issued_at=0,
            issued_uptime=0, boot="", ttl_s=1, signer="s", mac="m",
        )  # fmt: skip
        ledger.begin_step(grant, job, usd=0, now=0)
        project.serving_run(job.run_id, "http://127.0.0.1:1/v1", plan=plan.hash)
        project.serving_run("r7", "http://127.0.0.1:2/v1", plan=plan.hash)
        project.serving_run("r8", "http://127.0.0.1:3/v1")
        found = orphans(project.layout, project.backend, ledger)
    assert [server.run_id for server in found] == ["r7", "r8"]
