"""The first screen in a folder without a project: make one, look at the example, or leave. Nothing is overwritten."""

import os
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from agent.tui.crash import CrashSafe
from agent.tui.theme import THEMES, choose_theme
from specs.layout import ProjectLayout
from tools.escape import one_line, visible

_EXAMPLE_NAME = "tailor-example"
_MAX_COUNTED = 1_000


class FolderChosen(Message):
    """The person chose: the folder of a project, or None to quit."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        super().__init__()


class _Made(Message):
    """A project was made, or not, for the reason given."""

    def __init__(self, folder: Path, problem: str) -> None:
        self.folder = folder
        self.problem = problem
        super().__init__()


class WelcomeScreen(Screen[None]):
    """Offers what can be done in a folder without a project, and posts what was chosen.

    Args:
        folder: where Tailor was started, or what `-C` named; it need not exist.
    """

    DEFAULT_CSS = """
    WelcomeScreen {
        background: $background;
    }
    WelcomeScreen > VerticalScroll {
        padding: 1 2;
        max-width: 84;
    }
    WelcomeScreen Static {
        height: auto;
        color: $text;
    }
    WelcomeScreen #welcome-title {
        color: $text-primary;
        text-style: bold;
    }
    WelcomeScreen #welcome-folder {
        margin: 1 0;
    }
    WelcomeScreen OptionList, WelcomeScreen OptionList:focus {
        height: auto;
        border: none;
        padding: 0;
        background: $background;
    }
    WelcomeScreen Input {
        display: none;
        margin-top: 1;
    }
    WelcomeScreen Input, WelcomeScreen Input:focus {
        border: round $primary;
        background: $background;
    }
    WelcomeScreen #welcome-told {
        margin-top: 1;
        color: $text-error;
    }
    WelcomeScreen #welcome-told.-working {
        color: $text-muted;
    }
    WelcomeScreen #welcome-keys {
        margin-top: 1;
        color: $text-muted;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+c,ctrl+d", "app.quit", "Quit", priority=True),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._asked = ""
        self._is_working = False

    def compose(self) -> ComposeResult:
        """Lay the choices out."""
        with VerticalScroll(can_focus=False):
            yield Static("Tailor", id="welcome-title", markup=False)
            yield Static("Customize a language model by talking it through.", markup=False)
            yield Static(Content(_folder_words(self._folder)), id="welcome-folder", markup=False)
            yield OptionList(*_options(self._folder), markup=False)
            yield Input()
            yield Static("", id="welcome-told", markup=False)
            yield Static("↑↓ move · Enter choose · Esc quit", id="welcome-keys", markup=False)

    def on_mount(self) -> None:
        """Let the first choice take the keys."""
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what was chosen, or ask for the folder first."""
        choice = event.option_id
        if self._is_working:
            return
        if choice == "quit":
            self.post_message(FolderChosen(None))
        elif choice == "here":
            self._make(self._folder, is_example=False)
        else:
            self._ask("example" if choice == "example" else "folder")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Make the project in the folder that was typed."""
        name = event.value.strip()
        if not name:
            self._tell("Type the name of a folder.")
        elif not self._is_working:
            self._make(_below(self._folder, name), is_example=self._asked == "example")

    def action_back(self) -> None:
        """Go back to the choices, or leave."""
        if self._asked:
            self._ask("")
        else:
            self.post_message(FolderChosen(None))

    def _ask(self, what: str) -> None:
        self._asked = what
        self._tell("")
        field = self.query_one(Input)
        field.display = bool(what)
        field.value = _EXAMPLE_NAME if what == "example" else ""
        field.border_title = "Folder for the example" if what == "example" else "Name or path of the folder"
        (field if what else self.query_one(OptionList)).focus()
        self.query_one("#welcome-keys", Static).update(
            "Enter make it · Esc back" if what else "↑↓ move · Enter choose · Esc quit"
        )

    def _make(self, folder: Path, *, is_example: bool) -> None:
        self._is_working = True
        self._tell("Making the example…" if is_example else "Making the project…", is_working=True)

        def work() -> None:
            self.post_message(_Made(folder, make_example(folder) if is_example else make_project(folder)))

        self.run_worker(work, thread=True)

    @on(_Made)
    def _end(self, made: _Made) -> None:
        self._is_working = False
        if made.problem:
            self._tell(made.problem)
        else:
            self.post_message(FolderChosen(made.folder))

    def _tell(self, text: str, *, is_working: bool = False) -> None:
        told = self.query_one("#welcome-told", Static)
        told.set_class(is_working, "-working")
        told.update(Content(text))


class WelcomeApp(CrashSafe[Path]):
    """Shows the welcome; returns the folder of the project, or None when the person quit."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "tailor"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = choose_theme("", os.environ)

    def get_default_screen(self) -> Screen[None]:
        """Return the welcome; there is no other screen."""
        return WelcomeScreen(self._folder)

    def on_folder_chosen(self, chosen: FolderChosen) -> None:
        """End with what was chosen."""
        self.exit(chosen.folder)


def _below(folder: Path, name: str) -> Path:
    try:
        return folder / Path(name).expanduser()
    except RuntimeError:
        # a home of nobody: then the name begins with a tilde
        return folder / name


def make_project(folder: Path) -> str:
    """Make a project in a folder, leaving what is there; return why it could not be made, empty when it was."""
    from tools.errors import ToolError
    from tools.project import open_project

    try:
        open_project(folder, create=True)
    except ToolError as error:
        return f"{visible(error.message)} {visible(error.hint)}".rstrip()
    except (OSError, RuntimeError, ValueError) as error:
        return f"{one_line(str(folder))} cannot be made into a project: {one_line(str(error))}."
    return ""


def make_example(folder: Path) -> str:
    """Write the example into a new or empty folder, or take a project that is there; return why it was not possible."""
    from tools.demo.project import write_demo

    shown = one_line(str(folder))
    layout = ProjectLayout(folder)
    try:
        if layout.spec_path.exists() or layout.state_dir.exists():
            return make_project(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            return f"{shown} exists and is not empty. Nothing was changed; type another name."
        write_demo(folder)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"The example cannot be written to {shown}: {reason}. Type another name."
    return make_project(folder)


def _options(folder: Path) -> list[Option]:
    def option(name: str, title: str, words: str) -> Option:
        prompt = (
            Content.assemble((title, "bold"), "\n", (f"  {words}", "$foreground-muted")) if words else Content(title)
        )
        return Option(prompt, id=name)

    return [
        option("here", "Make a project here", "spec.yaml is written as you talk; .tailor keeps runs and models."),
        option("folder", "Make a project in another folder…", "You type its name."),
        option(
            "example", "Open the example project…", f"Messages of bicycle riders to label, put into {_EXAMPLE_NAME}."
        ),
        option("quit", "Quit", ""),
    ]


def _folder_words(folder: Path) -> str:
    whole = folder.expanduser().absolute()
    shown = one_line(str(whole), 300)
    try:
        with os.scandir(whole) as entries:
            num_files = sum(1 for _ in zip(range(_MAX_COUNTED), entries, strict=False))
    except FileNotFoundError:
        return f"This folder does not exist yet; it is made with the project:\n{shown}"
    except OSError as error:
        return f"This folder cannot be read ({error.strerror}):\n{shown}"
    if whole == Path.home():
        return f"This is your home folder; a folder of its own suits a project better:\n{shown}"
    if not os.access(whole, os.W_OK | os.X_OK):
        return f"This folder holds no project, and you may not write to it:\n{shown}"
    if num_files == 0:
        return f"This folder is empty:\n{shown}"
    many = f"{_MAX_COUNTED} or more" if num_files == _MAX_COUNTED else str(num_files)
    what = "The file in it stays as it is" if num_files == 1 else f"The {many} files in it stay as they are"
    return f"This folder holds no project yet. {what}:\n{shown}"
