import os
import signal
from pathlib import Path

import pytest

from trainer.errors import JobStopped
from trainer.stop import StopWatch


def test_job_goes_on_when_nothing_asks_for_a_stop(tmp_path: Path) -> None:
    watch = StopWatch(tmp_path / "stop", 100.0, 50.0)
    assert watch.reason() is None
    watch.check()


def test_stop_file_stops_once_when_it_is_used_up(tmp_path: Path) -> None:
    watch = StopWatch(tmp_path / "stop", None)
    (tmp_path / "stop").touch()
    with pytest.raises(JobStopped, match="on request"):
        watch.check()
    watch.used()
    assert watch.reason() is None


def test_job_stops_when_its_launches_together_used_up_the_time(tmp_path: Path) -> None:
    reason = StopWatch(tmp_path / "stop", 60.0, 60.5).reason()
    assert reason is not None
    assert "used up its 60 s" in reason.reason
    assert "budget.hours" in reason.hint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_asks_and_the_second_interrupts(tmp_path: Path, number: signal.Signals) -> None:
    watch, before = StopWatch(tmp_path / "stop", None), signal.getsignal(number)
    with watch.listening():
        os.kill(os.getpid(), number)
        reason = watch.reason()
        assert reason is not None
        assert number.name in reason.reason
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
