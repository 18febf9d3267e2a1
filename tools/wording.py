"""Figures as people read them: durations, sizes, money, shares."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def duration(seconds: float) -> str:
    """Return seconds as `45 s`, `2 min 10 s` or `3 h 5 min`."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s" if 0 < seconds < 1 else f"{seconds:.0f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def size(num_bytes: float) -> str:
    """Return bytes in decimal units, as `3.3 MB`."""
    value = float(num_bytes)
    for unit in _UNITS[:-1]:
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_UNITS[-1]}"


def money(usd: float) -> str:
    """Return US dollars, `$0` for nothing."""
    return "$0" if usd == 0 else f"${usd:,.2f}"


def percent(share: float) -> str:
    """Return a share of one as percent with one decimal."""
    return f"{100 * share:.1f} %"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 row`, `2 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
