"""Runs the job of a run directory, and is the one place where its failures are caught and told.

Light at import: torch and the rest come in with the task.
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path

from specs.errors import ExitCode
from specs.events import Finished
from specs.layout import RunLayout
from specs.run import GenerateTask, RunManifest, ServeTask, TrainReport, TrainTask
from trainer.errors import JobStopped, TrainerError, explain
from trainer.events import EventLog
from trainer.job import Job, finished, open_manifest, read_state
from trainer.log_line import log_line
from trainer.stop import StopWatch


def run(run_dir: Path, only: str | None = None) -> int:
    """Run the job whose manifest lies in `run_dir` and return its exit code (specs.errors.ExitCode).

    Args:
        run_dir: the run directory.
        only: type of task that is accepted, None for any.
    """
    layout = RunLayout(run_dir.resolve())
    try:
        manifest = open_manifest(layout)
        if only is not None and manifest.task.type != only:
            raise TrainerError(
                f"The manifest in {layout.run_dir} asks for {manifest.task.type}, not for {only}.",
                f"Run: python -m trainer run {run_dir}",
                exit_code=ExitCode.USAGE,
            )
        prepare_environment(manifest)
        with contextlib.redirect_stdout(sys.stderr):
            if isinstance(manifest.task, ServeTask):
                return _serve(layout)
            with EventLog(layout.events_path) as events:
                return _work(layout, manifest, events)
    except (TrainerError, OSError) as error:
        sentence = explain(error)
        print(sentence, file=sys.stderr)  # noqa: T201 - there is no event file to write to
        return int(sentence.exit_code)


def prepare_environment(manifest: RunManifest) -> None:
    """Set what libraries read at import: no telemetry, no threads behind our back, no hub for local models."""
    task = manifest.task
    os.environ.update(
        HF_HUB_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
        TOKENIZERS_PARALLELISM="false",
        HF_DATASETS_OFFLINE="1",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        TQDM_DISABLE="1",
        TRANSFORMERS_NO_ADVISORY_WARNINGS="1",
    )
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if task.limits.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(task.limits.threads)
    models = task.models if isinstance(task, ServeTask) else (task.model,)
    if all(os.path.isabs(model.location) for model in models):
        os.environ["HF_HUB_OFFLINE"] = "1"


def _serve(layout: RunLayout) -> int:
    from trainer.serve import serve

    try:
        return serve(layout.run_dir)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told as a sentence
        with EventLog(layout.events_path) as events:
            return _tell(events, _ending(error, StopWatch(layout.stop_path, None)))


def _work(layout: RunLayout, manifest: RunManifest, events: EventLog) -> int:
    task = manifest.task
    done = _already_done(layout, manifest)
    if done is not None:
        return int(ExitCode.DONE) if isinstance(events.last(), Finished) else _tell(events, done)
    state = read_state(layout)
    stop = StopWatch(layout.stop_path, task.limits.max_seconds, state.work_s)
    with stop.listening():
        try:
            job = Job(layout, manifest, events, stop, state)
            job.remember(launches=state.launches + 1)
            stop.check()
            ending = _task(task, job)
            job.remember()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that tells failures
            ending = _ending(error, stop)
        code = _tell(events, ending)
        if ending.state == "stopped":
            stop.used()
    return code


def _task(task: TrainTask | GenerateTask | ServeTask, job: Job) -> Finished:
    if isinstance(task, TrainTask):
        from trainer.sft import train

        return train(task, job)
    if isinstance(task, GenerateTask):
        from trainer.generate import generate

        return generate(task, job)
    raise AssertionError("serve has its own way")


def _already_done(layout: RunLayout, manifest: RunManifest) -> Finished | None:
    """Return the last event of a run whose work is complete, None when there is work left."""
    if not layout.report_path.exists():
        return None
    if isinstance(manifest.task, TrainTask):
        report = TrainReport.model_validate_json(layout.report_path.read_bytes())
        if report.state != "succeeded":
            return None
    return finished("succeeded", "The run was complete already.", "", ExitCode.DONE, 0.0)


def _ending(error: BaseException, stop: StopWatch) -> Finished:
    if isinstance(error, JobStopped):
        return finished("stopped", error.reason, error.hint, ExitCode.STOPPED, stop.worked_s)
    if isinstance(error, KeyboardInterrupt):
        message = "Interrupted at once; work after the last checkpoint is lost."
        return finished("stopped", message, "Start the step again to go on.", ExitCode.INTERRUPTED, stop.worked_s)
    if not isinstance(error, TrainerError):
        traceback.print_exception(error, file=sys.stderr)
    sentence = explain(error)
    return finished("failed", sentence.message, sentence.hint, sentence.exit_code, stop.worked_s)


def _tell(events: EventLog, ending: Finished) -> int:
    """Write the last event; where even that fails, say it in the log and fail."""
    try:
        events.write(ending)
    except OSError as error:
        print(log_line(ending), explain(error), file=sys.stderr)  # noqa: T201 - the log is all that is left
        return int(ending.exit_code) or int(ExitCode.FAILED)
    return ending.exit_code
