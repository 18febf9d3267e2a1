"""What a conversation keeps between steps: small, JSON-like, and by reference for everything bulky.

Plans, data and results lie in the project and are named here by hash or path. Nothing secret may enter.
"""

from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from pydantic import Field

from specs.base import StrictModel
from tools.steps import JsonDict

MAX_QUESTIONS = 6
NOTES = "notes"
"""Key under which a user message carries what Tailor adds to it: edits of the spec seen since the last turn."""
OPENING = "opening"
"""Key of the empty message with which a guide that speaks first is started."""


class ApprovalRequest(StrictModel):
    """What waits for a person: a tool call, the plan it is about and the steps' digests."""

    id: str
    call: str
    tool: str
    arguments: JsonDict
    plan: str
    steps: dict[str, str]
    """Digest by step id, of the steps that need a grant."""
    reasons: tuple[str, ...] = ()


class ApprovalAnswer(StrictModel):
    """What resumes an approval. Grant ids only; whether they hold is decided where the job is launched."""

    request_id: str
    decision: Literal["approve", "deny", "talk"]
    """`talk`: the person wrote something else instead of answering."""
    grants: dict[str, str] = Field(default_factory=dict)
    reason: str = ""
    keys: str = ""
    message_id: str = ""


class LicenseWords(StrictModel):
    """What the person said about licences of base models."""

    asked: str | None = None
    """Base model of the licence question that is open."""
    accepted: tuple[str, ...] = ()
    """Base models whose licence the person accepted in this thread."""


class ConversationState(TypedDict, total=False):
    """The channels of the graph."""

    messages: Annotated[list[AnyMessage], add_messages]
    spec_text: str
    """spec.yaml as last seen and valid; empty when there was none."""
    broken_spec: str
    """Hash of the invalid spec text last told about."""
    asked: list[str]
    """Topics of this interview's questions, or their words; the same one asked again counts once."""
    question: JsonDict
    """The open question; empty when none is."""
    licence: JsonDict
    request: JsonDict
    """The approval that is open or answered and being carried out; empty when none is."""
    grants: dict[str, str]
    plan: str
    plan_state: str
    goes_on: bool
    """Whether the agent speaks next; otherwise the turn ends."""


def fresh_state() -> dict[str, Any]:
    """Return the values a new thread starts from."""
    return {
        "spec_text": "",
        "broken_spec": "",
        "asked": [],
        "question": {},
        "licence": LicenseWords().model_dump(),
        "request": {},
        "grants": {},
        "plan": "",
        "plan_state": "none",
        "goes_on": True,
    }
