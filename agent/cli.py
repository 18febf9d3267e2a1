"""The `tailor` command: arguments, dispatch, and the one place where its errors become sentences and exit codes.

stdout is data, stderr is narration. Nothing heavy is imported before a command needs it.
"""

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from specs.errors import ExitCode, TailorError
from specs.layout import ProjectLayout
from specs.roots import check_roots
from tools.escape import visible

_LONGEST_MESSAGE = 20_000

_EPILOG = """\
exit codes: 0 done, 1 failed, 2 usage, spec or data, 3 backend or credentials, 4 stopped, 5 waiting for approval,
130 interrupted. stdout carries results, stderr the narration; --json prints one JSON object a line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `tailor` command and return its exit code."""
    os.umask(0o077)
    parser = _parser()
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if arguments.version:
        sys.stdout.write(f"tailor {_version()}\n")
        parser.exit()
    if arguments.command is not None and (flag := _misplaced(arguments)):
        parser.error(f"{flag} before a command has no meaning; `tailor chat` takes flags of its own after it")
    try:
        check_roots()
        return int(arguments.handler(arguments))
    except TailorError as error:
        _say(error.message)
        if error.hint:
            _say(error.hint)
        return int(error.exit_code)
    except KeyboardInterrupt:
        _say("Interrupted. Jobs that were running go on; `tailor runs` shows them, `tailor stop RUN` stops one.")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # the reader of a pipe has gone; nothing more can be said there, and Python must not try at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    except Exception as error:  # noqa: BLE001 - the command line is one of the three places that capture everything
        return _unexpected(error, _log_path(arguments))


def _unexpected(error: Exception, log: Path) -> int:
    from tools.secrets import redact

    _say(f"Something went wrong inside Tailor ({type(error).__name__}). Nothing that was recorded is lost.")
    # a traceback names lines of code, no values; the error's own words may hold a key
    details = redact("".join(traceback.format_exception(error)))
    try:
        with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(visible(details, _LONGEST_MESSAGE))
    except OSError as problem:
        _say(f"The details could not be kept: {log} cannot be written ({problem.strerror}).")
        return int(ExitCode.FAILED)
    _say(f"The details are in {log}. Running the same command again takes up where it ended.")
    return int(ExitCode.FAILED)


def _log_path(arguments: argparse.Namespace) -> Path:
    """Return the log of the project a command works in, which need not be the current folder."""
    spec: Path | None = getattr(arguments, "spec", None)
    folder: str | Path = spec.parent if spec is not None else getattr(arguments, "directory", arguments.project)
    return ProjectLayout(Path(folder).expanduser()).log_path


def _say(text: str) -> None:
    print(visible(text, _LONGEST_MESSAGE), file=sys.stderr)  # noqa: T201 - narration of the command line


def entry() -> None:
    """Entry point of the installed command."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(int(ExitCode.STOPPED)))
    # a terminal without UTF-8, or a file name that is not UTF-8, must not end a command
    cast("io.TextIOWrapper[io.BufferedWriter]", sys.stdout).reconfigure(errors="backslashreplace")
    sys.exit(main())


def _version() -> str:
    """Return the version; looking it up costs more than all the rest of the parser."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("model-tailor")
    except PackageNotFoundError:
        return "(not installed)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailor",
        description="Customize a language model: talk it through, approve each step, train, evaluate and serve it.\n"
        "Without a command, the conversation is opened on the full screen of the terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("-C", "--project", default=".", metavar="DIR", help="the project's folder (here)")
    _add_conversation_flags(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_conversation(commands)
    _add_spec(commands)
    _add_runs(commands)
    _add_serving(commands)
    return parser


_Commands = argparse._SubParsersAction  # pyright: ignore[reportPrivateUsage]


def _command(commands: "_Commands[argparse.ArgumentParser]", name: str, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(handler=_handler(name))
    return parser


def _handler(name: str) -> Callable[[argparse.Namespace], int]:
    def call(arguments: argparse.Namespace) -> int:
        from agent.commands import COMMANDS

        return COMMANDS[name](arguments)

    return call


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def _add_conversation_flags(parser: argparse.ArgumentParser) -> None:
    """Add what opens a conversation without a command. The names differ from those of `chat`, whose defaults win."""
    talk = parser.add_argument_group("without a command")
    talk.add_argument("-p", "--prompt", dest="first_words", metavar="TEXT", help="say TEXT first")
    talk.add_argument(
        "--brain", dest="talk_brain", metavar="BRAIN", help="guide, bedrock:MODEL[@REGION] or openai:MODEL[@URL]"
    )
    talk.add_argument("--thread", dest="talk_thread", metavar="NAME", help="which conversation (the latest)")
    talk.add_argument(
        "--continue", dest="is_continued", action="store_true", help="take the conversation up again, as happens anyway"
    )
    talk.add_argument("--plain", dest="is_plain", action="store_true", help="line by line, without the full screen")
    parser.set_defaults(handler=_converse)


_FLAGS = {
    "first_words": "--prompt",
    "talk_brain": "--brain",
    "talk_thread": "--thread",
    "is_continued": "--continue",
    "is_plain": "--plain",
}


def _misplaced(arguments: argparse.Namespace) -> str:
    """Return the flag of a conversation that was given although another command was, empty when none was."""
    return next((flag for name, flag in _FLAGS.items() if getattr(arguments, name)), "")


def _converse(arguments: argparse.Namespace) -> int:
    from agent.conversations import chosen_thread

    thread = chosen_thread(ProjectLayout(Path(arguments.project).expanduser()), arguments.talk_thread)
    if not arguments.is_plain and _has_screen():
        from agent.tui.launch import run_interface

        return run_interface(
            Path(arguments.project), thread=thread, brain=arguments.talk_brain, first_words=arguments.first_words
        )
    chat = argparse.Namespace(
        project=arguments.project,
        answers=None,
        prompt=arguments.first_words,
        json=False,
        brain=arguments.talk_brain,
        thread=thread,
    )
    return _handler("chat")(chat)


def _has_screen() -> bool:
    """Whether a full screen can be drawn: a terminal at both ends that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def _add_conversation(commands: "_Commands[argparse.ArgumentParser]") -> None:
    chat = _command(commands, "chat", "talk a customization through, in the plain terminal")
    chat.add_argument("--answers", type=Path, metavar="FILE", help="take the answers from FILE, one a line, # comments")
    chat.add_argument("-p", "--prompt", metavar="TEXT", help="say TEXT first")
    chat.add_argument("--brain", metavar="BRAIN", help="guide, bedrock:MODEL[@REGION] or openai:MODEL[@URL]")
    chat.add_argument("--thread", metavar="NAME", help="which conversation (the latest)")
    _add_json(chat)
    init = _command(commands, "init", "make an empty project with a spec to fill in")
    init.add_argument("directory", type=Path, metavar="DIR")
    doctor = _command(commands, "doctor", "check this machine and this project")
    _add_json(doctor)


def _add_spec(commands: "_Commands[argparse.ArgumentParser]") -> None:
    spec = commands.add_parser("spec", help="check the spec, print its JSON Schema, compare with the last plan")
    parts = spec.add_subparsers(dest="part", metavar="check|schema|diff", required=True)
    for name, summary in (
        ("check", "validate the spec"),
        ("schema", "print the JSON Schema of spec.yaml"),
        ("diff", "compare the spec with the one the last plan was made from"),
    ):
        part = parts.add_parser(name, help=summary, description=summary)
        part.set_defaults(handler=_handler(f"spec {name}"))
        if name != "schema":
            part.add_argument("spec", nargs="?", type=Path, metavar="SPEC")
    data = commands.add_parser("data", help="look at data files and at the prepared data")
    data_parts = data.add_subparsers(dest="part", metavar="check|show", required=True)
    read = "read a file strictly and tell what it holds"
    check = data_parts.add_parser("check", help=read, description=read)
    check.set_defaults(handler=_handler("data check"))
    check.add_argument("file", metavar="FILE")
    _add_json(check)
    prepared = "show rows, lengths, labels, leaks and warnings of the prepared data"
    shown = data_parts.add_parser("show", help=prepared, description=prepared)
    shown.set_defaults(handler=_handler("data show"))
    shown.add_argument(
        "name", nargs="?", metavar="NAME", help="dataset, or NAME@VERSION; the last plan's when left out"
    )
    _add_json(shown)
    plan = _command(commands, "plan", "resolve the spec: steps, values, reasons, estimates")
    plan.add_argument("spec", nargs="?", type=Path, metavar="SPEC")
    plan.add_argument("--again", action="store_true", help="plan another version although nothing changed")
    _add_json(plan)


def _add_runs(commands: "_Commands[argparse.ArgumentParser]") -> None:
    run = _command(commands, "run", "run the plan; asks for what is not approved")
    run.add_argument("spec", nargs="?", type=Path, metavar="SPEC")
    run.add_argument("--approve", metavar="STEP,...|all", help="approve these steps, typed by you here")
    run.add_argument("--max-usd", type=float, metavar="N", help="approve at most N dollars")
    run.add_argument("--again", action="store_true", help="train another version although nothing changed")
    _add_json(run)
    runs = _command(commands, "runs", "list the runs of this project")
    _add_json(runs)
    for name, summary in (
        ("show", "show one run"),
        ("report", "show what a plan's evaluation measured"),
        ("logs", "print a run's log"),
        ("stop", "stop a run; training saves a checkpoint first"),
    ):
        parser = _command(commands, name, summary)
        parser.add_argument("run", metavar="RUN", nargs="?" if name == "report" else None)
        if name == "report":
            rows = ("all", "worse", "better", "same", "wrong")
            parser.add_argument("--rows", choices=rows, help="print these test rows instead, with every answer")
        if name == "logs":
            parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
        else:
            _add_json(parser)


def _add_serving(commands: "_Commands[argparse.ArgumentParser]") -> None:
    play = _command(commands, "play", "ask the served models one prompt, side by side")
    play.add_argument("models", nargs="*", metavar="MODEL")
    play.add_argument("-p", "--prompt", metavar="TEXT", help="the prompt; without it, each line of stdin is one")
    _add_json(play)
    teardown = _command(commands, "teardown", "stop servers")
    teardown.add_argument("name", nargs="?", metavar="NAME")
    teardown.add_argument("--all", action="store_true", help="every server of this project")
    _add_json(teardown)


if __name__ == "__main__":
    entry()
