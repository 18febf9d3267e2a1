# pyright: basic
"""What this machine has and how a job should use it: device, precision, attention code, threads. Starts nothing."""

import importlib.util
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from specs.errors import ExitCode
from trainer.errors import TrainerError

_PROBE_S = 0.3
_WORTH_MORE_THREADS = 1.25
_QUIET_LOAD_PER_CORE = 0.25


@dataclass(frozen=True)
class Machine:
    """The processor side of the machine."""

    cores: int
    load: float
    """Runnable processes averaged over a minute."""
    bf16: bool
    """Whether the processor multiplies bf16 in hardware."""


@dataclass(frozen=True)
class Profile:
    """How to compute on the chosen device."""

    device: Literal["cpu", "cuda", "mps"]
    bf16: bool
    """Whether matrix products run in bf16."""
    attention: str
    """`attn_implementation` of transformers."""

    @property
    def dtype_name(self) -> str:
        """Name of the precision for people."""
        return "bf16" if self.bf16 else "fp32"


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> Machine:
    """Return the facts of the processor."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    flags = cpuinfo.read_text(errors="replace").split() if cpuinfo.exists() else []
    return Machine(cores=cores, load=os.getloadavg()[0], bf16="avx512_bf16" in flags or "amx_bf16" in flags)


def profile(wanted: Literal["auto", "cpu", "cuda", "mps"], facts: Machine) -> Profile:
    """Return how to compute. On the CPU eager attention beats sdpa for short rows, and bf16 needs AVX512_BF16 or AMX.

    Raises:
        TrainerError: the device that was asked for is not there.
    """
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if (wanted == "cuda" and not has_cuda) or (wanted == "mps" and not has_mps):
        raise TrainerError(
            f"This machine has no usable {'NVIDIA GPU' if wanted == 'cuda' else 'Apple GPU'}.",
            "Set compute.device to auto or cpu, or install a torch build that supports the device.",
            exit_code=ExitCode.BACKEND,
        )
    if wanted in ("auto", "cuda") and has_cuda:
        flash = importlib.util.find_spec("flash_attn") is not None
        bf16 = torch.cuda.is_bf16_supported()
        return Profile("cuda", bf16=bf16, attention="flash_attention_2" if flash and bf16 else "sdpa")
    if wanted in ("auto", "mps") and has_mps:
        return Profile("mps", bf16=False, attention="sdpa")
    return Profile("cpu", bf16=facts.bf16, attention="eager")


def choose_threads(wanted: int | None, kept: int | None, facts: Machine, *, hidden: int, rows: int) -> int:
    """Return the number of CPU threads: the wanted ones, else those of the first launch, else what a probe shows.

    On a machine with other work more threads than one collapse (2,940 against 21,200 tokens/s were measured), so the
    probe runs on a quiet machine only. `hidden` and `rows` shape the probe's matrix products.
    """
    if wanted is not None:
        return wanted
    if kept is not None:
        return kept
    if facts.cores == 1 or facts.load > _QUIET_LOAD_PER_CORE * facts.cores:
        return 1
    best, best_speed = 1, 0.0
    for threads in sorted({1, facts.cores // 2 or 1, facts.cores}):
        speed = _probe(threads, hidden, rows, bf16=facts.bf16)
        if speed > best_speed * (_WORTH_MORE_THREADS if best_speed else 1):
            best, best_speed = threads, speed
    return best


def use_threads(threads: int) -> None:
    """Let torch compute with so many threads."""
    import torch

    torch.set_num_threads(threads)


def peak_memory_bytes(device: str) -> int:
    """Return the most memory this process held: of the GPU when it computes there, else of the machine."""
    import resource
    import sys

    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _probe(threads: int, hidden: int, rows: int, *, bf16: bool) -> float:
    """Return feed-forward passes per second."""
    import torch

    torch.set_num_threads(threads)
    inputs = torch.randn(min(rows, 4096), hidden)
    weights = torch.randn(hidden, hidden * 3)
    count, started = 0, time.perf_counter()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        while time.perf_counter() - started < _PROBE_S:
            _ = (torch.nn.functional.silu(inputs @ weights) @ weights.t()).softmax(-1)
            count += 1
    return count / (time.perf_counter() - started)
