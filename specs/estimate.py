"""What a step will take: seconds, memory, disk, tokens. Pure arithmetic on facts, with its basis as a sentence.

Times are ranges, because the same job on the same machine was measured to differ by a factor of 1.6.
"""

import itertools
import math
from dataclasses import dataclass

from specs.facts import Facts
from specs.plan import Estimate
from specs.run import SftSettings

_MEASURED_SPEED = ((0.83e6, 20_700.0), (3.64e6, 8_820.0), (6.7e6, 4_830.0))
"""Parameters and training tokens per second: one thread, bf16, forward, backward and AdamW, own measurement."""
_BF16_GAIN = 2.5
_TRAINER_SHARE = 0.6
"""Short padded batches through the trainer reach this share of the table."""
_TWO_THREAD_GAIN = 1.3
_SPREAD = 1.6
_GENERATION_SHARE = 0.35
"""3,080 answers of 7 tokens took about 3 s where training ran at 20,700 tokens per second."""
_GPU_FLOPS = (400e12, 120e12, 25e12)
"""Best, middle and worst. Best: 12,473 tokens/s for LoRA on an 8 B model, one H100 (NVIDIA NeMo AutoModel). Worst: a
quarter of 3,083 tokens/s on an RTX 4090 (torchtune)."""
_GPU_TOKENS_PER_S = (2e6, 5e5, 5e4)
_PROGRAM_BYTES = 1_000_000_000
_KEPT_BLOCKS = 4
"""How much more memory a processor's allocator keeps than the activations of one pass need."""
_TEXT_BYTES_PER_TOKEN = 5
_ROW_BYTES = 200
_ACTIVATION_BYTES = 34
_SERVED_TOKENS = 2048
"""Length of a request with its answer for which the server's memory is estimated."""


@dataclass(frozen=True)
class Machine:
    """What the jobs of a plan run on."""

    uses_gpu: bool
    threads: int | None
    """CPU threads; None = measured at the start."""

    def speedup(self, facts: Facts) -> float:
        """Return the most that several threads can bring over one."""
        return float(min(self.threads or facts.hardware.cores, facts.hardware.cores))


def num_steps(num_rows: int, settings: SftSettings) -> int:
    """Return the optimizer steps of a training."""
    return max(1, math.ceil(-(-num_rows // settings.batch_size) * settings.epochs))


def prepare(facts: Facts) -> Estimate:
    """Return what reading, checking and splitting the rows takes."""
    data = facts.data
    rows = data.num_train + data.num_validation + data.num_test
    size = int(rows * (data.lengths.mean * _TEXT_BYTES_PER_TOKEN + _ROW_BYTES))
    seconds = 1 + rows / 5_000
    return Estimate(
        seconds=_rounded(seconds),
        seconds_low=_rounded(seconds / 3),
        seconds_high=_rounded(seconds * 4),
        memory_bytes=200_000_000 + 4 * size,
        disk_bytes=size,
        cost_usd=0,
        num_tokens=0,
        basis=f"{rows:,} rows at about 5,000 rows a second; no model is needed.",
    )


def train(facts: Facts, settings: SftSettings, machine: Machine) -> Estimate:
    """Return what the training takes."""
    tokens = int(facts.data.lengths.mean * facts.data.num_train * settings.epochs)
    best, middle, worst, basis = _training_speed(facts, settings, machine)
    start = (20.0, 40.0, 120.0) if machine.uses_gpu else (5.0, 12.0, 30.0)
    steps = num_steps(facts.data.num_train, settings)
    return Estimate(
        seconds=_rounded(start[1] + tokens / middle),
        seconds_low=_rounded(start[0] + tokens / best),
        seconds_high=_rounded(start[2] + tokens / worst),
        memory_bytes=_training_memory(facts, settings, machine),
        disk_bytes=_training_disk(facts, settings),
        cost_usd=0,
        num_tokens=tokens,
        basis=f"{facts.data.num_train:,} rows of {facts.data.lengths.mean:.1f} tokens on average, "
        f"{settings.epochs:g} passes: {tokens:,} tokens in {steps:,} steps. {basis} "
        f"Token counts: {facts.data.lengths.basis}",
    )


def generate(facts: Facts, machine: Machine, num_rows: int, max_new_tokens: int, batch_size: int) -> Estimate:
    """Return what answering `num_rows` test prompts takes."""
    best, middle, worst = _generation_speed(facts, machine, batch_size)
    most = num_rows * max_new_tokens
    model = facts.model
    length = facts.data.lengths.longest_prompt + max_new_tokens
    cache = batch_size * length * model.hidden_size * model.num_layers * 2 * 4
    return Estimate(
        seconds=_rounded(8 + 0.6 * most / middle),
        seconds_low=_rounded(3 + 0.2 * most / best),
        seconds_high=_rounded(30 + most / worst),
        memory_bytes=_PROGRAM_BYTES + _weights_bytes(facts, machine) + cache + batch_size * model.vocab_size * 8,
        disk_bytes=num_rows * (max_new_tokens * _TEXT_BYTES_PER_TOKEN + _ROW_BYTES),
        cost_usd=0,
        num_tokens=int(num_rows * facts.data.lengths.mean + 0.6 * most),
        basis=f"{num_rows:,} answers of at most {max_new_tokens} tokens at about {middle:,.0f} tokens a second; "
        "a model that stops early is faster.",
    )


def serve(facts: Facts, machine: Machine, max_batch: int, *, side_by_side: bool) -> Estimate:
    """Return what the server takes until it answers; `side_by_side` = base and custom model are two sets of weights."""
    weights = _weights_bytes(facts, machine) * (2 if side_by_side else 1)
    model = facts.model
    cache = max_batch * min(model.context_length, _SERVED_TOKENS) * model.hidden_size * model.num_layers * 2 * 4
    loading = weights / 1e9
    return Estimate(
        seconds=_rounded(6 + loading),
        seconds_low=_rounded(3 + loading / 3),
        seconds_high=_rounded(30 + 4 * loading),
        memory_bytes=_PROGRAM_BYTES + weights + cache,
        disk_bytes=1_000_000,
        cost_usd=0,
        num_tokens=0,
        basis="Time until the server answers (5 s were measured for a small model), not the time it stays up.",
    )


def _training_speed(facts: Facts, settings: SftSettings, machine: Machine) -> tuple[float, float, float, str]:
    """Return best, middle and worst speed in tokens per second, and the sentence that says where they come from."""
    known = facts.hardware.tokens_per_s
    if known:
        basis = f"Speed: {known:,.0f} tokens a second, measured by an earlier run of this model on this machine."
        return known * _SPREAD, known, known / _SPREAD, basis
    if machine.uses_gpu:
        return _gpu_speed(facts, settings)
    one = _table_speed(facts.model.num_parameters) / (1 if facts.hardware.bf16 else _BF16_GAIN)
    gain = _TWO_THREAD_GAIN if machine.speedup(facts) >= 2 else 1.0
    middle = one * _TRAINER_SHARE * gain
    basis = (
        f"Speed: about {middle:,.0f} tokens a second on this processor, from a table measured on two cores for models "
        f"of 0.8 to 6.7 M parameters, {'with' if facts.hardware.bf16 else 'without'} bf16; short batches reach "
        f"{_TRAINER_SHARE:.0%} of it. A first run replaces this by a measurement."
    )
    return one * machine.speedup(facts), middle, middle / 2, basis


def _gpu_speed(facts: Facts, settings: SftSettings) -> tuple[float, float, float, str]:
    flops_per_token = (6 if settings.lora is None else 4) * facts.model.num_parameters
    best, middle, worst = (
        min(flops / flops_per_token, most) for flops, most in zip(_GPU_FLOPS, _GPU_TOKENS_PER_S, strict=True)
    )
    basis = (
        f"Speed: about {middle:,.0f} tokens a second, from published figures (8 B with LoRA: 12,473 on an H100, "
        "3,083 on an RTX 4090), not measured on this GPU, so the range is wide."
    )
    return best, middle, worst, basis


def _table_speed(num_parameters: int) -> float:
    """Interpolate the measured table by powers; beyond its end, speed falls as the parameters grow."""
    size = max(float(num_parameters), _MEASURED_SPEED[0][0])
    for (small, fast), (large, slow) in itertools.pairwise(_MEASURED_SPEED):
        if size <= large:
            return fast * (size / small) ** (math.log(slow / fast) / math.log(large / small))
    largest, slowest = _MEASURED_SPEED[-1]
    return slowest * largest / size


def _generation_speed(facts: Facts, machine: Machine, batch_size: int) -> tuple[float, float, float]:
    if machine.uses_gpu:
        middle = batch_size * 25 * min(1.0, 8e9 / max(1, facts.model.num_parameters))
        return middle * 4, middle, middle / 4
    middle = _table_speed(facts.model.num_parameters) * _GENERATION_SHARE
    return middle * machine.speedup(facts), middle, middle / 3


def _weights_bytes(facts: Facts, machine: Machine) -> int:
    return facts.model.num_parameters * (2 if machine.uses_gpu else 4)


def _adapter_parameters(facts: Facts, settings: SftSettings) -> int:
    """About twenty times the width per layer and rank: seven projections, three of them over three times as wide."""
    if settings.lora is None:
        return 0
    return settings.lora.rank * facts.model.hidden_size * facts.model.num_layers * 20


def _training_memory(facts: Facts, settings: SftSettings, machine: Machine) -> int:
    """Weights, gradients and two AdamW moments in fp32 for what is trained, and the activations of one pass.

    Activations: 34 bytes per token, layer and unit of width (Korthikanti and others 2022, without attention scores).
    On a processor four times as much: freed blocks of many shapes stay with the program, and Seedling on Banking77
    (64 rows of up to 144 tokens) peaked at 2.6 GB in 770 steps and 3.2 GB in 1,540.
    """
    model = facts.model
    if settings.lora is None:
        fixed = model.num_parameters * 16
    else:
        base = 0.6 if settings.lora.quantized else (2 if machine.uses_gpu else 4)
        fixed = int(model.num_parameters * base) + _adapter_parameters(facts, settings) * 16
    tokens = settings.micro_batch_size * settings.max_length
    activations = tokens * (_ACTIVATION_BYTES * model.hidden_size * model.num_layers + 8 * model.vocab_size)
    return _PROGRAM_BYTES + fixed + activations * (1 if machine.uses_gpu else _KEPT_BLOCKS)


def _training_disk(facts: Facts, settings: SftSettings) -> int:
    """Two checkpoints of 12 bytes per trained parameter (10 MB were measured for 0.83 M) and the final weights."""
    trained = facts.model.num_parameters if settings.lora is None else _adapter_parameters(facts, settings)
    download = facts.model.size_bytes if needs_download(facts) else 0
    return 2 * 12 * trained + 4 * trained + 5_000_000 + download


def needs_download(facts: Facts) -> bool:
    """Return whether the base model still has to come from the hub."""
    return facts.model.kind == "hub" and not facts.model.is_downloaded


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.3g}")
