import hashlib
from pathlib import Path
from typing import Any

import pytest

from specs.layout import ProjectLayout
from specs.plan import Estimate, Step, StepKind
from tools.errors import ToolError
from tools.inputs import StepInputs

COMMIT = "c" * 40


def step(kind: StepKind, arguments: dict[str, Any], inputs: dict[str, str]) -> Step:
    nothing = Estimate(
        seconds=0, seconds_low=0, seconds_high=0, memory_bytes=0, disk_bytes=0, cost_usd=0, num_tokens=0, basis="test"
    )
    return Step(
        id=kind, kind=kind, title=kind, effect="execute", arguments=arguments, inputs=inputs, reads=(), writes=(),
        undo="", values=(), estimate=nothing, depends_on=(),
    )  # fmt: skip


def test_file_below_the_home_folder_is_found_when_the_spec_names_it_by_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rows.csv").write_text("prompt,completion\n")
    inputs = StepInputs(ProjectLayout(tmp_path / "project"))
    found = inputs("~/rows.csv", step("prepare_data", {}, {"~/rows.csv": "0" * 64}))
    assert found == hashlib.sha256(b"prompt,completion\n").hexdigest()


def test_hub_model_is_named_by_its_commit_with_or_without_an_adapter(tmp_path: Path):
    model = {"name": "org/tiny", "location": "org/tiny", "revision": COMMIT}
    inputs = StepInputs(ProjectLayout(tmp_path))
    assert inputs("model", step("baseline", {"model": model}, {})) == f"revision:{COMMIT}"
    adapter = {**model, "adapter_dir": str(tmp_path)}
    assert inputs("model", step("baseline", {"model": adapter}, {})).startswith("sha256:")


def test_input_nobody_can_check_is_refused(tmp_path: Path):
    with pytest.raises(ToolError, match="an input 'weather'"):
        StepInputs(ProjectLayout(tmp_path))("weather", step("deploy", {}, {}))
