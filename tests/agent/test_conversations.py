import os

import pytest

from agent.conversations import chosen_thread, conversation_path, new_thread
from specs.layout import ProjectLayout
from tools.errors import UsageError


def keep(layout: ProjectLayout, name: str, when: int) -> None:
    path = conversation_path(layout, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    os.utime(path, (when, when))


def test_thread_is_the_latest_when_none_is_named(tmp_path):
    layout = ProjectLayout(tmp_path)
    assert chosen_thread(layout, None) == "main"
    keep(layout, "main", 100)
    keep(layout, "talk-2", 200)
    assert chosen_thread(layout, None) == "talk-2"
    assert chosen_thread(layout, "main") == "main"
    assert new_thread(layout) == "talk-3"


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "a" * 65, "a\n", "\x1b[31m"])
def test_thread_is_refused_when_its_name_could_not_be_a_file(tmp_path, name):
    with pytest.raises(UsageError, match="no name for a conversation"):
        chosen_thread(ProjectLayout(tmp_path), name)
