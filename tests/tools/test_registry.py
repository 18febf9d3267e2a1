import ast
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from specs.errors import SpecError
from tests.fakes.planned_project import project_with_spec
from tools.approvals import GrantIssuer
from tools.client import Tailor
from tools.granting import approve_steps
from tools.registry import TOOLS, ToolCall, ToolDef, tool

ROOT = Path(__file__).resolve().parents[2]
# where a person's own words are read; nothing a model says gets there
HUMAN_DOORS = {"agent/headless.py", "agent/run_command.py", "agent/tui/deciding.py", "agent/tui/desk.py"}
EFFECTS = {
    "project_status": "read", "inspect_data": "read", "show_data": "read", "show_spec": "read", "create_spec": "write",
    "update_spec": "write", "undo_spec": "write", "make_plan": "read", "run_steps": "execute", "show_results": "read",
    "explain": "read", "stop_run": "write", "play": "read", "teardown": "write",
}  # fmt: skip
ARGUMENTS = {
    "inspect_data": {"path": "a.csv"}, "create_spec": {"fields": {}}, "run_steps": {"plan": "sha256:0"},
    "update_spec": {"changes": [{"path": "name", "value": "x"}]}, "explain": {"topic": "LoRA"},
    "stop_run": {"run": "r1"}, "play": {"prompt": "hi"},
}  # fmt: skip


@pytest.fixture
def tailor(tmp_path: Path) -> Tailor:
    return project_with_spec(tmp_path / "project")


def call(tailor: Tailor, name: str, arguments: dict | None = None, **brought: object) -> dict:
    found = tool(name)
    return found.run(tailor, found.args.model_validate(arguments or {}), ToolCall(**brought))


def functions_reached(function: types.FunctionType, seen: set[object]) -> Iterator[types.FunctionType]:
    """Yield a function and those of its module that it names."""
    if function in seen:
        return
    seen.add(function)
    yield function
    for name in function.__code__.co_names:
        found = function.__globals__.get(name)
        if isinstance(found, types.FunctionType) and found.__module__ == function.__module__:
            yield from functions_reached(found, seen)


def makes_grants(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            if names & {"tools.granting", "granting", "GrantIssuer", "approve_steps"}:
                return True
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in {"approve", "issue"}:
            return True
    return False


def test_tools_have_the_effects_that_approval_rests_on():
    assert {each.name: each.effect for each in TOOLS} == EFFECTS


@pytest.mark.parametrize("each", TOOLS, ids=lambda each: each.name)
def test_tool_refuses_unknown_arguments_and_missing_ones(each: ToolDef):
    given = ARGUMENTS.get(each.name, {})
    each.args.model_validate(given)
    for extra in ("grants", "approve", "by_person", "anything"):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            each.args.model_validate({**given, extra: True})
    if given:
        with pytest.raises(ValidationError):
            each.args.model_validate({})


def test_unknown_tool_is_a_key_error():
    with pytest.raises(KeyError):
        tool("approve")


def test_run_steps_hands_the_grants_on_and_runs_nothing_without_them(tailor: Tailor):
    plan = tailor.plan()
    arguments = {"plan": plan.hash, "steps": ["prepare_data"]}
    told = []
    finished = call(tailor, "run_steps", arguments, emit=told.append)
    assert finished["state"] == "waiting"
    assert [event.type for event in told] == ["step_waiting", "plan_finished"]
    assert not tailor.layout.datasets_dir.exists()
    finished = call(tailor, "run_steps", arguments, grants=tailor.approve(plan, ["prepare_data"]))
    assert finished["steps"][0]["state"] == "succeeded"
    assert call(tailor, "show_data")["splits"]["test"] == 24


def test_grant_of_another_process_runs_nothing(tailor: Tailor):
    plan = tailor.plan()
    grants = Tailor(tailor.layout.root).approve(plan, "all")
    assert call(tailor, "run_steps", {"plan": plan.hash}, grants=grants)["state"] == "waiting"
    assert not tailor.layout.runs_dir.exists()


@pytest.mark.parametrize("each", TOOLS, ids=lambda each: each.name)
def test_no_tool_names_anything_that_approves(each: ToolDef):
    reached = list(functions_reached(each.run, set()))
    names = {name for function in reached for name in function.__code__.co_names}
    assert names.isdisjoint({"approve", "approve_steps", "issue", "GrantIssuer", "GrantKey", "granting", "_key"})
    values = [value for function in reached for value in function.__globals__.values()]
    assert not any(value is approve_steps or value is GrantIssuer for value in values)


def test_grants_are_made_in_the_human_front_ends_alone():
    paths = [*(ROOT / "agent").rglob("*.py"), ROOT / "tools" / "registry.py"]
    assert {str(path.relative_to(ROOT)) for path in paths if makes_grants(path)} == HUMAN_DOORS


def test_edit_by_a_tool_accepts_no_licence(tailor: Tailor):
    changes = [{"path": "model.license_accepted", "value": True}]
    with pytest.raises(SpecError, match="only a person accepts a licence"):
        call(tailor, "update_spec", {"changes": changes})


def test_tools_edit_show_and_take_back_the_spec(tailor: Tailor):
    assert (
        "+    epochs: 4" in call(tailor, "update_spec", {"changes": [{"path": "train.0.epochs", "value": 4}]})["diff"]
    )
    assert "epochs: 4" in call(tailor, "show_spec")["text"]
    assert "-    epochs: 4" in call(tailor, "undo_spec")["diff"]


def test_make_plan_returns_the_hash_and_leaves_the_specs_text_out(tailor: Tailor):
    made = call(tailor, "make_plan")
    assert made["plan"] == tailor.known_plan().hash
    assert "spec_text" not in made


def test_looking_tools_answer(tailor: Tailor):
    assert call(tailor, "project_status")["spec"]["name"] == "intents"
    assert call(tailor, "inspect_data", {"path": "data/train.csv"})["num_rows"] == 80
    assert "adapter" in call(tailor, "explain", {"topic": "LoRA"})["text"].lower()
    assert call(tailor, "teardown") == {"stopped": []}
