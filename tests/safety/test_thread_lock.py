import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.client import EngineClient
from agent.events import SessionRefused, TurnFinished
from agent.threads import engine_lock
from specs.layout import ProjectLayout
from tests.fakes.quick_engine import MODULE, write_data
from tools.errors import ProjectBusy

HOLDER = """
import sys, time
from pathlib import Path
from agent.threads import engine_lock
from specs.layout import ProjectLayout
with engine_lock(ProjectLayout(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def client(project: Path) -> EngineClient:
    return EngineClient(project, b"k" * 32, module=MODULE)


def last(events, kind):
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def test_second_engine_is_refused_when_the_project_is_open(tmp_path):
    project = write_data(tmp_path / "project")
    with client(project) as first:
        list(first.turn())
        with client(project) as second:
            refused = last(list(second.turn()), SessionRefused)
        assert refused is not None
        assert refused.exit_code == 3
        assert "Another Tailor conversation is open" in refused.message and str(first.pid) in refused.message
        first.say("help")
        assert last(list(first.turn()), TurnFinished)


def test_lock_is_free_at_once_when_its_holder_is_killed(tmp_path):
    layout = ProjectLayout(tmp_path)
    layout.state_dir.mkdir()
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(ProjectBusy, match=str(holder.pid)), engine_lock(layout, wait_s=0):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with engine_lock(layout, wait_s=0):
            pass
