import pytest

from tools.wording import count, duration, money, percent, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (9.4, "9 s"),
        (59.6, "1 min"),
        (130, "2 min 10 s"),
        (1800, "30 min"),
        (11100, "3 h 5 min"),
    ],
)
def test_duration_is_short_and_readable(seconds: float, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 bytes"), (999, "999 bytes"), (3_300_000, "3.3 MB"), (24_000_000_000, "24.0 GB")]
)
def test_size_uses_decimal_units(num_bytes: int, text: str):
    assert size(num_bytes) == text


def test_money_names_nothing_as_nothing():
    assert (money(0), money(1234.5)) == ("$0", "$1,234.50")


def test_percent_and_count():
    assert (percent(0.8612), count(1, "row"), count(3080, "row"), count(2, "copy", "copies")) == (
        "86.1 %",
        "1 row",
        "3,080 rows",
        "2 copies",
    )
