"""What a person's words ask for, as far as fixed patterns can tell. Anything else is `Words`, never a guess."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from agent.guide.edits import Edit, corrected, not_read, read_edits


@dataclass(frozen=True)
class Accept:
    """Enter, yes, default: take what is proposed."""


@dataclass(frozen=True)
class Refuse:
    """No, none, skip."""


@dataclass(frozen=True)
class Why:
    """Why a question is asked or a value chosen; `topic` empty = the open question."""

    topic: str = ""


@dataclass(frozen=True)
class Play:
    """Ask both models."""

    prompt: str


@dataclass(frozen=True)
class StopRun:
    """Stop the job; `run` empty = the one that runs."""

    run: str = ""


@dataclass(frozen=True)
class Teardown:
    """Stop servers."""

    name: str = ""


@dataclass(frozen=True)
class Simple:
    """One of: undo, start_over, go_on, plan, status, results, show_spec, help, run."""

    name: str


@dataclass(frozen=True)
class Change:
    """Edits of the spec."""

    edits: tuple[Edit, ...] = field(default=())
    unread: tuple[str, ...] = ()
    """Parts of the sentence that name no value."""


@dataclass(frozen=True)
class Words:
    """Nothing the patterns know."""

    text: str


Intent: TypeAlias = Accept | Refuse | Why | Play | StopRun | Teardown | Simple | Change | Words

_ACCEPT = frozenset(
    {"", "y", "yes", "yes please", "yep", "yeah", "ok", "okay", "k", "sure", "default", "the default", "fine", "good",
     "right", "correct", "looks good", "you decide", "as you say", "agreed", "i agree", "accept", "i accept"}
)  # fmt: skip
_REFUSE = frozenset({"n", "no", "nope", "none", "skip", "no thanks", "nothing", "not now", "-"})
_SIMPLE = {
    "undo": ("undo", "undo that", "undo it", "take that back", "revert"),
    "start_over": ("start over", "start again", "begin again", "restart", "reset", "start anew", "from the beginning"),
    "go_on": ("go on", "go", "go ahead", "continue", "proceed", "next", "carry on", "start", "do it", "let's go",
              "approve", "approve all", "train", "train it", "run it", "run", "follow", "resume"),
    "plan": ("plan", "make a plan", "make the plan", "plan it", "show plan", "show the plan", "plan again", "replan"),
    "status": ("status", "state", "progress", "where are we", "what now", "how far", "what is running",
               "runs", "show runs", "jobs", "what happened", "what happened?", "what is happening?"),
    "results": ("results", "result", "show results", "show the results", "report", "scores", "how good is it"),
    "show_spec": ("show spec", "spec", "show the spec", "show me the spec", "print spec"),
    "help": ("help", "?", "h", "what can you do", "commands"),
}  # fmt: skip
_SIMPLE_BY_WORDS = {words: name for name, all_words in _SIMPLE.items() for words in all_words}
_APPROVE = re.compile(r"^approve(?: [a-z_0-9-]+(?:\s*,\s*[a-z_0-9-]+)*)$")
_PLAY = re.compile(r"^(?:play|try|ask|prompt)\b[:\s]\s*(.+)$", re.IGNORECASE | re.DOTALL)
_WHY = re.compile(
    r"^(?:why|explain|what is|what's|what are|what does|tell me about)\b\s*(.*?)(?:\s+mean)?\s*[?.!]*$",
    re.IGNORECASE | re.DOTALL,
)
_WHY_THIS = frozenset(
    {"", "this", "that", "do you ask", "do you ask that", "is that", "is this", "so", "this question"}
)
_STOP = re.compile(
    r"^(?:stop|cancel|abort)(?:\s+(?:the\s+)?(?:training|run|job|it|that))?(?:\s+(r\d+))?[.!]*$", re.IGNORECASE
)
_TEARDOWN = re.compile(
    r"^(?:teardown|tear down|shut down|stop (?:the )?servers?|stop serving)(?:\s+(?:the server\s*)?([\w@.-]+))?[.!]*$",
    re.IGNORECASE,
)
_POLITE = re.compile(r"^(?:please|can you|could you|would you|can we|make|set|use|change)\b", re.IGNORECASE)
_FILLER = re.compile(r"^(?:please|ok(?:ay)?,?|and|now|then|well,?|so,?)\s+(?=\S)", re.IGNORECASE)


def read_command(text: str) -> Intent:
    """Return what `text` asks for when it can only be a command, whatever question is open; else `Words`."""
    said = _plain(text)
    if said in _SIMPLE_BY_WORDS:
        return Simple(_SIMPLE_BY_WORDS[said])
    if _APPROVE.match(said):
        return Simple("go_on")
    if match := _TEARDOWN.match(said):
        return Teardown(match[1] or "")
    if match := _STOP.match(said):
        return StopRun(match[1] or "")
    if match := _WHY.match(text.strip()):
        topic = match[1].strip().lower()
        asks = text.strip().endswith("?") or said.startswith(("why", "explain"))
        if topic in _WHY_THIS and said.startswith("why"):
            return Why()
        if asks and topic:
            return Why(match[1].strip())
    return Words(text.strip())


def read_intent(text: str) -> Intent:
    """Return what `text` asks for when no free text is expected."""
    said = _plain(text)
    if said in _ACCEPT:
        return Accept()
    if said in _REFUSE:
        return Refuse()
    for reader in _READERS:
        found = reader(text)
        if found is not None:
            return found
    return Words(text.strip())


def is_accept(text: str) -> bool:
    """Return whether `text` takes the default."""
    return _plain(text) in _ACCEPT


def is_refuse(text: str) -> bool:
    """Return whether `text` declines."""
    return _plain(text) in _REFUSE


def _command(text: str) -> Intent | None:
    found = read_command(text)
    return None if isinstance(found, Words) else found


def _play(text: str) -> Intent | None:
    match = _PLAY.match(text.strip())
    return Play(match[1].strip().strip('"')) if match else None


def _change(text: str) -> Intent | None:
    if text.strip().endswith("?") and not _POLITE.match(text.strip()):
        return None
    said = corrected(text)
    edits = read_edits(said)
    return Change(edits, tuple(clause for clause in not_read(said) if not is_accept(clause))) if edits else None


_READERS: tuple[Callable[[str], Intent | None], ...] = (_command, _play, _change)


def _plain(text: str) -> str:
    said = " ".join(text.strip().rstrip(".!").lower().split())
    return _FILLER.sub("", said) if said not in _ACCEPT else said
