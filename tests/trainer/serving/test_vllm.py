import json

import pytest

from specs.run import JobLimits, ModelRef, ServeTask
from trainer.serving import vllm


def _task(*models: ModelRef) -> ServeTask:
    limits = JobLimits(device="auto", threads=None, max_seconds=None)
    return ServeTask(models=models, port=0, api_key_path="/k", ttl_s=60, max_batch=16, limits=limits)


def _after(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_arguments_name_base_and_adapters_when_lora_is_served(tmp_path) -> None:
    for name, rank in (("a", 8), ("b", 24)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text(json.dumps({"r": rank}))
    base = ModelRef(name="base", location="org/base", revision="abc")
    tuned = [
        ModelRef(name=f"{name}@1", location="org/base", revision="abc", adapter_dir=str(tmp_path / name))
        for name in "ab"
    ]
    command = vllm.arguments(_task(base, *tuned), 8041)
    assert _after(command, "--model") == "org/base"
    assert _after(command, "--revision") == "abc"
    assert (_after(command, "--host"), _after(command, "--port")) == ("127.0.0.1", "8041")
    assert _after(command, "--served-model-name") == "base"
    assert _after(command, "--max-lora-rank") == "32"
    assert _after(command, "--max-loras") == "2"
    start = command.index("--lora-modules") + 1
    assert command[start : start + 2] == [f"a@1={tmp_path / 'a'}", f"b@1={tmp_path / 'b'}"]


def test_arguments_have_no_lora_when_the_model_is_full(tmp_path) -> None:
    command = vllm.arguments(_task(ModelRef(name="full@1", location="/models/full")), 1)
    assert "--enable-lora" not in command
    assert _after(command, "--served-model-name") == "full@1"


def test_key_travels_in_the_environment_alone() -> None:
    task = _task(ModelRef(name="full@1", location="/models/full"))
    assert "the-key" not in " ".join(vllm.arguments(task, 1))
    assert vllm.environment("the-key", {"HOME": "/h"})["VLLM_API_KEY"] == "the-key"
    assert vllm.environment("the-key", {"HOME": "/h"})["HOME"] == "/h"


@pytest.mark.parametrize(
    ("cuda", "package", "locations", "usable"),
    [
        (True, True, ["/b"], True),
        (False, True, ["/b"], False),
        (True, False, ["/b"], False),
        (True, True, ["/b", "/full"], False),
    ],
)
def test_vllm_is_used_when_gpu_package_and_one_base_are_there(monkeypatch, cuda, package, locations, usable) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if package else None)
    task = _task(*(ModelRef(name=location, location=location) for location in locations))
    assert vllm.is_usable(task) is usable
