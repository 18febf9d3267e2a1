"""A conversation in one process: real graph, tools, ledger and executor, with quick jobs instead of training."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from langchain_core.language_models.chat_models import BaseChatModel

from agent.assembly import make_context
from agent.context import AgentContext, Brain
from agent.events import AgentEvent, Approval, ApprovalRequested, Decision, Question, Shown, SpecChanged, Text
from agent.session import AgentSession
from agent.threads import open_threads
from tools.approvals import GrantKey
from tools.client import Tailor

E = TypeVar("E")
TASK = "Label bank messages by intent, train on data/train.csv and test on data/test.csv, don't deploy"
TO_THE_SPEC = (TASK, "", "", "")
"""What leads the guide to a written spec in a project made by `write_data`."""
TO_THE_PLAN = (*TO_THE_SPEC, "go on")


class Conversation:
    """One engine's session and the person in front of it."""

    def __init__(self, root: Path, model: BaseChatModel | None = None, key: GrantKey | None = None) -> None:
        self.key = key or GrantKey.new()
        self.tailor = Tailor(root, grant_key=self.key)
        self.root = root
        self.events: list[AgentEvent] = []
        self.stack = ExitStack()
        self.saver = self.stack.enter_context(open_threads(self.tailor.layout))
        context = make_context(self.tailor, "guide")
        if model is not None:
            context = AgentContext(context.door, context.toolset, Brain("scripted", model), context.journal)
        self.context = context
        self.session = AgentSession(self.saver, context)

    def close(self) -> None:
        self.stack.close()

    def open(self) -> list[AgentEvent]:
        return self._take(self.session.open())

    def say(self, *texts: str) -> list[AgentEvent]:
        """Say each text; return the events of the last turn."""
        told: list[AgentEvent] = []
        for text in texts:
            told = self._take(self.session.send(text))
        return told

    def answer(self, decision: Decision, *steps: str, reason: str = "", grants: dict[str, str] | None = None):
        """Answer the approval that was shown last, with grants of this person unless others are given."""
        request = self.request
        if grants is None:
            grants = self.tailor.approve(request.plan, steps or "all") if decision == "approve" else {}
        command = Approval(request_id=request.request_id, decision=decision, grants=grants, reason=reason)
        return self._take(self.session.answer(command))

    @property
    def request(self) -> ApprovalRequested:
        return self.last(ApprovalRequested)

    def last(self, kind: type[E]) -> E:
        return next(event for event in reversed(self.events) if isinstance(event, kind))

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def said(self) -> str:
        """What the agent said in its last message."""
        return self.last(Text).text

    @property
    def question(self) -> Question:
        """The last question, whichever piece of work asked it."""
        return self.last(Question).model_copy(update={"node": "", "again": False})

    @property
    def diff(self) -> str:
        return self.last(SpecChanged).diff

    @property
    def shown(self) -> str:
        return self.last(Shown).text

    def launches(self) -> int:
        """How often any job was launched in this project."""
        return len(list(self.tailor.layout.runs_dir.glob("*/job.json")))

    def _take(self, events: Iterator[AgentEvent]) -> list[AgentEvent]:
        told = list(events)
        self.events += told
        return told
