"""Which processes work for a project now."""

import os
import sys
from collections.abc import Iterator

import psutil


def living(folder: str) -> Iterator[tuple[psutil.Process, list[str]]]:
    """Yield the processes that work in a folder: by their words, or by the run they carry in their environment."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            run_dir = process.environ().get("TAILOR_RUN_DIR", "") if sys.executable in words[:1] else ""
        except (psutil.Error, OSError):
            continue
        if any(word == folder or word.startswith(folder + os.sep) for word in (*words, run_dir)):
            yield process, words
