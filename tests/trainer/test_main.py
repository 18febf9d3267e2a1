import subprocess
import sys
from pathlib import Path

from specs.errors import ExitCode

LATE_STOP = """
import atexit, os, runpy, signal, sys
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
sys.argv = ["trainer", "run", sys.argv[1]]
runpy.run_module("trainer", run_name="__main__")
"""


def test_exit_code_stays_when_a_stop_is_asked_for_after_the_work(tmp_path: Path):
    ended = subprocess.run([sys.executable, "-c", LATE_STOP, str(tmp_path)], capture_output=True, text=True)
    assert ended.returncode == ExitCode.USAGE, ended.stderr
    assert "run.json" in ended.stderr
