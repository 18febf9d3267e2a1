"""What a run told, folded into what is shown of it: no files, no screen."""

from typing import Any

import pytest

from agent.tui import run_words
from agent.tui.run_curve import MAX_POINTS, CurveDraft
from agent.tui.run_fold import fold, fold_all
from agent.tui.run_follow import stop_sentences
from agent.tui.run_lines import MAX_LINES, LogWeaver, sentence
from agent.tui.run_machine import parse_gpu
from agent.tui.viewmodels.run import Curve, GpuView, MachineView, RunView
from specs.events import (
    CheckpointSaved,
    Evaluated,
    Progress,
    Sample,
    Serving,
    Started,
    StepDone,
    TrainEvent,
    Warned,
)
from tests.fakes.run_folder import BEGIN, finished, step

NASTY = "[bold]x[/] [=1] \x1b[31mred\u202e\u200b 漢字 🎉\nsecond"


def started(**changes: Any) -> Started:
    known: dict[str, Any] = {
        "time": BEGIN,
        "task": "train",
        "pid": 1,
        "device": "cpu",
        "dtype": "bf16",
        "threads": 2,
        "num_parameters": 10,
        "num_trainable": 10,
        "num_examples": 80,
        "total_steps": 500,
    }
    return Started(**{**known, **changes})


def evaluated(number: int, loss: float) -> Evaluated:
    return Evaluated(time=BEGIN + number, step=number, metrics={"loss": loss, "token_accuracy": 0.9})


@pytest.fixture
def view() -> RunView:
    return RunView("r7", step_title="train")


def test_fold_takes_device_and_total_when_a_job_starts(view: RunView) -> None:
    told = fold(view, started())
    assert (told.state, told.device, told.total, told.launches) == ("running", "cpu, bf16, 2 threads", 500, 1)


def test_fold_takes_figures_when_a_step_is_done(view: RunView) -> None:
    told = fold(view, step(312, 0.43))
    assert (told.done, told.total, told.loss, told.grad_norm) == (312, 500, 0.43, 0.82)
    assert told.train.points == ((312, 0.43),)
    assert told.s_per_step == pytest.approx(2.9)


def test_fold_leaves_the_view_it_was_given_as_it_was(view: RunView) -> None:
    fold(view, step(1, 2.0))
    assert view == RunView("r7", step_title="train")


def test_fold_keeps_rate_and_time_left_when_rows_are_answered(view: RunView) -> None:
    told = fold(view, Progress(time=BEGIN, done=120, total=252, elapsed_s=15))
    assert (told.done, told.total, told.rows_per_s) == (120, 252, 8.0)
    assert told.eta_s == pytest.approx(16.5)


def test_fold_finds_the_best_when_validation_gets_worse_again(view: RunView) -> None:
    told = fold_all(view, [evaluated(100, 0.9), evaluated(200, 0.6), evaluated(300, 0.7)])
    assert told.best == (200, 0.6)
    assert told.evals.last == 0.7
    assert told.metrics == (("token_accuracy", 0.9),)


def test_fold_keeps_the_latest_samples_escaped(view: RunView) -> None:
    samples = [Sample(time=BEGIN, step=i, prompt=NASTY, completion="y", expected=NASTY) for i in range(1, 20)]
    told = fold_all(view, samples)
    assert [sample.step for sample in told.samples] == list(range(12, 20))
    assert "\x1b" not in told.samples[-1].prompt
    assert "\\x1b[31mred\\u202e\\u200b 漢字 🎉" in told.samples[-1].prompt
    assert told.samples[-1].expected == told.samples[-1].prompt


def test_fold_takes_the_address_when_a_server_answers(view: RunView) -> None:
    told = fold(view, Serving(time=BEGIN, url="http://127.0.0.1:1/v1", models=("a", "b"), expires_at=BEGIN + 60))
    assert (told.url, told.models, told.expires_at) == ("http://127.0.0.1:1/v1", ("a", "b"), BEGIN + 60)


def test_fold_shows_a_warning_until_the_end_says_more(view: RunView) -> None:
    warned = fold(view, Warned(time=BEGIN, code="x", message=NASTY, hint="Do this."))
    assert warned.hint == "Do this."
    assert "\x1b" not in warned.message
    assert "\n" not in warned.message
    assert fold(warned, finished("failed", "Out of memory.")).message == "Out of memory."


@pytest.mark.parametrize("state", ["succeeded", "failed", "stopped"])
def test_fold_takes_the_state_when_a_job_says_how_it_ended(view: RunView, state: str) -> None:
    assert fold(fold(view, started()), finished(state)).state == state


def test_fold_notes_the_checkpoint(view: RunView) -> None:
    assert fold(view, CheckpointSaved(time=BEGIN, step=300, path="x", size_bytes=1)).checkpoint == 300


def test_curve_never_goes_backwards_when_a_killed_training_is_taken_up(view: RunView) -> None:
    before: list[TrainEvent] = [started(), *(step(i, 3 - i / 100) for i in range(1, 151)), evaluated(140, 0.1)]
    after: list[TrainEvent] = [started(resumed_from=100), *(step(i, 2.5 - i / 100) for i in range(101, 121))]
    told = fold_all(view, [*before, *after])
    steps = [point[0] for point in told.train.points]
    assert steps == list(range(1, 121))
    assert told.train.points[100] == (101, 2.5 - 1.01)
    assert told.best is None
    assert (told.launches, told.resumed_from, told.done) == (2, 100, 120)


def test_curve_begins_anew_when_there_was_no_checkpoint(view: RunView) -> None:
    told = fold_all(view, [started(), step(1, 3), step(2, 2), started(), step(1, 3.5)])
    assert told.train.points == ((1, 3.5),)


def test_curve_replaces_steps_when_they_come_again_without_a_start(view: RunView) -> None:
    told = fold_all(view, [step(1, 3), step(2, 2), step(3, 1), step(2, 2.5)])
    assert told.train.points == ((1, 3.0), (2, 2.5))


def test_curve_stays_small_and_keeps_the_extremes_when_a_run_has_100000_steps() -> None:
    draft = CurveDraft(Curve())
    for number in range(1, 100_001):
        draft.add(number, {40_001: 9.0, 70_003: -1.0}.get(number, 1 / number))
    points = draft.curve().points
    assert len(points) <= MAX_POINTS
    assert points[0] == (1, 1.0)
    assert points[-1] == (100_000, 1 / 100_000)
    assert (40_001, 9.0) in points
    assert draft.curve().lowest == (70_003, -1.0)


def test_every_kind_of_event_has_a_sentence() -> None:
    told: list[TrainEvent] = [
        started(resumed_from=100),
        step(3, 0.5),
        Progress(time=BEGIN, done=1, total=2, elapsed_s=1),
        evaluated(3, 0.25),
        CheckpointSaved(time=BEGIN, step=3, path="x", size_bytes=4_300_000),
        Sample(time=BEGIN, step=3, prompt="p", completion=NASTY),
        Serving(time=BEGIN, url="http://x/v1", models=("a",), expires_at=BEGIN),
        Warned(time=BEGIN, code="c", message="Look."),
        finished("failed", "It broke.", "Mend it."),
    ]
    lines = [sentence(event) for event in told]
    assert [line.text for line in lines] == [
        "started on cpu (bf16, threads: 2), from step 100",
        "step 3 · loss 0.5000 · grad 0.82",
        "1 of 2 rows",
        "validation at step 3 · loss 0.2500 · token_accuracy 0.9000",
        "saved checkpoint of step 3 (4 MB)",
        "answered at step 3: [bold]x[/] [=1] \\x1b[31mred\\u202e\\u200b 漢字 🎉\\nsecond",
        "serving a at http://x/v1",
        "Look.",
        "It broke. Mend it.",
    ]
    assert [line.kind for line in lines][4:] == ["saved", "event", "event", "warning", "error"]


def test_log_puts_foreign_lines_between_the_events_they_came_between() -> None:
    weaver = LogWeaver()
    events: list[TrainEvent] = [started(), step(1, 2.0), step(2, 1.0)]
    log = [
        b"12:00:00 started train on cpu (bf16, threads: 2)",
        b"UserWarning: something",
        b"12:00:01 step 1 of 500: loss 2.0000",
        b"10%|##   \r20%|####",
        b"12:00:02 step 2 of 500: loss 1.0000",
    ]
    assert [line.text.split(" ·")[0] for line in weaver.weave(events, log)] == [
        "started on cpu (bf16, threads: 2)",
        "UserWarning: something",
        "step 1",
        "20%|####",
        "step 2",
    ]


def test_log_tells_nothing_twice_when_the_echo_comes_later_than_the_event() -> None:
    weaver = LogWeaver()
    weaver.weave([started()], [])
    ending = finished("failed", "It broke.", "Mend it.")
    assert [line.text for line in weaver.weave([step(1, 2.0), ending], [b"12:00:00 started train on cpu"])] == [
        "step 1 · loss 2.0000 · grad 0.82",
        "It broke. Mend it.",
    ]
    late = weaver.weave([], [b"12:00:01 step 1 of 500: loss 2.0", b"12:00:02 It broke. Mend it.", b"Traceback"])
    assert [line.text for line in late] == ["Traceback"]


def test_log_keeps_the_end_when_there_is_much() -> None:
    lines = LogWeaver().weave(
        [step(i, 1.0) for i in range(1, 5001)], [b"12:00:00 step 5000 of 5000: loss 1", b"end"], is_cut=True
    )
    assert len(lines) == MAX_LINES
    assert [line.text.split(" ·")[0] for line in lines[-2:]] == ["step 5000", "end"]


def test_head_leaves_out_the_less_important_when_it_is_narrow(view: RunView) -> None:
    told = fold_all(RunView("r7", step_title="train", limit_s=2880), [started(), step(312, 0.43)])
    full = "Run r7 · train · step 312/500 · 2.9 s/step · ETA 9 min · 0.25 of 0.8 h · ● running"
    assert "".join(text for text, _ in run_words.head(told, 100)) == full
    assert "".join(text for text, _ in run_words.head(told, 78)) == full.replace(" · train", "")
    narrow = "".join(text for text, _ in run_words.head(told, 60))
    assert narrow == "Run r7 · step 312/500 · ETA 9 min · ● running"


def test_machine_shows_the_accelerator_when_there_is_one(view: RunView) -> None:
    use = MachineView(memory_bytes=2_100_000_000, peak_bytes=3_000_000_000, gpu=parse_gpu("94, 62464, 143771, 71\n"))
    told = "".join(text for text, _ in run_words.machine(RunView("r7", machine=use), 120))
    assert told == "GPU 94 %  ███████████████████░   gpu mem 61/140 GB   71 °C   mem 2.1 GB (peak 3.0 GB)"


@pytest.mark.parametrize("table", ["", "No devices were found", "[N/A], [N/A], [N/A], [N/A]", "1, 2, 3"])
def test_accelerator_is_unknown_when_the_table_says_nothing(table: str) -> None:
    assert parse_gpu(table) is None


def test_accelerator_is_the_busiest_when_there_are_several() -> None:
    table = "0, 10, 1000, 30\n80, 500, 1000, [N/A]\n"
    assert parse_gpu(table) == GpuView(80, 500 << 20, 1000 << 20, None)


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ([started(), step(312, 0.4)], "Training stops after this step and saves a checkpoint: step 312 of 500."),
        ([started()], "Training has not done its first step; nothing is lost but the time to start again."),
        ([started(task="generate", total_steps=0)], "Answering stops. No row is answered yet."),
        ([started(task="serve")], "The server stops at once; requests on their way are cut off."),
        ([finished()], "Run r7 is not running any more."),
    ],
)
def test_stop_says_what_is_lost(view: RunView, told: list[StepDone], first: str) -> None:
    assert stop_sentences(fold_all(view, told))[0] == first


def test_stop_names_the_checkpoint_that_is_left_when_the_job_has_to_be_ended_by_force(view: RunView) -> None:
    told = fold_all(view, [started(), CheckpointSaved(time=BEGIN, step=300, path="x", size_bytes=1), step(312, 0.4)])
    assert stop_sentences(told)[-1].endswith("goes on from the checkpoint of step 300.")


@pytest.mark.parametrize(
    ("seconds", "limit_s", "words"),
    [(900, 2880, "0.25 of 0.8 h"), (12, 3600, "12 s of 1 h"), (12, None, "12 s"), (12, 60, "12 s")],
)
def test_head_says_what_was_spent_of_what_may_be(seconds: float, limit_s: float | None, words: str) -> None:
    told = "".join(text for text, _ in run_words.head(RunView("r7", seconds=seconds, limit_s=limit_s), 80))
    assert told == f"Run r7 · {words} · ○ waiting"


def test_rows_show_no_pace_when_there_is_none_yet() -> None:
    told = run_words.rows_done(RunView("r7", task="generate", state="succeeded", done=252, total=252), 80)
    assert "".join(text for text, _ in told).endswith(" 100%  252 of 252 rows")


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0.00"), (0.00127, "0.00127"), (0.43, "0.43"), (1014.2, "1,014"), (-3.0, "-3.00")]
)
def test_figures_have_about_three_digits(value: float, words: str) -> None:
    assert run_words.number(value) == words
