"""The smallest difference a test set can show; the refusals themselves are tested through the plan."""

import pytest

from specs.refuse import smallest_difference


@pytest.mark.parametrize(("rows", "points"), [(3080, 3.6), (100, 19.8), (1, 100), (100_000, 0.6)])
def test_smallest_difference_follows_the_formula(rows: int, points: float) -> None:
    assert round(100 * smallest_difference(rows), 1) == points
