import time
from pathlib import Path

import httpx
import pytest

from specs.events import Serving
from specs.plan import Plan, Step
from specs.run import GenerateTask, JobLimits, ModelRef, ServeTask
from tests.fakes.chat_script import Recorded
from tests.fakes.measured_project import NOTHING, MeasuredProject
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tests.fakes.tiny_chat_model import make_adapter, make_model, ref
from tools.backends.base import JobStatus
from tools.backends.local.backend import LocalBackend
from tools.deployment.playground import play
from tools.deployment.step import Deploy
from tools.deployment.teardown import teardown
from tools.errors import BackendError, ToolError
from tools.evaluation.step import Baseline
from tools.runs import EventReader
from tools.steps import StepContext

LABELS = [f"label {index}" for index in range(30)]
LIMITS = JobLimits(device="cpu", threads=1, max_seconds=None)


def _context(
    measured: MeasuredProject, base: ModelRef, run_id: str = "r5", kinds=("baseline", "evaluate")
) -> StepContext:
    arguments = {
        "base": base.model_dump(mode="json"),
        "train_step": "train",
        "name": "bank@1",
        "port": 0,
        "ttl_s": 600.0,
        "max_batch": 4,
        "limits": LIMITS.model_dump(mode="json"),
    }
    step = Step(
        id="deploy", kind="deploy", title="", effect="execute", arguments=arguments, inputs={}, reads=(), writes=(),
        undo="", values=(), estimate=NOTHING, depends_on=(),
    )  # fmt: skip
    plan = measured.plan(kinds)
    plan = Plan(**{**dict(plan), "steps": (*plan.steps, step)})
    return StepContext(measured.layout, plan, step, run_id, measured.results)


@pytest.fixture
def measured(tmp_path: Path) -> MeasuredProject:
    """A project whose custom model answered every test row with the label in capitals."""
    project = MeasuredProject(tmp_path, LABELS)
    context = project.context("baseline", "r4")
    run = project.answered(Baseline(), context, project.answers([label.upper() for label in LABELS]))
    project.results["train"] = {"model": ref("whatever", tmp_path / "full").model_dump(mode="json")}
    project.results["evaluate"] = {
        "generations": str(run.generations_path),
        "dataset": project.dataset.model_dump(mode="json"),
        "decoding": {"max_new_tokens": 16, "batch_size": 32},
    }
    return project


def _announce(context: StepContext, server: OpenAIServer) -> None:
    context.run.run_dir.mkdir(parents=True)
    (context.run.run_dir / "api_key").write_text(API_KEY)
    event = Serving(time=1.0, url=server.base_url, models=("seedling", "bank@1"), expires_at=time.time() + 60)
    context.run.events_path.write_text(event.model_dump_json() + "\n")


def _answer(measured: MeasuredProject, wrong: set[str]):
    wanted = {row.prompt[0].content: (row.id, label.upper()) for row, label in zip(measured.rows, LABELS, strict=True)}

    def answer(request: Recorded) -> str:
        assert (request.body["model"], request.body["max_tokens"]) == ("bank@1", 16)
        row_id, text = wanted[request.body["messages"][0]["content"]]
        return "something else" if row_id in wrong else text

    return answer


def test_manifest_serves_base_and_custom_under_the_planned_names(measured: MeasuredProject) -> None:
    base = ModelRef(name="seedling", location="/models/seedling")
    manifest = Deploy(clock=lambda: 7.0).manifest(_context(measured, base))
    assert isinstance(manifest.task, ServeTask)
    assert [model.name for model in manifest.task.models] == ["seedling", "bank@1"]
    assert manifest.task.models[1].location.endswith("full")
    assert Path(manifest.task.api_key_path).parent == measured.layout.run("r5").run_dir
    assert (manifest.run_id, manifest.step, manifest.created_at) == ("r5", "deploy", 7.0)


def test_manifest_keeps_the_adapter_of_a_lora_model(measured: MeasuredProject) -> None:
    adapter = ModelRef(name="x", location="org/base", revision="abc", adapter_dir="/runs/r3/model")
    measured.results["train"] = {"model": adapter.model_dump(mode="json")}
    manifest = Deploy().manifest(_context(measured, ModelRef(name="base", location="org/base", revision="abc")))
    assert isinstance(manifest.task, ServeTask)
    assert manifest.task.models[1] == adapter.model_copy(update={"name": "bank@1"})


def test_manifest_names_the_missing_step_when_nothing_was_trained(measured: MeasuredProject) -> None:
    del measured.results["train"]
    with pytest.raises(ToolError, match="train"):
        Deploy().manifest(_context(measured, ModelRef(name="seedling", location="/m")))


@pytest.mark.parametrize(("num_wrong", "warned"), [(0, False), (2, False), (3, True)])
def test_finish_compares_with_the_evaluated_answers(measured: MeasuredProject, num_wrong: int, warned: bool) -> None:
    base = ModelRef(name="seedling", location="/m")
    context = _context(measured, base)
    with OpenAIServer(_answer(measured, set()), models=("seedling", "bank@1")) as server:
        _announce(context, server)
        drawn = Deploy().finish(context)
        asked = [request.body["messages"][0]["content"] for request in server.requests if request.method == "POST"]
    by_prompt = {row.prompt[0].content: row.id for row in measured.rows}
    wrong = {by_prompt[prompt] for prompt in sorted(asked)[:num_wrong]}
    assert (drawn["parity"]["rows"], drawn["parity"]["equal"]) == (20, 20)

    context = _context(measured, base, "r6")
    with OpenAIServer(_answer(measured, wrong), models=("seedling", "bank@1")) as server:
        _announce(context, server)
        result = Deploy().finish(context)
    assert result["parity"]["equal"] == 20 - num_wrong
    assert set(result["parity"]["different"]) == wrong
    assert bool(result["warnings"]) is warned
    assert result["run_id"] == "r6"
    assert result["url"] == server.base_url
    assert result["models"] == ["seedling", "bank@1"]
    assert Path(result["api_key_path"]).read_text() == API_KEY


def test_finish_leaves_the_comparison_out_when_nothing_was_evaluated(measured: MeasuredProject) -> None:
    context = _context(measured, ModelRef(name="seedling", location="/m"), kinds=("baseline",))
    with OpenAIServer([], models=("seedling", "bank@1")) as server:
        _announce(context, server)
        result = Deploy().finish(context)
    assert result["parity"] is None
    assert result["warnings"] == []


def test_finish_fails_when_another_program_answers(measured: MeasuredProject) -> None:
    context = _context(measured, ModelRef(name="seedling", location="/m"))
    with OpenAIServer([], models=("gpt",)) as server:
        _announce(context, server)
        with pytest.raises(BackendError, match="does not offer seedling"):
            Deploy().finish(context)


def test_finish_fails_when_the_server_is_gone(measured: MeasuredProject) -> None:
    context = _context(measured, ModelRef(name="seedling", location="/m"))
    with OpenAIServer([]) as server:
        _announce(context, server)
    with pytest.raises(BackendError, match="does not answer"):
        Deploy().finish(context)


def test_finish_fails_when_the_server_never_answered(measured: MeasuredProject) -> None:
    context = _context(measured, ModelRef(name="seedling", location="/m"))
    with pytest.raises(ToolError, match="never answered"):
        Deploy().finish(context)


def _wait(backend: LocalBackend, run_id: str, done) -> JobStatus:
    deadline = time.monotonic() + 60
    while not done(status := backend.status(run_id)):
        assert time.monotonic() < deadline, backend.read_log(run_id).text
        time.sleep(0.05)
    return status


def _launch(measured: MeasuredProject, backend: LocalBackend, handler, context: StepContext, launch: int = 1) -> None:
    manifest = handler.manifest(context)
    context.run.run_dir.mkdir(parents=True, exist_ok=True)
    context.run.manifest_path.write_text(manifest.model_dump_json())
    backend.submit(manifest, launch)


@pytest.mark.slow
def test_model_is_evaluated_deployed_played_with_and_torn_down(measured: MeasuredProject, tmp_path: Path) -> None:
    base_dir = make_model(tmp_path / "base")
    adapter_dir = make_adapter(tmp_path / "adapter", base_dir, seed=1)
    base, tuned = ref("seedling", base_dir), ref("bank@1", base_dir, adapter_dir)
    backend = LocalBackend(measured.layout)

    generating = _context(measured, base, "r1")
    task = GenerateTask(
        model=tuned,
        prompts_path=str(measured.dataset_dir / "test.jsonl"),
        max_new_tokens=16,
        batch_size=8,
        limits=LIMITS,
    )
    manifest = Deploy().manifest(generating).model_copy(update={"task": task, "step": "evaluate"})
    generating.run.run_dir.mkdir(parents=True)
    generating.run.manifest_path.write_text(manifest.model_dump_json())
    backend.submit(manifest, 1)
    _wait(backend, "r1", lambda status: status.state == "finished")
    measured.results["train"] = {"model": tuned.model_dump(mode="json")}
    measured.results["evaluate"]["generations"] = str(generating.run.generations_path)

    context = _context(measured, base, "r2")
    _launch(measured, backend, Deploy(), context)
    reader = EventReader(context.run.events_path)
    try:
        _wait(backend, "r2", lambda _: any(isinstance(placed.event, Serving) for placed in reader.read()))
        result = Deploy().finish(context)
        assert result["parity"]["rows"] == 20
        assert result["parity"]["equal"] >= 18, result["parity"]
        assert Path(result["api_key_path"]).stat().st_mode & 0o777 == 0o600
        played = play(measured.layout, "hello")
        assert [answer["model"] for answer in played["answers"]] == ["seedling", "bank@1"]
        assert played["answers"][0]["text"] != played["answers"][1]["text"]
    finally:
        stopped = teardown(measured.layout, backend, "bank@1")
    assert [each.run_id for each in stopped] == ["r2"]
    assert backend.status("r2").state == "finished"
    assert backend.status("r2").exit_code == 4
    assert not Path(result["api_key_path"]).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(result["url"])
