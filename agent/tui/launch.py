"""Opens the interface: one process draws it, this one waits and leaves a usable terminal whatever happens.

The part that runs before the first frame imports nothing but the standard library.
"""

import contextlib
import gc
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

from agent.tui.terminal import (
    SavedTerminal,
    divert_output,
    end_with_parent,
    guard_terminal,
    tell_terminal,
    watch,
)
from specs.layout import ProjectLayout

_LOG_NAME = "interface.log"
_LONGEST_FAREWELL_S = 2.0
_FIRST_COLLECTION = 200_000
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Interface(Protocol):
    """What is needed of the app."""

    @property
    def return_code(self) -> int | None:
        """Exit code after `run`; None when it did not run."""
        ...

    def run(self, *, loop: Any = None) -> object:
        """Draw until the person quits, in an event loop of one's own or in `loop`."""
        ...

    def exit(self, result: None = None, return_code: int = 0) -> None:
        """End soon, leaving the terminal as it was."""
        ...


AppFactory = Callable[[Path], Interface]


def run_interface(
    project_dir: Path,
    *,
    thread: str = "main",
    brain: str | None = None,
    first_words: str | None = None,
    app_factory: AppFactory | None = None,
) -> int:
    """Open the interface and return its exit code once it has ended: 0, 1 after a crash, 128 and a signal's number.

    Args:
        project_dir: folder of the project; a folder without one gets a first screen that offers to make it.
        thread: which conversation of the project.
        brain: `guide`, `bedrock:MODEL[@REGION]` or `openai:MODEL[@URL]`.
        first_words: said first.
        app_factory: makes the app for the chosen folder.
    """

    def tailor_app(folder: Path) -> Interface:
        from agent.tui.app import TailorApp

        app = TailorApp(folder, thread=thread, brain=brain, first_words=first_words)
        app.resume_words = resume_command(folder, thread)
        return app

    saved = SavedTerminal.of(1)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(writing)
        _be_interface(
            project_dir, thread, app_factory or tailor_app, SavedTerminal(os.dup(1), saved.attributes), reading
        )
    os.close(reading)
    code = watch(child, saved)
    if name := _signal_name(code):
        sys.stderr.write(f"The interface was stopped by {name}. Nothing is lost: jobs go on.\n")
        sys.stderr.write(f"`{resume_command(project_dir, thread)}` takes the conversation up again.\n")
    return code


def resume_command(project_dir: Path, thread: str = "main") -> str:
    """Return the command that takes a conversation up again from the folder of the shell."""
    parts = ["tailor"]
    if project_dir.expanduser().resolve() != Path.cwd():
        parts += ["-C", str(project_dir)]
    if thread != "main":
        parts += ["--thread", thread]
    return shlex.join(parts)


def _signal_name(code: int) -> str:
    """Return the name of the signal an exit code tells of, empty for any other code."""
    try:
        return signal.Signals(code - 128).name if code > 128 else ""
    except ValueError:
        return ""


def _be_interface(
    project_dir: Path, thread: str, app_factory: AppFactory, saved: SavedTerminal, reading: int
) -> NoReturn:
    """Be the interface until it ends. Never returns: what else this process was started for is not its business."""
    code = 1
    try:
        # what is imported before the first frame stays, so looking through it for garbage would only delay the frame
        gc.set_threshold(_FIRST_COLLECTION)
        for number in _ENDING_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        end_with_parent(reading, saved)
        code = _draw(project_dir, thread, app_factory)
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except Exception as error:  # noqa: BLE001 - the last place that can still say what happened, in a sentence
        from agent.tui.crash import crash_text, log_crash

        log = ProjectLayout(project_dir).log_path
        tell_terminal(crash_text(error, log_crash(error, log), resume_command(project_dir, thread)))
    finally:
        _flush()
        os._exit(code)


def _draw(project_dir: Path, thread: str, app_factory: AppFactory) -> int:
    folder = project_dir.expanduser()
    is_new = is_without_project(folder)
    guard_terminal(None if is_new else _log_path(folder))
    if is_new:
        chosen = _welcome(folder)
        if chosen is None:
            return 0
        folder = chosen
        divert_output(_log_path(folder))
    _note_native_crashes()
    app = app_factory(folder)
    _end_on_signals(app)
    _run(app)
    code = app.return_code or 0
    if code == 0:
        tell_terminal(farewell(folder, thread))
    return code


def _run(app: Interface) -> None:
    """Draw until the app ends. What its threads do then may take a moment more; whoever left does not wait for it."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    before = set(threading.enumerate())
    pool = ThreadPoolExecutor()
    loop = asyncio.new_event_loop()
    loop.set_default_executor(pool)
    app.run(loop=loop)
    pool.shutdown(wait=False)
    deadline = time.monotonic() + _LONGEST_FAREWELL_S
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))


def is_without_project(folder: Path) -> bool:
    """Whether a folder holds neither a spec nor anything of Tailor."""
    layout = ProjectLayout(folder)
    try:
        return not (layout.spec_path.exists() or layout.state_dir.exists())
    except OSError:
        # the first screen says that it cannot be read
        return True


def _log_path(folder: Path) -> Path:
    state_dir = ProjectLayout(folder).state_dir
    # a folder that cannot be made is told of by the engine, in words; here it only means that there is no log
    with contextlib.suppress(OSError):
        state_dir.mkdir(mode=0o700, exist_ok=True)
    return state_dir / _LOG_NAME


def _note_native_crashes() -> None:
    """Let a crash of native code name its places in the log; values are never written."""
    import faulthandler

    faulthandler.enable(file=2, all_threads=True)


def _welcome(folder: Path) -> Path | None:
    from agent.tui.screens.welcome import WelcomeApp

    app = WelcomeApp(folder)
    _end_on_signals(app)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)
    return app.return_value


def _end_on_signals(app: Interface) -> None:
    def die(code: int) -> None:
        # the terminal has gone, or the app hangs; the process that waits for this one restores what is left
        os._exit(code)

    def end(number: int, _frame: FrameType | None) -> None:
        import asyncio

        code = 128 + number
        timer = threading.Timer(_LONGEST_FAREWELL_S, die, (code,))
        timer.daemon = True
        timer.start()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise SystemExit(code) from None
        loop.call_soon_threadsafe(lambda: app.exit(return_code=code))

    for number in _ENDING_SIGNALS:
        signal.signal(number, end)
    # while it draws, no key sends this signal; while an editor has the terminal, Ctrl+C there is meant for the editor
    signal.signal(signal.SIGINT, lambda _number, _frame: None)


def farewell(folder: Path, thread: str) -> str:
    """Return what is said on leaving: how to come back, and which jobs go on."""
    said = f"`{resume_command(folder, thread)}` takes the conversation up again."
    return f"{said} {jobs}" if (jobs := _jobs_going_on(ProjectLayout(folder))) else said


def _jobs_going_on(layout: ProjectLayout) -> str:
    if not any((layout.run(path.name).exit_path.exists() is False) for path in layout.runs_dir.glob("r*")):
        return ""
    from tools.runs import list_runs

    try:
        running = [run for run in list_runs(layout) if run.state == "running"]
    except OSError:
        return ""
    if not running:
        return ""
    names = ", ".join(run.run_id for run in running)
    verb = "goes" if len(running) == 1 else "go"
    return f"{names} {verb} on; `tailor runs` shows, `tailor stop RUN` stops."


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
