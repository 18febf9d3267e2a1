import stat
from pathlib import Path

import pytest

from tools.errors import ToolError, UsageError
from tools.project import open_project


def test_project_state_is_private(tmp_path: Path):
    layout = open_project(tmp_path)
    assert stat.S_IMODE(layout.state_dir.stat().st_mode) == 0o700
    assert (layout.state_dir / ".gitignore").read_text().rstrip().endswith("*")


def test_missing_folder_is_refused_with_the_next_step(tmp_path: Path):
    with pytest.raises(UsageError, match="tailor init"):
        open_project(tmp_path / "nowhere")


def test_missing_folder_is_made_when_asked(tmp_path: Path):
    assert open_project(tmp_path / "new" / "project", create=True).state_dir.is_dir()


def test_a_file_in_the_way_is_told_in_a_sentence(tmp_path: Path):
    (tmp_path / ".tailor").write_text("in the way")
    with pytest.raises(ToolError, match="cannot be made"):
        open_project(tmp_path)
