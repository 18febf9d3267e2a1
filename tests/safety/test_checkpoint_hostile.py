import json
import os
import subprocess
import sys
from pathlib import Path

import ormsgpack
import pytest

from agent.threads import StrictSerializer, open_threads
from specs.layout import ProjectLayout

HARM = "import pathlib; pathlib.Path(__import__('os').environ['HARM']).write_text('ran')"


def packed(code: int, payload: object) -> bytes:
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(payload)))


HOSTILE = {
    "constructor with one argument": ("msgpack", packed(0, ("builtins", "exec", HARM))),
    "constructor with positions": ("msgpack", packed(1, ("builtins", "exec", [HARM]))),
    "constructor with keywords": ("msgpack", packed(2, ("subprocess", "run", {"args": ["touch", "HARM"]}))),
    "method": ("msgpack", packed(3, ("builtins", "str", HARM, "format"))),
    "pydantic 1": ("msgpack", packed(4, ("subprocess", "Popen", {"args": ["touch", "HARM"]}))),
    "pydantic 2": ("msgpack", packed(5, ("subprocess", "Popen", {"args": ["touch", "HARM"]}, ""))),
    "import of a module": ("msgpack", packed(0, ("antigravity", "geohash", "x"))),
    "json constructor": (
        "json",
        json.dumps({"lc": 2, "type": "constructor", "id": ["builtins", "exec"], "args": [HARM]}).encode(),
    ),
    "json langchain object": (
        "json",
        json.dumps(
            {"lc": 1, "type": "constructor", "id": ["langchain", "llms", "fake", "FakeListLLM"], "kwargs": {}}
        ).encode(),
    ),
    "pickle": ("pickle", b"cos\nsystem\n(S'touch $HARM'\ntR."),
}


@pytest.fixture
def harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "harm"
    monkeypatch.setenv("HARM", str(path))
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_serializer_runs_nothing_when_a_row_is_crafted(name: str, harm: Path):
    kind, data = HOSTILE[name]
    data = data.replace(b"HARM", str(harm).encode()) if b'"HARM"' in data else data
    try:
        value = StrictSerializer().loads_typed((kind, data))
    except (ValueError, NotImplementedError):
        value = None
    assert not harm.exists()
    assert isinstance(value, str | list | dict | None)
    assert "antigravity" not in sys.modules


def test_thread_is_refused_without_harm_when_a_checkpoint_was_replaced(harm: Path, tmp_path: Path):
    layout = ProjectLayout(tmp_path)
    layout.state_dir.mkdir(mode=0o700)
    kind, data = HOSTILE["constructor with one argument"]
    with open_threads(layout) as saver:
        row = ("main", "", "1f0", None, kind, data, b"{}")
        saver.conn.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        saver.conn.commit()
        found = saver.get_tuple({"configurable": {"thread_id": "main", "checkpoint_ns": ""}})
        assert found is None or isinstance(found.checkpoint, str)
    assert not harm.exists()


def test_file_is_private_when_it_is_made_under_a_wide_umask(tmp_path: Path):
    layout = ProjectLayout(tmp_path)
    layout.state_dir.mkdir()
    before = os.umask(0)
    try:
        with open_threads(layout) as saver:
            saver.conn.execute("CREATE TABLE x (y)")
            modes = {path.name: path.stat().st_mode & 0o777 for path in layout.state_dir.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}


def test_serializer_is_strict_when_the_variable_is_missing():
    code = (
        "from agent.threads import StrictSerializer; import ormsgpack\n"
        "data = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(('builtins', 'eval', '1+1'))))\n"
        "print(StrictSerializer().loads_typed(('msgpack', data)))"
    )
    environment = {name: value for name, value in os.environ.items() if "MSGPACK" not in name}
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert told.stdout.strip() == "1+1"


def test_engine_sets_the_strict_flag_when_it_starts():
    code = (
        "import os, sys; os.environ.pop('LANGGRAPH_STRICT_MSGPACK', None)\n"
        "from agent import engine\n"
        "try: engine.main(['--help'])\n"
        "except SystemExit: pass\n"
        "import langgraph.checkpoint.serde._msgpack as m; sys.stderr.write(str(m.STRICT_MSGPACK_ENABLED))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert told.stderr == "True"
