import os
import stat
from pathlib import Path

import pytest

from tools.hardware import hardware_facts, num_cores


def test_hardware_facts_describe_this_machine(tmp_path: Path):
    facts = hardware_facts(tmp_path, tokens_per_s=123.0)
    assert 1 <= facts.cores <= (os.cpu_count() or 1)
    assert facts.memory_bytes > 2**28
    assert facts.free_disk_bytes > 0
    assert facts.tokens_per_s == 123.0


def test_num_cores_follows_the_affinity_of_the_process():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("the platform has no processor affinity")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert num_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("NVIDIA H200, 143771\n", ("NVIDIA H200", 143771 * 2**20)), ("No devices were found\n", (None, 0))],
)
def test_gpu_is_read_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: tuple):
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\nprintf '{answer}'\n")
    driver.chmod(driver.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    facts = hardware_facts(tmp_path)
    assert (facts.gpu, facts.gpu_memory_bytes) == expected
