"""The slash commands as data: what there is, and how a line becomes one. The workspace carries them out."""

import difflib
import re
from dataclasses import dataclass

_NAME = re.compile(r"/([A-Za-z][\w-]*|\?)?(?:\s+|$)")
_SHOW, _WORK, _SCREEN, _END = "Looking", "Working", "Screen", "Ending"


@dataclass(frozen=True)
class Command:
    """A slash command."""

    name: str
    argument: str
    """Hint of its argument: `PROMPT` where it must be there, `[RUN]` where it may, empty where there is none."""
    summary: str
    """One line."""
    group: str
    aliases: tuple[str, ...] = ()

    @property
    def needs_argument(self) -> bool:
        """Whether it does nothing without an argument."""
        return bool(self.argument) and not self.argument.startswith("[")

    @property
    def usage(self) -> str:
        """The command as it is typed."""
        return f"/{self.name} {self.argument}".rstrip()


@dataclass(frozen=True)
class GivenCommand:
    """A command read from a line."""

    command: Command
    argument: str


@dataclass(frozen=True)
class BadCommand:
    """A line that begins as a command and is none."""

    message: str
    hint: str


COMMANDS: tuple[Command, ...] = (
    Command("help", "", "Keys, commands, and what the agent can do", _SHOW, ("?",)),
    Command("plan", "", "Make the plan; then its first step asks for approval", _WORK),
    Command("run", "", "Ask for approval and run the plan", _WORK),
    Command("results", "", "Base against custom model, on the same rows", _SHOW),
    Command("play", "[PROMPT]", "Open the playground, with a prompt to send", _WORK),
    Command("data", "", "Look through the rows, their sources and faults", _SHOW),
    Command("jobs", "", "Running and past jobs: watch, log, stop", _SHOW),
    Command("spec", "", "Show or edit the spec", _SHOW),
    Command("undo", "", "Take back the agent's latest edit of the spec", _WORK),
    Command("status", "", "Where the project stands", _SHOW),
    Command("report", "", "The report of the latest run", _SHOW),
    Command("stop", "[RUN]", "Stop a job; asks first, the checkpoint stays", _END),
    Command("teardown", "", "Stop the servers; names them and asks first", _END),
    Command("doctor", "", "Check this machine, the keys and the project", _SHOW),
    Command("stages", "", "Stages with times and costs", _SHOW),
    Command("editor", "", "Write the input in your editor", _SCREEN),
    Command("copy", "", "Copy the latest answer", _SCREEN),
    Command("theme", "[NAME]", "Change the colours", _SCREEN),
    Command("mouse", "[on|off]", "Let the terminal select text, or the screen take clicks", _SCREEN),
    Command("bell", "[on|off]", "Ring when an approval waits or a job ends", _SCREEN),
    Command("keys", "", "Show what your terminal sends for each key", _SCREEN),
    Command("mode", "[each|paid|plan]", "When approval is asked: each step, paid steps, plan only", _WORK),
    Command("new", "", "Begin a new conversation; the old one is kept", _END),
    Command("quit", "", "Quit; jobs go on", _END, ("exit", "q")),
)


def read_command(text: str) -> GivenCommand | BadCommand | None:
    """Return the command of a line, what is wrong with it, or None when it is no command but text, as a path is."""
    match = _NAME.match(text)
    if match is None:
        return None
    name = (match[1] or "").lower()
    argument = text[match.end() :].strip()
    command = find_command(name)
    if command is None:
        return BadCommand(unknown_command(name), "Type / for the list.")
    if command.needs_argument and not argument:
        return BadCommand(f"/{command.name} needs {command.argument}.", f"Type {command.usage}.")
    if argument and not command.argument:
        return BadCommand(f"/{command.name} takes nothing after it.", f"Type /{command.name} alone.")
    return GivenCommand(command, argument)


def find_command(name: str) -> Command | None:
    """Return the command of a name or alias, None when there is none."""
    return next((command for command in COMMANDS if name == command.name or name in command.aliases), None)


def unknown_command(name: str) -> str:
    """Return the sentence for a command that does not exist, with the nearest one."""
    if not name:
        return "A slash alone is no command."
    known = [spelling for command in COMMANDS for spelling in (command.name, *command.aliases)]
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"There is no command /{name[:40]}." + (f" Did you mean /{found[0]}?" if found else "")
