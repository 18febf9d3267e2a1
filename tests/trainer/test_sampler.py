import itertools
import random

import pytest

from trainer.sampler import LengthBatches

LENGTHS = random.Random(1).choices(range(5, 60), k=1000) + [7] * 3


def order(seed: int, epoch: int, batch_size: int = 8) -> list[int]:
    sampler = LengthBatches(LENGTHS, batch_size, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("batch_size", [1, 8, 999, 2000])
def test_every_example_comes_once_when_an_epoch_is_drawn(batch_size: int) -> None:
    assert sorted(order(1, 0, batch_size)) == list(range(len(LENGTHS)))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(*pair)) for pair in ((1, 2), (1, 3), (2, 2))}) == 3


def test_padding_is_small_when_lengths_are_mixed() -> None:
    drawn = order(1, 0)
    padded = sum(max(LENGTHS[i] for i in drawn[s : s + 8]) * len(drawn[s : s + 8]) for s in range(0, len(drawn), 8))
    assert padded < 1.1 * sum(LENGTHS)


def test_long_and_short_batches_are_mixed_when_drawn() -> None:
    drawn = order(1, 0)
    longest = [max(LENGTHS[i] for i in drawn[s : s + 8]) for s in range(0, 960, 8)]
    falls = sum(left > right for left, right in itertools.pairwise(longest))
    assert 40 < falls < 80
