import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

from langchain_core.language_models.chat_models import BaseChatModel

from tests.fakes.conversation import Conversation
from tests.fakes.quick_engine import quick_backend, write_data
from tools import running


@pytest.fixture(autouse=True)
def quick_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "backend", quick_backend)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_data(tmp_path / "project")


@pytest.fixture
def converse(project: Path) -> Iterator[Callable[..., Conversation]]:
    """Begin a conversation in the project, with a model or with the guide."""
    begun: list[Conversation] = []

    def begin(model: BaseChatModel | None = None, **options) -> Conversation:
        begun.append(Conversation(options.pop("root", project), model, **options))
        return begun[-1]

    yield begin
    for conversation in begun:
        conversation.close()


@pytest.fixture
def guided(converse: Callable[..., Conversation]) -> Conversation:
    """A conversation with the guide that has greeted."""
    conversation = converse()
    conversation.open()
    return conversation
