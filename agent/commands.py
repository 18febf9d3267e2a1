"""What each `tailor` command does: calls `tools.client.Tailor` and prints.

Results go to stdout, narration to stderr.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic_core import to_jsonable_python

from agent.run_command import run_plan
from specs.errors import ExitCode
from specs.layout import ProjectLayout
from tools.client import Tailor
from tools.errors import UsageError
from tools.escape import visible
from tools.wording import count


def show(text: str) -> None:
    """Print a result."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def show_json(kind: str, value: object) -> None:
    """Print one JSON object with its type on one line, in ASCII, so that no character of a row ends the line."""
    show(json.dumps({"type": kind, **to_jsonable_python(value)}))


def terminal_width() -> int:
    """Return the columns to write for: the terminal's, at most 120, or 80 where there is none."""
    return min(shutil.get_terminal_size((80, 24)).columns, 120)


def project(arguments: argparse.Namespace) -> Tailor:
    """Return the project a command works in: the folder of the spec it names, or the chosen folder."""
    spec: Path | None = getattr(arguments, "spec", None)
    if spec is None:
        return Tailor(arguments.project)
    if not spec.is_file():
        raise UsageError(f"There is no spec file {spec}.", "Give the path of a spec.yaml, or talk with `tailor chat`.")
    return Tailor(spec.resolve().parent, spec_name=spec.name)


def _chat(arguments: argparse.Namespace) -> int:
    from agent.conversations import chosen_thread
    from agent.headless import chat

    folder = Path(arguments.project)
    return chat(
        folder,
        answers=arguments.answers,
        prompt=arguments.prompt,
        json_mode=arguments.json,
        brain=arguments.brain,
        thread=chosen_thread(ProjectLayout(folder.expanduser()), arguments.thread),
    )


def _init(arguments: argparse.Namespace) -> int:
    tailor = Tailor(arguments.directory, create=True)
    tailor.create_spec(
        {
            "name": "my-model",
            "goal": {"task": "Say in one sentence what the model shall do."},
            "data": {"sources": [{"path": "data/train.csv", "columns": {"prompt": "text", "completion": "label"}}]},
        }
    )
    show(str(tailor.layout.spec_path))
    sys.stderr.write("Put your data into data/, fill in the spec, then: tailor plan\n")
    return ExitCode.DONE


def _spec_check(arguments: argparse.Namespace) -> int:
    tailor = project(arguments)
    spec = tailor.load_spec().spec
    show(f"{tailor.layout.spec_name} is valid: {spec.name}, {count(len(spec.data.sources), 'data source')}.")
    return ExitCode.DONE


def _spec_schema(_arguments: argparse.Namespace) -> int:
    from specs.schema import schema_text

    show(schema_text())
    return ExitCode.DONE


def _spec_diff(arguments: argparse.Namespace) -> int:
    from specs.edit import diff_text

    tailor = project(arguments)
    plan = tailor.known_plan()
    diff = diff_text(plan.spec_text, tailor.load_spec().text, tailor.layout.spec_name)
    show(visible(diff, 100_000) if diff else "The spec is the one the last plan was made from.")
    return ExitCode.DONE


def _data_check(arguments: argparse.Namespace) -> int:
    profile = Tailor(arguments.project).inspect_data(arguments.file)
    if arguments.json:
        show_json("data_file", profile)
    else:
        from agent.result_text import profile_text

        show(profile_text(profile))
    return ExitCode.DONE


def _data_show(arguments: argparse.Namespace) -> int:
    from tools.data.quality import quality_report_text
    from tools.status import data_quality

    found = data_quality(Tailor(arguments.project).layout, arguments.name)
    sys.stderr.write(f"Dataset {found.name}, version {found.version}\n")
    if arguments.json:
        show_json("dataset_quality", found.report)
    else:
        show(visible(quality_report_text(found.report), 100_000))
    return ExitCode.DONE


def _plan(arguments: argparse.Namespace) -> int:
    from agent.cards import plan_ready
    from agent.plan_text import plan_text

    plan = project(arguments).plan(anew=arguments.again)
    if arguments.json:
        show_json("plan", {"hash": plan.hash, **plan.model_dump(mode="json")})
    else:
        show(plan_text(plan_ready(plan), terminal_width()))
        sys.stderr.write("Run it with `tailor run`; it asks before each step.\n")
    return ExitCode.DONE


def _run(arguments: argparse.Namespace) -> int:
    return run_plan(
        project(arguments),
        approved=arguments.approve,
        max_usd=arguments.max_usd,
        again=arguments.again,
        json_mode=arguments.json,
    )


def _runs(arguments: argparse.Namespace) -> int:
    runs = Tailor(arguments.project).runs()
    if arguments.json:
        _show_lines("run", runs)
        return ExitCode.DONE
    from agent.result_text import runs_text

    show(runs_text(runs))
    return ExitCode.DONE


def _show_lines(kind: str, values: Iterable[object]) -> None:
    for value in values:
        show_json(kind, value)


def _show_run(arguments: argparse.Namespace) -> int:
    info = Tailor(arguments.project).show(arguments.run)
    if arguments.json:
        show_json("run", info)
        return ExitCode.DONE
    from agent.result_text import run_text

    show(run_text(info))
    return ExitCode.DONE


def _report(arguments: argparse.Namespace) -> int:
    if arguments.rows is not None:
        from agent.result_text import measured_row_text

        for number, row in enumerate(Tailor(arguments.project).rows(arguments.run, outcome=arguments.rows)):
            if arguments.json:
                show_json("row", row)
            else:
                show(measured_row_text(row, terminal_width(), is_first=number == 0))
        return ExitCode.DONE
    results = Tailor(arguments.project).results(arguments.run)
    if arguments.json:
        show_json("results", results)
        return ExitCode.DONE
    from agent.result_text import results_text

    show(results_text(results, terminal_width()))
    return ExitCode.DONE


def _logs(arguments: argparse.Namespace) -> int:
    for line in Tailor(arguments.project).logs(arguments.run, follow=arguments.follow):
        show(visible(line, 10_000))
    return ExitCode.DONE


def _stop(arguments: argparse.Namespace) -> int:
    tailor = Tailor(arguments.project)
    info = tailor.show(arguments.run)
    if info.state == "running":
        first = "; training saves a checkpoint first" if info.task == "train" else ""
        sys.stderr.write(f"Stopping {info.run_id}{first}.\n")
    result = tailor.stop(arguments.run)
    if arguments.json:
        show_json("stopped", result)
    else:
        show(str(result["message"]))
    return ExitCode.DONE


def _play(arguments: argparse.Namespace) -> int:
    from agent.result_text import answers_text

    tailor = Tailor(arguments.project)
    prompts = _prompts_from_stdin() if arguments.prompt is None else [arguments.prompt]
    for prompt in prompts:
        answers = tailor.play(prompt, arguments.models)
        if arguments.json:
            show_json("answers", answers)
        else:
            show(answers_text(prompt, answers))
    return ExitCode.DONE


def _prompts_from_stdin() -> Iterable[str]:
    if sys.stdin.isatty():
        sys.stderr.write("Type a prompt and press Enter; Ctrl+D ends.\n")
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\n")


def _teardown(arguments: argparse.Namespace) -> int:
    if arguments.name is None and not arguments.all:
        raise UsageError("Which server?", "Name a model as `tailor runs` shows it, or use `tailor teardown --all`.")
    stopped = Tailor(arguments.project).teardown(arguments.name)
    if arguments.json:
        show_json("teardown", {"stopped": stopped})
    else:
        show(f"Stopped: {', '.join(stopped)}." if stopped else "No server was running.")
    return ExitCode.DONE


def _doctor(arguments: argparse.Namespace) -> int:
    findings = Tailor(arguments.project).doctor()
    if arguments.json:
        _show_lines("finding", findings)
    else:
        from agent.result_text import findings_text

        show(findings_text(findings, terminal_width()))
    return ExitCode.FAILED if any(finding.state == "failed" for finding in findings) else ExitCode.DONE


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "chat": _chat,
    "init": _init,
    "doctor": _doctor,
    "spec check": _spec_check,
    "spec schema": _spec_schema,
    "spec diff": _spec_diff,
    "data check": _data_check,
    "data show": _data_show,
    "plan": _plan,
    "run": _run,
    "runs": _runs,
    "show": _show_run,
    "report": _report,
    "logs": _logs,
    "stop": _stop,
    "play": _play,
    "teardown": _teardown,
}
"""What `agent.cli` dispatches to, by command."""
