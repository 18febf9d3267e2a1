"""The person's own words about a base model's licence. No tool call and no model can accept one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from agent.state import ConversationState, LicenseWords
from agent.toolset import Door, Outcome, failure
from specs.errors import TailorError
from specs.load import load_spec
from tools.escape import one_line

LICENCE_REFUSED: Outcome = failure(
    "Only the user accepts a licence; a tool call cannot.",
    "Leave license_accepted out and ask with ask_user and licence_of; the answer is written into the spec.",
)
_FIELD = "license_accepted"
_YES = frozenset({"y", "yes", "yes please", "ok", "okay", "sure", "accept", "i accept", "accepted", "agree", "i agree"})
_ACCEPTS = re.compile(r"\b(?:i\s+)?(?:accept|agree)\w*\b.*\blicen[cs]e")
_REFUSES = re.compile(r"\b(?:not|never|no|don'?t|won'?t|cannot|can'?t)\b")


def heard_licence(state: ConversationState, text: str) -> LicenseWords:
    """Return what is known of licences after the person said `text`."""
    words = LicenseWords.model_validate(state.get("licence", {}))
    if words.asked is None:
        return words
    accepted = _accepts(text, words.asked, _default(state))
    bases = (*words.accepted, words.asked) if accepted and words.asked not in words.accepted else words.accepted
    return LicenseWords(asked=None, accepted=bases)


def accept_licence(door: Door, words: LicenseWords) -> str:
    """Write an accepted licence into the spec and return the difference; empty when there was nothing to write."""
    from specs.edit import Change

    path = door.layout.spec_path
    if not words.accepted or not path.exists():
        return ""
    try:
        model = load_spec(path).spec.model
        if model.license_accepted or model.base not in words.accepted:
            return ""
        return door.patch_spec([Change(path=f"model.{_FIELD}", value=True)], by_person=True).diff
    except TailorError:
        return ""


def claims_licence(tool: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether a call tries to accept a licence."""
    if tool not in ("create_spec", "update_spec"):
        return False
    changes: object = arguments.get("changes")
    for change in cast("Sequence[object]", changes) if isinstance(changes, list | tuple) else ():
        if isinstance(change, Mapping):
            edit = cast("Mapping[str, object]", change)
            if _FIELD in str(edit.get("path", "")) and bool(edit.get("value")):
                return True
    return _holds(arguments)


def consent_notice(base: str | None) -> str:
    """Return what a licence question says beside its text, whoever worded that."""
    return f"\nYes, or Enter where it is the default, accepts the licence of {one_line(base)}." if base else ""


def is_yes(text: str) -> bool:
    """Return whether `text` is a plain yes."""
    return text.strip().strip(".!").lower() in _YES


def _holds(value: object) -> bool:
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return any((name == _FIELD and bool(item)) or _holds(item) for name, item in items)
    return any(_holds(item) for item in cast("Sequence[object]", value)) if isinstance(value, list | tuple) else False


def _accepts(text: str, base: str, default: str) -> bool:
    said = text.strip().strip(".!").lower()
    if not said or said == "default":
        said = default.strip().lower()
    if is_yes(said):
        return True
    if _REFUSES.search(said):
        return False
    return base.lower() in re.split(r"[\s,;]+", said) or bool(_ACCEPTS.search(said))


def _default(state: ConversationState) -> str:
    return str(state.get("question", {}).get("default") or "")
