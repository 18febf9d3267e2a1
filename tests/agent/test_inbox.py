from pathlib import Path

import pytest

from agent.events import UserMessage
from agent.inbox import Inbox

FIRST, SECOND = UserMessage(id="1", text="a"), UserMessage(id="2", text="b\n[x] \u202e")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations" / "main.waiting.json"


def test_inbox_gives_what_waits_in_order_when_it_is_opened_again(path: Path):
    inbox = Inbox(path)
    inbox.put(FIRST)
    inbox.put(SECOND)
    assert Inbox(path).waiting == (FIRST, SECOND)
    inbox.drop("1")
    assert Inbox(path).waiting == (SECOND,)


def test_inbox_keeps_a_message_once_when_it_comes_twice(path: Path):
    inbox = Inbox(path)
    inbox.put(FIRST)
    inbox.put(SECOND)
    inbox.put(FIRST)
    assert inbox.waiting == (SECOND, FIRST)


def test_inbox_leaves_no_file_when_nothing_waits(path: Path):
    inbox = Inbox(path)
    inbox.put(FIRST)
    inbox.drop("1")
    inbox.drop("unknown")
    assert list(path.parent.iterdir()) == []


def test_inbox_is_empty_when_its_file_is_torn(path: Path):
    path.parent.mkdir()
    path.write_text('[{"type": "user_mess')
    assert Inbox(path).waiting == ()


def test_inbox_goes_on_in_memory_when_the_folder_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    inbox = Inbox(tmp_path / "file" / "main.waiting.json")
    inbox.put(FIRST)
    assert inbox.waiting == (FIRST,)
