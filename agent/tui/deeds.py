"""Commands that do something: stop a job, take an edit back, examine the machine, open an editor. Each asks where it
stops something, works in a thread, and says how it ended."""

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.tui.viewmodels.chat import Note
from agent.tui.widgets.pasted import clean_paste
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.spec_pane import SpecPane
from specs.errors import TailorError

if TYPE_CHECKING:
    from agent.tui.app import TailorApp


class Deeds:
    """What is done for one app."""

    def __init__(self, app: "TailorApp") -> None:
        self._app = app

    def undo(self) -> None:
        """Take the agent's last edit of the spec back."""
        self._in_thread(self._undo)

    def stop(self, run_id: str) -> None:
        """Stop a job, after asking; without an id the one at work."""
        running = self._app.desk.state.facts.running
        run = run_id or (running[-1] if running else "")
        if not run:
            served = self._app.desk.state.facts.serving
            self._app.tell("No job is running.", "/teardown stops the servers." if served else "")
            return
        self._in_thread(lambda: self._ask_to_stop(run))

    def teardown(self, name: str) -> None:
        """Stop servers, after asking."""
        if not self._app.desk.state.facts.serving:
            self._app.tell("No server is running.", "Nothing costs money.")
            return
        self._ask(
            "Stop the servers?",
            (
                f"At work: {', '.join(self._app.desk.state.facts.serving)}. Clients get no answers any more.",
                "The model stays; deploying it again takes a moment.",
            ),
            "Stop them",
            lambda: self._in_thread(lambda: self._stop_servers(name)),
        )

    def doctor(self) -> None:
        """Examine machine and project; the findings go into the conversation."""
        self._app.tell("Examining the machine and the project…")
        self._in_thread(self._examine)

    def editor(self) -> None:
        """Open the input, or the spec when it has the keys, in the person's editor."""
        program = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not program:
            self._app.tell("No editor is set.", "Set EDITOR, for example: export EDITOR=nano", is_error=True)
            return
        spec = self._app.workspace.query_one(SpecPane)
        if self._app.workspace.panes.is_in_spec() and self._app.desk.layout.spec_path.exists():
            if not spec.save_now():
                self._app.tell("What stands in the editor is not saved yet.", "Mend it first.", is_error=True)
                return
            self._run_editor(program, self._app.desk.layout.spec_path)
            spec.reload()
        else:
            self._edit_prompt(program)

    def _edit_prompt(self, program: str) -> None:
        prompt = self._app.workspace.query_one(Prompt)
        with tempfile.TemporaryDirectory(prefix="tailor-") as folder:
            path = Path(folder) / "input.md"
            path.write_text(prompt.text, encoding="utf-8")
            if self._run_editor(program, path):
                prompt.set_text(clean_paste(path.read_text(encoding="utf-8", errors="replace")).rstrip("\n"))

    def _run_editor(self, program: str, path: Path) -> bool:
        try:
            # output 1 and 2 of this process lead to a log, not to the terminal
            with self._app.suspend(), open("/dev/tty", "r+b", buffering=0) as tty:
                command = [*shlex.split(program), str(path)]
                done = subprocess.run(command, check=False, stdin=tty, stdout=tty, stderr=tty)
        except (OSError, ValueError) as error:
            self._app.tell(f"The editor {program} cannot be started.", str(error), is_error=True)
            return False
        self._app.refresh(layout=True)
        return done.returncode == 0

    def _undo(self) -> None:
        self._app.desk.undo_spec()
        self._app.call_from_thread(self._undone)

    def _undone(self) -> None:
        self._app.workspace.query_one(SpecPane).reload()
        self._note("done", "The last edit of spec.yaml was taken back.")

    def _ask_to_stop(self, run: str) -> None:
        from agent.tui.run_follow import RunFollower, stop_sentences

        words = stop_sentences(RunFollower(self._app.desk.layout, run).look().view)
        self._app.call_from_thread(
            self._ask, f"Stop {run}?", words, "Stop it", lambda: self._in_thread(lambda: self._stop(run))
        )

    def _stop(self, run: str) -> None:
        message = str(self._app.desk.tailor.stop(run)["message"])
        self._app.call_from_thread(self._note, "done", message)
        self._app.call_from_thread(self._app.facts.read)

    def _stop_servers(self, name: str) -> None:
        stopped = self._app.desk.tailor.teardown(name or None)
        self._app.call_from_thread(self._note, "done", f"Stopped: {', '.join(stopped)}." if stopped else "None ran.")
        self._app.call_from_thread(self._app.facts.read)

    def _examine(self) -> None:
        from agent.result_text import findings_text

        text = findings_text(self._app.desk.tailor.doctor(), 76)
        self._app.call_from_thread(self._note, "info", text)

    def _ask(self, title: str, sentences: tuple[str, ...], label: str, deed: Callable[[], None]) -> None:
        from agent.tui.screens.confirm import Confirm

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                deed()

        self._app.push_screen(Confirm(title, sentences, yes=label), answered)

    def _in_thread(self, deed: Callable[[], None]) -> None:
        self._app.run_worker(lambda: self._told(deed), thread=True, group="deeds")

    def _told(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except TailorError as error:
            self._app.call_from_thread(self._refused, error.message, error.hint)

    def _refused(self, message: str, hint: str) -> None:
        self._app.tell(message, hint, is_error=True)

    def _note(self, level: str, text: str) -> None:
        now = time.time()
        self._app.desk.note(Note(f"own:{now}", now, "done" if level == "done" else "info", text))
        self._app.workspace.panes.open("chat")
