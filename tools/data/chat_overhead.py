"""Measures how many tokens a model's chat template puts around the texts of a conversation.

Templates come from model hubs, so they run in Jinja's immutable sandbox, once, on short texts of our own. Where the
template or Jinja is absent there is no measurement, and the caller assumes a common one.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

_PROBE = "a"
_MAX_TEMPLATE_BYTES = 2**20


class Overhead(NamedTuple):
    """Tokens of the chat template: so many for each message, and so many for the conversation."""

    per_message: int
    fixed: int


def measure_overhead(model_dir: Path, count: Callable[[str], int]) -> Overhead | None:
    """Return the overhead of the template in `model_dir`, rounded up, or None where it cannot be rendered."""
    template = _template(model_dir)
    if template is None:
        return None
    user, answer = {"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE}
    rendered = _render(template, _special_tokens(model_dir), [[user], [user, answer], [user, answer, user, answer]])
    if rendered is None:
        return None
    probe = count(_PROBE)
    ask, short, long = (count(text) for text in rendered)
    two_messages = long - short - 2 * probe
    per_message = max(0, -(-two_messages // 2))
    # a template may add a default system prompt or a start token once; the longer of both renderings counts
    fixed = max(0, short - 2 * probe - 2 * per_message, ask - probe - 2 * per_message)
    return Overhead(per_message, fixed)


def _some_day(form: str) -> str:
    """Stand in for today's date, which templates may print: every day has about as many tokens."""
    return form and "01 January 2026"


def _template(model_dir: Path) -> str | None:
    path = model_dir / "chat_template.jinja"
    try:
        if path.is_file() and path.stat().st_size <= _MAX_TEMPLATE_BYTES:
            return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    template = _config(model_dir).get("chat_template")
    return template if isinstance(template, str) and len(template) <= _MAX_TEMPLATE_BYTES else None


def _special_tokens(model_dir: Path) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = _config(model_dir).get(name)
        held = cast("dict[str, object]", value).get("content") if isinstance(value, dict) else value
        tokens[name] = held if isinstance(held, str) else ""
    return tokens


def _config(model_dir: Path) -> dict[str, object]:
    try:
        value: object = json.loads((model_dir / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _render(template: str, tokens: dict[str, str], conversations: list[list[dict[str, str]]]) -> list[str] | None:
    try:
        import jinja2
        import jinja2.ext
        import jinja2.nodes
        import jinja2.sandbox
    except ImportError:
        return None

    class Generation(jinja2.ext.Extension):
        """Accepts `{% generation %}`, which marks the trained part and prints nothing of its own."""

        def __init__(self, environment: jinja2.Environment) -> None:
            super().__init__(environment)
            self.tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            """Return the body of the block."""
            next(cast("Iterator[object]", parser.stream))
            return jinja2.nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True))

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters.update(tojson=json.dumps)
    try:
        compiled = environment.from_string(template)
        return [
            compiled.render(
                messages=messages,
                add_generation_prompt=messages[-1]["role"] == "user",
                strftime_now=_some_day,
                **tokens,
            )
            for messages in conversations
        ]
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return None
