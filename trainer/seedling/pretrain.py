# pyright: basic
"""Teaches a fresh Seedling from the corpus: one pass over an endless stream, no example seen twice by design."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.seedling.corpus import examples
from trainer.seedling.grammar import seeded
from trainer.seedling.tasks import Example

_TOKENS_PER_STEP = 2048
_POOL = 2048
"""Examples sorted by length at a time; batches are cut from a pool and then shuffled."""
_LONGEST = 192
_WARMUP_STEPS = 60
_PROMPT_SHARE = 0.4
"""Share of the tokens outside answers that are trained, drawn anew each time: the output layer is most of the cost."""
_IGNORED = -100


@dataclass(frozen=True)
class Budget:
    """How long to train: by steps (reproducible) or by seconds of wall clock."""

    steps: int | None = None
    seconds: float | None = None

    def share(self, steps: int, seconds: float) -> float:
        """The used part of the budget, 1.0 when it is used up."""
        parts = [steps / self.steps] if self.steps else []
        if self.seconds:
            parts.append(seconds / self.seconds)
        return max(parts)


@dataclass(frozen=True)
class Outcome:
    """What a pretraining run did."""

    steps: int
    tokens: int
    seconds: float
    loss: float
    """Mean loss of the last 100 steps, in nats a token."""


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    budget: Budget,
    seed: int,
    learning_rate: float = 4e-3,
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Train `model` in place on the stream of `seed` until the budget is used up."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    )
    model.train()
    started = time.monotonic()
    losses: list[float] = []
    tokens = 0
    for batch in _batches(tokenizer, seed):
        used = budget.share(len(losses), time.monotonic() - started)
        if losses and used >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * _rate_share(len(losses), used)
        loss = _loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        tokens += int((batch.ids != _IGNORED).sum())
        if len(losses) % 100 == 0:
            report(f"step {len(losses)}: loss {_mean(losses[-100:]):.3f}, {time.monotonic() - started:.0f} s")
    return Outcome(len(losses), tokens, time.monotonic() - started, _mean(losses[-100:]))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _rate_share(step: int, used: float) -> float:
    return min(1.0, (step + 1) / _WARMUP_STEPS) * max(0.03, 0.5 * (1 + math.cos(math.pi * used)))


def _loss(model: LlamaForCausalLM, batch: "_Batch") -> torch.Tensor:
    real = batch.ids != _IGNORED
    targets = batch.ids[:, 1:]
    trained = batch.answer[:, 1:] | (real[:, 1:] & (torch.rand(targets.shape) < _PROMPT_SHARE))
    with torch.autocast("cpu", torch.bfloat16, enabled=_fast_bfloat16()):
        hidden = model.model(input_ids=batch.ids.masked_fill(~real, 0), attention_mask=real.long()).last_hidden_state
        logits = model.lm_head(hidden[:, :-1][trained])
    return torch.nn.functional.cross_entropy(logits.float(), targets[trained])


def _fast_bfloat16() -> bool:
    return torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]


def render(example: Example) -> tuple[str, str]:
    """The example as the chat template writes it, cut in front of the answer; plain text is all prompt."""
    if example.user is None:
        return f"{example.answer}<|end|>", ""
    system = f"<|system|>{example.system}<|end|>" if example.system else ""
    return f"{system}<|user|>{example.user}<|end|><|assistant|>", f"{example.answer}<|end|>"


@dataclass(frozen=True)
class _Batch:
    ids: torch.Tensor
    answer: torch.Tensor
    """True where the token belongs to an answer."""


_Row: TypeAlias = tuple[list[int], int]
"""Token ids and the number of them that belong to the answer."""


def _batches(tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[_Batch]:
    stream = examples(seed)
    rng = seeded(seed)
    while True:
        pool = [render(found) for found in islice(stream, _POOL)]
        prompts = tokenizer([prompt for prompt, _ in pool], add_special_tokens=False)["input_ids"]
        answers = tokenizer([answer for _, answer in pool], add_special_tokens=False)["input_ids"]
        rows = [(prompt + answer, len(answer)) for prompt, answer in zip(prompts, answers, strict=True)]
        short = sorted((row for row in rows if len(row[0]) <= _LONGEST), key=lambda row: len(row[0]))
        batches = list(_cut(short))
        rng.shuffle(batches)
        yield from batches


def _cut(rows: list[_Row]) -> Iterator[_Batch]:
    batch: list[_Row] = []
    for row in rows:
        if batch and len(row[0]) * (len(batch) + 1) > _TOKENS_PER_STEP:
            yield _padded(batch)
            batch = []
        batch.append(row)
    yield _padded(batch)


def _padded(rows: list[_Row]) -> _Batch:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [_IGNORED] * (width - len(ids)) for ids, _ in rows])
    answer = torch.zeros(ids.shape, dtype=torch.bool)
    for index, (row, answered) in enumerate(rows):
        answer[index, len(row) - answered : len(row)] = True
    return _Batch(ids, answer)
