from pathlib import Path

import pytest
import torch

from specs.errors import ExitCode
from trainer import hardware
from trainer.errors import TrainerError

QUIET = hardware.Machine(cores=2, load=0.1, bf16=True)
BUSY = hardware.Machine(cores=2, load=0.9, bf16=True)


@pytest.mark.parametrize(
    ("wanted", "kept", "facts", "threads"),
    [
        (3, 2, BUSY, 3),  # asked for
        (None, 2, BUSY, 2),  # chosen by the first launch
        (None, None, BUSY, 1),  # others work here
        (None, None, hardware.Machine(cores=1, load=0.0, bf16=True), 1),
    ],
)
def test_threads_are_not_probed_when_they_are_settled(
    monkeypatch: pytest.MonkeyPatch, wanted: int | None, kept: int | None, facts: hardware.Machine, threads: int
) -> None:
    monkeypatch.setattr(hardware, "_probe", None)
    assert hardware.choose_threads(wanted, kept, facts, hidden=64, rows=64) == threads


@pytest.mark.parametrize(("two", "threads"), [(180.0, 2), (110.0, 1), (14.0, 1)])
def test_more_threads_are_taken_only_when_they_are_worth_it(
    monkeypatch: pytest.MonkeyPatch, two: float, threads: int
) -> None:
    speeds = {1: 100.0, 2: two}
    monkeypatch.setattr(hardware, "_probe", lambda count, hidden, rows, bf16: speeds[count])
    assert hardware.choose_threads(None, None, QUIET, hidden=64, rows=64) == threads


def test_probe_measures_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_PROBE_S", 0.01)
    before = torch.get_num_threads()
    try:
        assert hardware.choose_threads(None, None, QUIET, hidden=32, rows=16) in (1, 2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("text", "bf16"),
    [("flags : fpu avx512_bf16 sse", True), ("flags : amx_bf16", True), ("flags : fpu avx512f", False), (None, False)],
)
def test_bf16_is_used_when_the_processor_multiplies_it(tmp_path: Path, text: str | None, bf16: bool) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    facts = hardware.machine(path)
    assert facts.bf16 is bf16
    assert hardware.profile("cpu", facts) == hardware.Profile("cpu", bf16=bf16, attention="eager")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_missing_device_is_a_sentence_when_it_is_asked_for() -> None:
    with pytest.raises(TrainerError, match="no usable NVIDIA GPU") as caught:
        hardware.profile("cuda", QUIET)
    assert caught.value.exit_code is ExitCode.BACKEND
