# pyright: basic
"""One network decoding many answers at once: rows join while others run, and leave when they are done.

Rows of the base model and of LoRA adapters on it share every forward pass. Nothing here knows about HTTP, threads or
text.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from trainer.generate import autocast
from trainer.hardware import Profile
from trainer.serving.sampling import TokenChooser

BASE_ADAPTER = "__base__"
"""PEFT's name for "no adapter" in a mixed batch."""
_PADDABLE = (DynamicLayer, DynamicSlidingWindowLayer)


@dataclass
class Row:
    """One answer in the making."""

    prompt_ids: list[int]
    adapter: str
    chooser: TokenChooser
    num_tokens: int = 0
    last_token: int = field(default=-1)


class Decoder:
    """A network and the rows it works on."""

    def __init__(self, network: torch.nn.Module, model: PreTrainedModel, profile: Profile, *, mixed: bool) -> None:
        """Take `network`, what is called (a PEFT wrapper or the model itself), and `model`, the one inside.

        `profile`: the precision answers are computed in, the evaluation's.
        `mixed`: the network takes the adapter of each row as `adapter_names`.
        """
        self._profile = profile
        self._network = network
        self._mixed = mixed
        self._device = model.device
        accepted = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._config = model.config
        self.joins = not _is_recurrent(model)
        """Whether rows may share a batch. A recurrent state cannot be padded, so such rows run one at a time."""
        self.rows: list[Row] = []
        self._mask = torch.zeros((0, 0), dtype=torch.long, device=self._device)
        self._cache: Any = None

    @torch.inference_mode()
    def admit(self, rows: Sequence[Row]) -> None:
        """Read the prompts of `rows`, choose the first token of each, and add them to the batch."""
        width = max(len(row.prompt_ids) for row in rows)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, width - len(row.prompt_ids) :] = torch.tensor(row.prompt_ids)
            mask[index, width - len(row.prompt_ids) :] = 1
        cache = DynamicCache() if self.joins else DynamicCache(config=self._config)
        mask = mask.to(self._device)
        self._forward(rows, ids.to(self._device), mask, cache)
        if self.rows:
            mask = _join(self._cache, self._mask, cache, mask)
        else:
            self._cache = cache
        self._mask = mask
        self.rows += rows

    @torch.inference_mode()
    def step(self) -> None:
        """Choose the next token of every row."""
        ids = torch.tensor([[row.last_token] for row in self.rows], device=self._device)
        self._mask = functional.pad(self._mask, (0, 1), value=1)
        self._forward(self.rows, ids, self._mask, self._cache)

    @torch.inference_mode()
    def remove(self, leaving: Sequence[Row]) -> None:
        """Take rows out of the batch and give back the memory of columns that nobody uses any more."""
        gone = {id(row) for row in leaving}
        kept = [index for index, row in enumerate(self.rows) if id(row) not in gone]
        self.rows = [self.rows[index] for index in kept]
        if not self.rows:
            self._cache = None
            return
        indices = torch.tensor(kept, device=self._device)
        self._mask = self._mask[indices]
        unused = int(self._mask.any(dim=0).to(torch.int8).argmax())
        self._mask = self._mask[:, unused:]
        for layer in self._cache.layers:
            layer.keys = layer.keys[indices][:, :, unused:]
            layer.values = layer.values[indices][:, :, unused:]

    def _forward(self, rows: Sequence[Row], ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> None:
        extra: dict[str, Any] = dict(self._last_only)
        if self._takes_positions:
            # left padding moves a row to the right, its positions must still count from its first real token
            extra["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        if self._mixed:
            extra["adapter_names"] = [row.adapter for row in rows]
        with autocast(self._profile):
            output = self._network(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **extra)
        for row, logits in zip(rows, output.logits[:, -1].float().cpu(), strict=True):
            row.last_token = row.chooser.choose(logits)
            row.num_tokens += 1


def _join(cache: Any, mask: torch.Tensor, other: Any, other_mask: torch.Tensor) -> torch.Tensor:
    """Append the rows of `other` to `cache`, both padded on the left to one width, and return the joint mask."""
    width = max(mask.shape[1], other_mask.shape[1])
    for layer, new in zip(cache.layers, other.layers, strict=True):
        layer.keys = torch.cat([_padded(layer.keys, width), _padded(new.keys, width)])
        layer.values = torch.cat([_padded(layer.values, width), _padded(new.values, width)])
    return torch.cat([functional.pad(each, (width - each.shape[1], 0)) for each in (mask, other_mask)])


def _padded(states: torch.Tensor, width: int) -> torch.Tensor:
    return functional.pad(states, (0, 0, width - states.shape[2], 0))


def _is_recurrent(model: PreTrainedModel) -> bool:
    return any(type(layer) not in _PADDABLE for layer in DynamicCache(config=model.config).layers)
