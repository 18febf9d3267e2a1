"""Tools for a chat model: schemas out, calls in, results cut, escaped and without secrets.

The one place that turns a tool's result or failure into text for a model. It decides nothing about approval.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from pydantic import Field, ValidationError

from specs.base import StrictModel
from specs.errors import TailorError
from specs.layout import ProjectLayout
from specs.plan import Effect, Plan
from tools.escape import visible
from tools.events import ExecutorEvent
from tools.registry import ToolCall
from tools.secrets import redact
from tools.steps import JsonDict

if TYPE_CHECKING:
    from specs.edit import Change
    from tools.spec_file import SpecChange

ASK = "ask_user"
_LOG = logging.getLogger(__name__)
_MAX_CHARS = 16_000
_ROW_CHARS = 400
_LONG_FIELDS = frozenset({"diff", "text", "answer", "message", "error", "hint"})
_LONG_CHARS = 8_000
_LONGEST_SECRET = 4_000
_NOT_FOR_MODELS = frozenset({"arguments", "inputs", "api_key", "api_key_path", "generations"})


class Door(Protocol):
    """What the conversation itself needs of `tools.client.Tailor`, beside the tools."""

    @property
    def layout(self) -> ProjectLayout:
        """Return the project's paths."""
        ...

    def known_plan(self, plan_hash: str) -> Plan:
        """Return a plan made earlier. Raises ToolError when there is none of that hash."""
        ...

    def patch_spec(self, changes: "Sequence[Change]", *, by_person: bool = False) -> "SpecChange":
        """Edit spec.yaml; `by_person` where a person asked for exactly this. Raises TailorError."""
        ...


class Tool(Protocol):
    """A `tools.registry.ToolDef`."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as in ToolDef
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def args(self) -> type[StrictModel]: ...  # noqa: D102
    @property
    def effect(self) -> Effect: ...  # noqa: D102
    @property
    def run(self) -> Callable[[Any, Any, ToolCall], JsonDict]: ...  # noqa: D102


class AskArgs(StrictModel):
    """Arguments of ask_user."""

    text: str = Field(min_length=1, max_length=1000)
    """The question, one only."""
    default: str | None = Field(default=None, max_length=400)
    """What an empty answer means."""
    why: str = Field(default="", max_length=400)
    """Why it is asked, in a sentence."""
    options: tuple[str, ...] = Field(default=(), max_length=12)
    """Answers to choose from; the person may still write anything."""
    topic: str = Field(default="", max_length=100)
    """What it is about, in a word: a question on the same topic in other words counts as the same one."""
    licence_of: str | None = None
    """Base model whose licence the question asks to accept; no other answer can accept a licence."""


@dataclass(frozen=True)
class Outcome:
    """A call's result, for the model and for the events."""

    content: str
    ok: bool
    message: str = ""
    data: JsonDict | None = None
    """The result as the tool returned it; None when it failed. Never for the model."""


class Toolset:
    """The tools of one project."""

    def __init__(self, tools: Sequence[Tool], door: Door) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._door = door

    def schemas(self) -> list[dict[str, Any]]:
        """Return every tool in the form chat models take, the question to the person first."""
        ask = _schema(ASK, "Ask the person one question. The next message is the answer.", AskArgs)
        return [ask, *(_schema(tool.name, tool.description, tool.args) for tool in self._tools.values())]

    def effect(self, name: str) -> Effect | None:
        """Return what calling the tool does, None for an unknown name."""
        tool = self._tools.get(name)
        return tool.effect if tool is not None else None

    def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        grants: Mapping[str, str] | None = None,
        emit: Callable[[ExecutorEvent], None] | None = None,
    ) -> Outcome:
        """Run a tool. Failures come back as an outcome with a sentence; exceptions of `emit` pass through."""
        tool = self._tools.get(name)
        if tool is None:
            return failure(f"There is no tool {name!r}.", f"Tools: {', '.join(self._tools)}.")
        passing = _Passing(emit)
        try:
            parsed = tool.args.model_validate(dict(arguments))
            data = tool.run(self._door, parsed, ToolCall(grants=dict(grants or {}), emit=passing))
        except ValidationError as error:
            return failure(f"{name} was called with arguments it does not take: {_defects(error)}.")
        except TailorError as error:
            return failure(error.message, error.hint)
        except Exception as error:
            if passing.raised is error:
                raise
            _LOG.exception("tool %s failed", name)
            log = self._door.layout.log_path
            return failure(f"{name} failed unexpectedly ({type(error).__name__}).", f"Details are in {log}.")
        return Outcome(encode(data), ok=True, data=data)


class _Passing:
    """Hands events on and remembers what the receiver raised, so that it is not mistaken for the tool's failure."""

    def __init__(self, emit: Callable[[ExecutorEvent], None] | None) -> None:
        self._emit = emit
        self.raised: BaseException | None = None

    def __call__(self, event: ExecutorEvent) -> None:
        if self._emit is None:
            return
        try:
            self._emit(event)
        except BaseException as error:
            self.raised = error
            raise


def failure(message: str, hint: str = "") -> Outcome:
    """Return the outcome of a call that could not be done."""
    return Outcome(encode({"error": message, "hint": hint}), ok=False, message=f"{message} {hint}".strip())


def encode(data: Mapping[str, Any]) -> str:
    """Return `data` as JSON for a model: strings escaped and cut, secrets masked, at most 16,000 characters."""
    for row_chars, max_items in ((_ROW_CHARS, 100), (_ROW_CHARS, 30), (160, 12), (60, 5)):
        text = json.dumps(_clean(data, "", row_chars, max_items), ensure_ascii=False)
        if len(text) <= _MAX_CHARS:
            return text
    return json.dumps({"error": "The result is too long to show.", "begins": visible(redact(str(data)), 2_000)})


def shorten(arguments: Mapping[str, Any]) -> JsonDict:
    """Return a call's arguments for display."""
    return cast("JsonDict", _clean(arguments, "", 200, 12))


def _clean(value: object, key: str, row_chars: int, max_items: int) -> object:
    if isinstance(value, str):
        limit = _LONG_CHARS if key in _LONG_FIELDS else row_chars
        # a secret that begins before the cut is seen whole; what lies far behind it need not be searched
        return visible(redact(value[: limit + _LONGEST_SECRET]), limit)
    if isinstance(value, Mapping):
        pairs = list(cast("Mapping[object, object]", value).items())
        kept = [(visible(str(name), 100), item) for name, item in pairs if str(name) not in _NOT_FOR_MODELS]
        cleaned: dict[str, object] = {
            name: _clean(item, name, row_chars, max_items) for name, item in kept[: max_items * 2]
        }
        return cleaned
    if isinstance(value, list | tuple):
        items = list(cast("Sequence[object]", value))
        shown = [_clean(item, key, row_chars, max_items) for item in items[:max_items]]
        return [*shown, f"… {len(items) - max_items} more"] if len(items) > max_items else shown
    if value is None or isinstance(value, bool | int | float):
        return value
    return visible(str(value), row_chars)


def _defects(error: ValidationError) -> str:
    found = [f"{'.'.join(str(part) for part in item['loc']) or 'arguments'}: {item['msg']}" for item in error.errors()]
    return visible("; ".join(found[:5]))


def _schema(name: str, description: str, args: type[StrictModel]) -> dict[str, Any]:
    parameters = _inlined(args.model_json_schema())
    parameters.pop("title", None)
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": {"properties": {}, **parameters}},
    }


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put `$defs` in place of their references: not every model server follows them."""
    definitions: dict[str, Any] = schema.pop("$defs", {})

    def resolve(node: object, depth: int) -> object:
        if isinstance(node, dict):
            branch = cast("dict[str, object]", node)
            reference = branch.get("$ref")
            if isinstance(reference, str) and depth < 8:
                return resolve(definitions[reference.rsplit("/", 1)[-1]], depth + 1)
            return {name: resolve(item, depth) for name, item in branch.items()}
        if isinstance(node, list):
            return [resolve(item, depth) for item in cast("list[object]", node)]
        return node

    return cast("dict[str, Any]", resolve(schema, 0))


EffectClass = Literal["free", "approval"]


def effect_class(effect: Effect) -> EffectClass:
    """Return whether a call may be made at once or waits for a person."""
    return "approval" if effect in ("spend", "execute") else "free"
