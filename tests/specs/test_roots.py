"""The guard against packages of the same names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from specs.errors import TailorError
from specs.roots import check_roots, package_root, seedling_dir


def test_roots_are_one_folder_in_this_checkout() -> None:
    check_roots()
    assert (package_root() / "specs" / "roots.py").is_file()
    assert seedling_dir() == package_root() / "trainer" / "seedling" / "weights"


@pytest.mark.parametrize("with_init", [True, False])
def test_stranger_is_named_when_a_package_comes_from_elsewhere(with_init: bool, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    if with_init:
        (tmp_path / "tools" / "__init__.py").write_text("raise SystemExit('imported')")
    code = "from specs.roots import check_roots; check_roots()"
    path = os.pathsep.join([str(tmp_path), str(package_root())])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # a folder without __init__.py never wins over a real package
    assert ("is taken from" in done.stderr) is with_init
    assert done.returncode == (1 if with_init else 0)
    assert "imported" not in done.stderr


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specs.roots._FOLDERS", ("no_such_package",))
    with pytest.raises(TailorError, match="not installed beside"):
        check_roots()


def test_guard_imports_nothing_when_it_runs() -> None:
    code = (
        "import sys; from specs.roots import check_roots; check_roots(); "
        "print([n for n in ('agent', 'tools', 'trainer', 'pydantic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=package_root(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
