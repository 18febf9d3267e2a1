"""Facts about this machine for estimates. Reads files and asks the driver; loads no training library."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil

from specs.facts import HardwareFacts

_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_DRIVER_TIMEOUT_S = 10.0


def hardware_facts(folder: Path, tokens_per_s: float | None = None) -> HardwareFacts:
    """Return what this machine has; `folder` is where the disk space counts.

    Args:
        folder: an existing folder of the project.
        tokens_per_s: training speed of an earlier run here, in tokens per second.
    """
    gpu, gpu_memory_bytes = _first_gpu()
    return HardwareFacts(
        cores=num_cores(),
        memory_bytes=_memory_limit_bytes(),
        free_disk_bytes=shutil.disk_usage(folder).free,
        bf16=gpu is not None or _cpu_has_bf16(),
        gpu=gpu,
        gpu_memory_bytes=gpu_memory_bytes,
        tokens_per_s=tokens_per_s,
    )


def num_cores() -> int:
    """Return the cores this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_limit_bytes() -> int:
    total = psutil.virtual_memory().total
    for name in _CGROUP_LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def _cpu_has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.system() == "Darwin" and platform.machine() == "arm64"
    return any(flag in flags for flag in _BF16_FLAGS)


def _first_gpu() -> tuple[str | None, int]:
    driver = shutil.which("nvidia-smi")
    if driver is None:
        return None, 0
    query = [driver, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=_DRIVER_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None, 0
    first = answer.stdout.strip().splitlines()[:1]
    if not first or "," not in first[0]:
        return None, 0
    name, _, mebibytes = first[0].rpartition(",")
    return name.strip(), int(float(mebibytes)) * 2**20
