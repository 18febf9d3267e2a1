import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.screen_terminal import ScreenTerminal

ROOT = Path(__file__).resolve().parents[2]
NEVER = ("langgraph", "langchain", "langchain_core", "langchain_aws", "langchain_openai", "boto3", "mlflow", "torch")
NOT_YET = (*NEVER, "pydantic", "numpy", "scipy", "httpx", "plotext", "ruamel", "psutil", "sqlite3")


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Return which of these modules are loaded after some code ran in a Python of its own."""
    lines = f"import sys\n{code}\nprint('LOADED', *sorted(set({names!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("agent.cli", (*NOT_YET, "textual", "rich", "asyncio")),
        ("agent.tui.launch", (*NOT_YET, "textual", "rich", "asyncio")),
        ("agent.tui.screens.welcome", NOT_YET),
        ("agent.tui.app", NOT_YET),
    ],
)
def test_first_frame_needs_nothing_heavy(module: str, names: tuple[str, ...]):
    assert loaded(f"import {module}", names) == []


def test_interface_never_loads_the_engines_modules_when_it_talks_to_an_engine(tmp_path: Path):
    (tmp_path / ".tailor").mkdir()
    script = tmp_path / "talk.py"
    script.write_text(
        "import atexit, sys\n"
        "from pathlib import Path\n"
        "from agent.tui.app import TailorApp\n"
        "app = TailorApp(Path(sys.argv[1]), brain='guide')\n"
        "app.run()\n"
        f"Path(sys.argv[1], 'loaded').write_text(repr(sorted(set({NEVER!r}) & set(sys.modules))))\n"
    )
    with ScreenTerminal([sys.executable, script, tmp_path], cwd=tmp_path, size=(140, 40)) as terminal:
        terminal.wait_for("Question 1 of 6", timeout_s=60)
        terminal.type("Sort support requests by intent")
        terminal.press("enter")
        terminal.wait_for("Question 2 of 6", timeout_s=60)
        terminal.press("ctrl+q")
        assert terminal.wait_exit() == 0
    assert (tmp_path / "loaded").read_text() == "[]"
