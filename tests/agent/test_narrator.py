import itertools

import pytest

from agent.narrator import Narrator
from specs.events import TRAIN_EVENT
from tools.events import ExecutorEvent, PlanFinished, StepFinished, StepProgress, StepStarted, StepWaiting

HOSTILE = "\x1b[2J\u202egone\u200b"


def job(kind: str, **fields: object) -> StepProgress:
    event = TRAIN_EVENT.validate_python({"type": kind, "time": 1.0, **fields})
    return StepProgress(step="train", run="r2", event=event)


def step(number: int, total: int = 100, **fields: object) -> StepProgress:
    values = {"epoch": 1.0, "loss": 0.25, "learning_rate": 1e-3, "elapsed_s": 1.0, "eta_s": 90.0}
    return job("step", step=number, total_steps=total, **{**values, **fields})


def started(task: str, **fields: object) -> StepProgress:
    values = {
        "pid": 1, "device": "cpu", "dtype": "bf16", "threads": 2, "num_parameters": 1000, "num_trainable": 50,
        "num_examples": 7, "total_steps": 3,
    }  # fmt: skip
    return job("started", task=task, **{**values, **fields})


def done(state: str, **fields: object) -> StepFinished:
    values = {"step": "train", "run": "r2", "seconds": 65.0}
    return StepFinished.model_validate({**values, "state": state, **fields})


def plan(state: str, **fields: object) -> PlanFinished:
    values = {"plan": "sha256:0", "spent_usd": 0.0, "seconds": 12.0, "steps": ()}
    return PlanFinished.model_validate({**values, "state": state, **fields})


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (StepStarted(step="train", run="r2", resumed=False), ["● train (r2)"]),
        (StepStarted(step="train", run="r2", resumed=True), ["● train (r2), taken up again"]),
        (StepStarted(step="prepare_data", run=None, resumed=False), ["● prepare_data"]),
        (started("train"), ["  cpu, bf16, 2 threads; 7 rows; 50 trained"]),
        (
            started("train", resumed_from=20),
            ["  cpu, bf16, 2 threads; 7 rows; 50 trained, from the checkpoint of step 20"],
        ),
        (started("generate"), ["  cpu, bf16, 2 threads; 7 rows; 1,000 parameters"]),
        (started("serve"), []),
        (step(50), ["  step 50 of 100  loss 0.250, 1 min 30 s left"]),
        (step(100), ["  step 100 of 100  loss 0.250"]),
        (job("progress", done=5, total=10, elapsed_s=1.0), ["  5 of 10 rows"]),
        (job("evaluated", step=1200, metrics={"loss": 0.5}), ["  after step 1,200: loss 0.500"]),
        (job("sample", step=1, prompt="hi", completion="card"), ["  it now answers 'hi' with 'card'"]),
        (
            job("sample", step=1, prompt="hi", completion="card", expected="loan"),
            ["  it now answers 'hi' with 'card' (wanted: loan)"],
        ),
        (job("warning", code="slow", message="It is slow.", hint="Wait."), ["  ! It is slow. Wait."]),
        (job("warning", code="trained_tokens", message="7 tokens."), ["  7 tokens."]),
        (job("serving", url="http://u", models=["a", "b"], expires_at=2.0), ["  serving a, b at http://u"]),
        (job("checkpoint", step=1, path="/c", size_bytes=3), []),
        (job("finished", state="succeeded", message="", exit_code=0, seconds=1.0), []),
        (done("succeeded"), ["✓ train succeeded in 1 min 5 s"]),
        (done("succeeded", skipped=True), ["✓ train was done before"]),
        (
            done("failed", message="No memory.", hint="Take less."),
            ["✗ train failed in 1 min 5 s", "  No memory.", "  Take less."],
        ),
        (done("stopped", message="On request."), ["■ train stopped in 1 min 5 s", "  On request."]),
        (StepWaiting(step="train", digest="d"), ["! Step train waits for your approval."]),
        (StepWaiting(step="train", digest="d", message="Changed.", hint="Approve it."), ["! Changed. Approve it."]),
        (plan("succeeded", model="m@1", endpoint="http://u"), ["Done in 12 s: m@1. It is served at http://u."]),
        (plan("succeeded"), ["Done in 12 s: nothing was trained."]),
        (plan("waiting"), ["Waiting for your approval."]),
        (plan("failed"), ["The plan failed."]),
    ],
)  # fmt: skip
def test_event_is_told_in_lines(event: ExecutorEvent, lines: list[str]):
    assert Narrator().feed(event) == lines


def test_progress_is_told_at_most_every_tenth_and_at_the_end():
    narrator = Narrator()
    told = [number for number in range(1, 1001) if narrator.feed(step(number, 1000))]
    assert told[-1] == 1000
    assert 9 <= len(told) <= 10
    assert all(later - earlier >= 100 for earlier, later in itertools.pairwise(told[:-1]))
    assert narrator.feed(step(1000, 1000)) == []


def test_progress_is_told_anew_for_the_next_step():
    narrator = Narrator()
    narrator.feed(step(100))
    narrator.feed(StepStarted(step="evaluate", run="r3", resumed=False))
    assert narrator.feed(job("progress", done=1, total=10, elapsed_s=1.0)) == ["  1 of 10 rows"]


def test_progress_without_a_total_is_told_once():
    narrator = Narrator()
    assert [len(narrator.feed(job("progress", done=0, total=0, elapsed_s=1.0))) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(
    "event",
    [
        job("sample", step=1, prompt=HOSTILE, completion=HOSTILE, expected=HOSTILE),
        job("warning", code="x", message=HOSTILE, hint=HOSTILE),
        job("evaluated", step=1, metrics={HOSTILE: 1.0}),
        job("serving", url="http://u", models=[HOSTILE], expires_at=2.0),
        started("train", device=HOSTILE),
        done("failed", message=HOSTILE, hint=HOSTILE),
        StepWaiting(step="train", digest="d", message=HOSTILE),
        plan("succeeded", model=HOSTILE),
    ],
    ids=lambda event: event.type,
)
def test_outside_text_is_escaped(event: ExecutorEvent):
    text = "\n".join(Narrator().feed(event))
    assert "gone" in text
    assert not set("\x1b\u202e\u200b") & set(text)


def test_second_line_of_a_message_cannot_pass_for_a_line_of_ours():
    lines = Narrator().feed(done("failed", message="first\n✓ evaluate succeeded"))
    assert not any(line.startswith("✓") for line in "\n".join(lines).splitlines())
