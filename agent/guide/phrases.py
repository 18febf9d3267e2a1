"""What the guide says about itself, and how it reads back an edit made by hand."""

GREETING = (
    "I am the guide: a fixed interviewer without a model behind me. I ask at most six questions, write spec.yaml, "
    "and run what you approve; nothing runs before that. Enter takes a default, `why?` explains, `undo` takes the "
    "last step back, `help` lists what I understand."
)
CAN_DO = (
    "I understand: go on · plan · status · results · show spec · undo · start over · stop · play PROMPT · why TERM? · "
    "and changes such as: make it 3 epochs, learning rate 1e-3, use lora, threshold 0.9, hold out 20 %, use 1 thread, "
    "budget 2 hours, name it NAME, don't deploy."
)
NOT_UNDERSTOOD = "I did not understand that; I am a fixed guide, not a language model."
APPROVAL_WORDS = "The approval is open: answer it, or say what to change."
REVIEW = "That is the spec. Say what to change, edit spec.yaml yourself, or press Enter (`go on`) and I make the plan."
_MAX_SHOWN = 4
_MAX_CHARS = 70


def noted_edit(note: str) -> str:
    """Return what is said about an edit of the spec by hand, from Tailor's note about it."""
    lines = note.splitlines()
    if "not valid" in lines[0]:
        problems = "\n".join(f"  {line}" for line in lines[1:])
        return f"I see you edited spec.yaml, but it is not valid now, so nothing can be planned or run:\n{problems}"
    changed = [line[1:].strip() for line in lines[1:] if line.startswith("+") and not line.startswith("+++")]
    taken = [line[1:].strip() for line in lines[1:] if line.startswith("-") and not line.startswith("---")]
    if changed:
        return f"I see you changed spec.yaml: {_listed(changed)}."
    return (
        f"I see you took this out of spec.yaml: {_listed(taken)}." if taken else "I see the spec.yaml of this project."
    )


def _listed(lines: list[str]) -> str:
    shown = [line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}…" for line in lines if line][:_MAX_SHOWN]
    return "; ".join(shown) + (" …" if len(lines) > _MAX_SHOWN else "")
