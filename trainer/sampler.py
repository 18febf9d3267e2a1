"""Orders training examples into batches of similar length, in shuffled order. Knows nothing of tokens or models."""

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

_BATCHES_SORTED_TOGETHER = 20


class LengthBatches(Sampler[int]):
    """Yields example indices so that consecutive `batch_size` of them have similar lengths.

    transformers' `group_by_length` walks every megabatch from long to short, which costs accuracy; here the batches
    are shuffled after they are made. The order depends on the seed and the epoch alone.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = random.Random(f"{self._seed}:{self._epoch}")  # noqa: S311 - shuffling is not a secret
        indices = list(range(len(self._lengths)))
        generator.shuffle(indices)
        window = self._batch_size * _BATCHES_SORTED_TOGETHER
        whole: list[list[int]] = []
        rest: list[int] = []
        for start in range(0, len(indices), window):
            chunk = sorted(indices[start : start + window], key=lambda index: self._lengths[index])
            cut = len(chunk) - len(chunk) % self._batch_size
            whole += [chunk[i : i + self._batch_size] for i in range(0, cut, self._batch_size)]
            rest += chunk[cut:]
        generator.shuffle(whole)
        for batch in whole:
            yield from batch
        yield from rest
