import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "mlflow",
    "boto3",
    "botocore",
    "langgraph",
    "langchain_core",
)
HEAVY += ("langchain_aws", "langchain_openai", "textual", "numpy", "scipy", "pyarrow", "pandas", "fastapi")


def loaded_by(statement: str) -> set[str]:
    program = f"import json, sys; {statement}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def modules_below(folder: str) -> list[str]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def test_specs_loads_pydantic_and_ruamel_only():
    loaded = loaded_by("; ".join(f"import {name}" for name in modules_below("specs")))
    assert loaded & {*HEAVY, "httpx", "psutil", "orjson", "agent", "tools", "trainer"} == set()


def test_tools_loads_no_training_library_and_no_agent():
    names = [name for name in modules_below("tools") if not name.endswith("supervisor")]
    loaded = loaded_by("; ".join(f"import {name}" for name in names))
    assert loaded.isdisjoint(
        {"torch", "transformers", "trl", "peft", "datasets", "textual", "langgraph", "agent", "trainer"}
    )


def test_trainer_loads_no_tools_and_no_agent():
    loaded = loaded_by(
        "; ".join(f"import {name}" for name in ("trainer.run", "trainer.sft", "trainer.generate", "trainer.serve"))
    )
    assert loaded & {"agent", "tools", "textual", "langgraph", "langchain_core"} == set()


@pytest.mark.parametrize("module", ["agent.cli", "agent.client", "agent.events", "tools.client", "tools.registry"])
def test_what_a_screen_needs_first_loads_nothing_heavy(module: str):
    assert loaded_by(f"import {module}") & set(HEAVY) == set()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_short_commands_load_nothing_heavy(arguments: list[str]):
    statement = "import agent.cli\ntry:\n    agent.cli.main(" + repr(arguments) + ")\nexcept SystemExit:\n    pass\n"
    program = statement + "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])).isdisjoint(HEAVY)
