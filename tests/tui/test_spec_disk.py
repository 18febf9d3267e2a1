import os
from pathlib import Path

import pytest

from agent.tui.spec_disk import Draft, SpecDisk
from specs.layout import ProjectLayout


@pytest.fixture
def usual_mask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_mask")
def test_draft_is_for_the_person_alone_when_it_is_the_first_thing_kept(project_dir: Path) -> None:
    layout = ProjectLayout(project_dir)
    SpecDisk(layout).keep_draft(Draft("name: a\n", None))
    kept = [layout.state_dir, *layout.state_dir.rglob("*")]
    assert len(kept) == 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
