"""The user's spec.yaml as the conversation sees it: what changed by hand since it was last looked at.

An invalid file is told about once, its problems as sentences; the last valid text stays the one compared with.
"""

from dataclasses import dataclass
from typing import Any

from agent.cards import spec_diff
from agent.events import SpecChanged
from agent.state import ConversationState
from specs.canonical import digest
from specs.errors import SpecError, TailorError
from specs.layout import ProjectLayout
from specs.load import LoadedSpec, load_spec
from tools.escape import visible


@dataclass(frozen=True)
class SpecSighting:
    """What a look at the file found."""

    event: SpecChanged | None
    """None when nothing changed since the last look."""
    updates: dict[str, Any]
    """Changes of the conversation's state."""
    note: str = ""
    """The same for the agent, as a sentence with the difference."""


def current_spec(layout: ProjectLayout) -> LoadedSpec | None:
    """Return the spec on disk, None when there is none. Raises SpecError when it is not valid."""
    return load_spec(layout.spec_path) if layout.spec_path.exists() else None


def look(layout: ProjectLayout, state: ConversationState) -> SpecSighting:
    """Compare spec.yaml with the text last seen; any difference was made by the user."""
    before = state.get("spec_text", "")
    try:
        loaded = current_spec(layout)
    except SpecError as error:
        return _broken(layout, state, error)
    text = loaded.text if loaded is not None else ""
    if text == before:
        return SpecSighting(None, {"broken_spec": ""} if state.get("broken_spec") else {})
    diff = spec_diff(before, text)
    note = f"The user edited spec.yaml since your last turn:\n{diff}" if before else "The project has a spec.yaml."
    updates = {"spec_text": text, "broken_spec": ""}
    return SpecSighting(SpecChanged(by="user", diff=diff) if before else None, updates, note)


def refusal(layout: ProjectLayout, plan_spec_hash: str) -> TailorError | None:
    """Return why a plan made from the spec of that hash may not be approved now, None when it may."""
    try:
        loaded = current_spec(layout)
    except SpecError as error:
        return TailorError(
            f"spec.yaml is not valid now, so nothing can be approved:\n{error.message}", "Correct it, then plan again."
        )
    if loaded is None:
        return TailorError("spec.yaml is gone, so nothing can be approved.", "Put it back, then plan again.")
    if loaded.hash != plan_spec_hash:
        return TailorError("spec.yaml was changed after this plan was made.", "Make a new plan from it: `plan`.")
    return None


def _broken(layout: ProjectLayout, state: ConversationState, error: SpecError) -> SpecSighting:
    try:
        text = layout.spec_path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        text = ""
    mark = digest(text.encode("utf-8", "replace").decode("utf-8"))
    if mark == state.get("broken_spec"):
        return SpecSighting(None, {})
    problems = tuple(visible(line) for line in error.message.splitlines())
    event = SpecChanged(by="user", diff=spec_diff(state.get("spec_text", ""), text), problems=problems)
    listed = "\n".join(problems)
    note = f"The user edited spec.yaml and it is not valid now; the last valid one is kept, nothing can run:\n{listed}"
    return SpecSighting(event, {"broken_spec": mark}, note)
