"""What widgets tell their screen. A message carries values only; none carries a widget or an engine event."""

from typing import Literal

from textual.message import Message

from agent.tui.viewmodels.frame import StageName


class Submitted(Message):
    """The person sent the prompt. An empty text takes the default of the open question."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class CommandGiven(Message):
    """A slash command, or the same from the palette or a key."""

    def __init__(self, name: str, argument: str = "") -> None:
        self.name = name
        self.argument = argument
        super().__init__()


class UndoWanted(Message):
    """The agent's latest edit of the spec shall be taken back."""


class StageChosen(Message):
    """A stage of the rail was opened."""

    def __init__(self, stage: StageName) -> None:
        self.stage: StageName = stage
        super().__init__()


class ApprovalGiven(Message):
    """The person decided. `keys` is what was pressed or typed, for the record."""

    def __init__(
        self,
        request_id: str,
        decision: Literal["approve", "deny"],
        steps: tuple[str, ...] = (),
        reason: str = "",
        keys: str = "",
    ) -> None:
        self.request_id = request_id
        self.decision: Literal["approve", "deny"] = decision
        self.steps = steps
        self.reason = reason
        self.keys = keys
        super().__init__()


class ApprovalPutOff(Message):
    """The person decides later: nothing runs, nothing is denied."""


class SpecEditWanted(Message):
    """The person wants to edit the spec first."""


class SpecStateChanged(Message):
    """How the spec stands in the editor."""

    def __init__(
        self, state: Literal["none", "saved", "unsaved", "invalid", "conflict"], problems: tuple[str, ...] = ()
    ) -> None:
        self.state: Literal["none", "saved", "unsaved", "invalid", "conflict"] = state
        self.problems = problems
        super().__init__()


class StopRunWanted(Message):
    """A job shall be stopped; the screen asks first."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__()


class RunOpened(Message):
    """A run shall be shown in the run pane."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__()


class Failed(Message):
    """Something a widget tried did not work: a sentence and the next step, shown as a notification."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__()
