import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIGHT = (
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "typing_extensions",
    "typing_inspection",
    "ruamel",
    "_ruamel_yaml",
)


def site_packages() -> Path:
    import pydantic

    return Path(pydantic.__file__).parents[1]


@pytest.fixture
def bare_environment(tmp_path: Path) -> Path:
    """Return a Python that has specs, trainer, pydantic and ruamel, and nothing else."""
    folder = tmp_path / "bare"
    venv.create(folder, with_pip=False)
    target = next((folder / "lib").glob("python3*")) / "site-packages"
    for name in LIGHT:
        for found in [
            *site_packages().glob(name),
            *site_packages().glob(f"{name}.py"),
            *site_packages().glob(f"{name}.*.so"),
        ]:
            copy = shutil.copytree if found.is_dir() else shutil.copy
            copy(found, target / found.name)
    skipped = shutil.ignore_patterns("__pycache__", "weights")
    for name in ("specs", "trainer"):
        shutil.copytree(ROOT / name, target / name, ignore=skipped)
    return folder / "bin" / "python"


def test_trainer_shows_its_help_with_pydantic_and_ruamel_alone(bare_environment: Path, tmp_path: Path):
    done = subprocess.run(
        [bare_environment, "-P", "-m", "trainer", "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


@pytest.mark.slow
def test_wheel_holds_the_four_packages_and_their_data(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"agent", "tools", "trainer", "specs"}
    for needed in ("trainer/seedling/weights/model.safetensors", "trainer/seedling/weights/tokenizer.json"):
        assert needed in names
    assert any(name.startswith("specs/templates/") and name.endswith(".yaml") for name in names)
    assert any(name.startswith("agent/prompts/") and name.endswith(".md") for name in names)
