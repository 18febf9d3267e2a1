from specs.events import Finished, StepDone, Warned
from trainer.events import EventLog
from trainer.log_line import log_line


def test_log_line_stays_on_one_line_when_the_message_does_not():
    event = Warned(time=0.0, code="x", message="first\nsecond", hint="then")
    assert log_line(event).endswith(" first second then")
    assert "\n" not in log_line(event)


def test_progress_stands_in_the_log_while_a_job_runs(tmp_path, capsys):
    with EventLog(tmp_path / "events.jsonl") as log:
        log.write(StepDone(time=0.0, step=3, total_steps=9, epoch=0.3, loss=1.25, learning_rate=0.1, elapsed_s=2.0))
        log.write(Finished(time=0.0, state="succeeded", message="Trained.", exit_code=0, seconds=3.0))
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1] for line in printed] == ["step 3 of 9: loss 1.2500", "Trained."]
