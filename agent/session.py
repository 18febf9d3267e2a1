"""One conversation: words and answers in, events out. The engine serves it over a socket, tests call it directly."""

import logging
import uuid
from collections.abc import Generator, Iterator
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.errors import GraphRecursionError, UnknownInterruptError
from langgraph.types import Command, Interrupt, StateSnapshot

from agent.cards import plan_cards, spec_diff
from agent.context import AgentContext, EngineLeaves
from agent.events import AgentEvent, Approval, ApprovalRequested, Notice, Question, Text, TurnFailed, TurnFinished
from agent.graph import MAX_SUPERSTEPS, build_graph, thread_config
from agent.memory import is_opening
from agent.nodes import under_way
from agent.state import OPENING, ApprovalAnswer, ConversationState, fresh_state
from agent.threads import is_about_storage, prune, unkept
from specs.errors import ExitCode, TailorError
from specs.plan import Plan
from tools.escape import visible
from tools.ledger import Ledger

_LOG = logging.getLogger(__name__)
_LONGEST_DIFF = 2_000_000
_GREETING = (
    "Hello. Tell me in a sentence what the model should do, and which files hold examples. "
    "I write the spec with you; nothing runs before you approve it."
)


class AgentSession:
    """A thread of one project, with its brain and tools."""

    def __init__(self, saver: SqliteSaver, context: AgentContext, thread: str = "main") -> None:
        self._saver = saver
        # the compiled graph is only partly typed
        self._graph: Any = build_graph(saver)
        self._context = context
        self._thread = thread
        self._config = thread_config(thread)

    @property
    def is_new(self) -> bool:
        """Whether nothing was said in this thread yet."""
        return not self._state().values

    def knows(self, message_id: str) -> bool:
        """Whether the thread holds a message of the person under that id."""
        return _knows(self._state(), message_id)

    def open(self) -> Iterator[AgentEvent]:
        """Take the thread up where it stands: greet, go on with an unfinished turn, or show what waits."""
        snapshot = self._state()
        if not snapshot.values:
            yield from self._greet()
        elif (pending := _pending(snapshot)) and (done := self._done_elsewhere(pending)):
            yield Notice(message=f"Done or running meanwhile, so no approval is asked for: {', '.join(done)}.")
            # an answer to no open request makes the request anew, from what the ledger says now
            yield from self._resume(pending, ApprovalAnswer(request_id="", decision="deny"))
        # `next` leaves out a task that is done and whose results no checkpoint holds yet: there is still work then
        elif snapshot.interrupts or not snapshot.tasks:
            yield from self._waiting_again(snapshot)
        else:
            yield Notice(message="Going on where the conversation was interrupted.", again=True)
            yield from self._turn_taken_up()

    def send(self, text: str, message_id: str | None = None) -> Iterator[AgentEvent]:
        """Take a message of the person and answer it. A message sent again under the same id is answered once."""
        message_id = message_id or uuid.uuid4().hex
        snapshot = self._state()
        if _knows(snapshot, message_id):
            yield from self.open()
            return
        if pending := _pending(snapshot):
            answer = ApprovalAnswer(
                request_id=_request_id(pending), decision="talk", reason=text, message_id=message_id
            )
            yield from self._resume(pending, answer)
            return
        message = HumanMessage(text, id=message_id)
        first = fresh_state() if not snapshot.values else {}
        yield from self._turn({**first, "messages": [message]})

    def answer(self, approval: Approval, *, is_again: bool = False) -> Iterator[AgentEvent]:
        """Take the person's answer to an approval. An answer to a question that is not open changes nothing.

        Args:
            approval: the answer.
            is_again: whether an earlier engine was given it, too, and may have taken it.
        """
        snapshot = self._state()
        pending = _pending(snapshot)
        if pending is None or _request_id(pending) != approval.request_id:
            if not is_again:
                yield Notice(message="That approval is not open any more.", hint="Answer the one that is shown.")
            yield from self.open()
            return
        answer = ApprovalAnswer(
            request_id=approval.request_id,
            decision=approval.decision,
            grants=approval.grants,
            reason=approval.reason,
            keys=approval.keys,
        )
        yield from self._resume(pending, answer)

    def stop(self) -> None:
        """End the turn at work, from any thread; jobs go on."""
        self._context.control.stop()

    def leave(self) -> None:
        """End the session in the middle of a step, from any thread; `open` takes it up."""
        self._context.control.leave()

    def _done_elsewhere(self, pending: Interrupt) -> list[str]:
        """Return the steps asked for that `tailor run` has done or begun since they were asked for."""
        asked = cast("dict[str, Any]", pending.value)
        done = under_way(self._context, str(asked["plan"]))
        return [step for step in asked["steps"] if step in done]

    def _greet(self) -> Iterator[AgentEvent]:
        if self._context.brain.is_guide:
            opening = HumanMessage("", id=uuid.uuid4().hex, additional_kwargs={OPENING: True})
            yield from self._turn({**fresh_state(), "messages": [opening]})
            return
        yield Text(role="assistant", text=_GREETING)
        yield TurnFinished(waiting="user")

    def _resume(self, pending: Interrupt, answer: ApprovalAnswer) -> Iterator[AgentEvent]:
        yield from self._turn(Command(resume={pending.id: answer.model_dump()}))

    def _turn_taken_up(self) -> Iterator[AgentEvent]:
        """Finish an interrupted turn, and show what it asks even if that was asked before the interruption."""
        has_asked = False
        for event in self._turn(None):
            has_asked = has_asked or isinstance(event, Question)
            if isinstance(event, TurnFinished) and not has_asked:
                yield from _question_again(cast("ConversationState", self._state().values))
            yield event

    def _turn(self, graph_input: Any) -> Iterator[AgentEvent]:
        self._context.control.begin()
        try:
            yield from self._stream(graph_input)
        except EngineLeaves:
            return
        except UnknownInterruptError:
            yield Notice(message="That approval was answered before.")
        except GraphRecursionError:
            yield TurnFailed(
                message=f"The turn was ended after {MAX_SUPERSTEPS} steps without an answer.",
                hint="Say what to do next, or choose another brain with --brain.",
            )
            return
        except TailorError as error:
            yield TurnFailed(message=error.message, hint=error.hint, exit_code=int(error.exit_code))
            return
        except Exception as error:  # noqa: BLE001 - the one place where a turn's failure becomes an event
            if is_about_storage(error):
                refusal = unkept(self._context.door.layout.state_dir, error)
                yield TurnFailed(message=refusal.message, hint=refusal.hint, exit_code=int(refusal.exit_code))
                return
            _LOG.exception("turn failed")
            yield TurnFailed(
                message=f"The turn failed unexpectedly ({type(error).__name__}).",
                hint=f"Details are in {self._context.door.layout.log_path}. Say `go on` to try again.",
                exit_code=int(ExitCode.FAILED),
            )
            return
        snapshot = self._state()
        prune(self._saver, self._thread)
        yield from self._waiting_after(snapshot)

    def _stream(self, graph_input: Any) -> Generator[AgentEvent]:
        stream = self._graph.stream(
            graph_input, self._config, context=self._context, stream_mode="custom", durability="sync"
        )
        yield from cast("Iterator[AgentEvent]", stream)

    def _waiting_after(self, snapshot: StateSnapshot) -> Iterator[AgentEvent]:
        values = cast("ConversationState", snapshot.values)
        if pending := _pending(snapshot):
            yield self._request_event(pending)
        state = cast("Any", values.get("plan_state", "none"))
        yield TurnFinished(waiting="approval" if pending else "user", plan_state=state)

    def _waiting_again(self, snapshot: StateSnapshot) -> Iterator[AgentEvent]:
        """Show again what the person was last shown."""
        values = cast("ConversationState", snapshot.values)
        for message in _last_exchange(values.get("messages", [])):
            role = "user" if isinstance(message, HumanMessage) else "assistant"
            if message.text:
                yield Text(role=role, text=visible(message.text, 20_000), id=message.id or "", again=True)
        yield from _question_again(values)
        yield from self._waiting_after(snapshot)

    def _request_event(self, pending: Interrupt) -> ApprovalRequested:
        asked = cast("dict[str, Any]", pending.value)
        plan = self._context.door.known_plan(str(asked["plan"]))
        is_first, diff = self._since_approved(plan)
        return ApprovalRequested(
            request_id=_request_id(pending),
            plan=plan,
            steps=plan_cards(plan, frozenset(asked["steps"])),
            diff=diff,
            is_first=is_first,
            reasons=tuple(visible(str(reason)) for reason in asked.get("reasons", ())),
        )

    def _since_approved(self, plan: Plan) -> tuple[bool, str]:
        """Return whether nothing was approved in this project before, and what changed in the spec since."""
        with Ledger(self._context.door.layout.ledger_path) as ledger:
            try:
                approved = ledger.approved_plan()
            except (TailorError, ValueError):
                return False, "The plan approved last cannot be read, so there is no difference to show."
        return approved is None, spec_diff(approved.spec_text, plan.spec_text, _LONGEST_DIFF) if approved else ""

    def _state(self) -> StateSnapshot:
        return self._graph.get_state(self._config)


def _question_again(values: ConversationState) -> Iterator[AgentEvent]:
    if question := values.get("question"):
        yield Question.model_validate({**question, "again": True})


def _knows(snapshot: StateSnapshot, message_id: str) -> bool:
    messages = cast("list[AnyMessage]", snapshot.values.get("messages", []))
    return any(message.id == message_id for message in messages)


def _pending(snapshot: StateSnapshot) -> Interrupt | None:
    return snapshot.interrupts[0] if snapshot.interrupts else None


def _request_id(pending: Interrupt) -> str:
    return str(cast("dict[str, Any]", pending.value)["request_id"])


def _last_exchange(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Return the last message of the person and what was said since."""
    start = next((i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], HumanMessage)), 0)
    return [
        message
        for message in messages[start:]
        if isinstance(message, AIMessage) or (isinstance(message, HumanMessage) and not is_opening(message))
    ]
