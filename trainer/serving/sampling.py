# pyright: basic
"""How the next token is chosen from the logits of one row."""

import secrets
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Sampling:
    """Settings of one answer."""

    temperature: float
    """0 = the most likely token, always."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens whose probabilities reach so much."""
    seed: int | None = None
    """None = another answer each time."""


class TokenChooser:
    """Chooses tokens for one answer; two choosers with equal settings and a seed choose alike."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator()
        self._generator.manual_seed(secrets.randbits(63) if sampling.seed is None else sampling.seed & (2**63 - 1))

    def choose(self, logits: torch.Tensor) -> int:
        """Return the next token for `logits`, a float32 vector on the CPU."""
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        probabilities = torch.softmax(logits / self._sampling.temperature, dim=-1)
        if self._sampling.top_p < 1:
            probabilities = _nucleus(probabilities, self._sampling.top_p)
        return int(torch.multinomial(probabilities, 1, generator=self._generator))


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero the tail beyond the nucleus (Holtzman et al. 2020, section 3.1); the most likely token always stays."""
    ordered, order = probabilities.sort(descending=True)
    before = ordered.cumsum(0) - ordered
    ordered = ordered.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter_(0, order, ordered)
