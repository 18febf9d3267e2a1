"""Clocks nobody can set back: the machine's uptime, and the name of its current start. Standard library only."""

import time
from pathlib import Path


def boot_id() -> str:
    """Return the name of the machine's current start, empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def uptime_s() -> float:
    """Return the seconds since the machine started, sleep included where the system counts it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
