import os
import signal
import socket
import time
from pathlib import Path

import openai
import pytest

from specs.events import Finished, Serving, Started
from specs.layout import RunLayout
from specs.run import ModelRef
from tests.fakes.serve_process import API_KEY, ServeProcess, launched, write_manifest
from tests.fakes.tiny_chat_model import make_adapter, make_model, ref
from trainer.events import EventLog
from trainer.serve import promised_end, serve

STOPPED = 4


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> tuple[ModelRef, ...]:
    root = tmp_path_factory.mktemp("served")
    base = make_model(root / "base", context=65536)
    return ref("base", base), ref("tuned@1", base, make_adapter(root / "adapter", base, seed=1))


def _client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=API_KEY, max_retries=0)


def _last(run: RunLayout) -> Finished:
    event = ServeProcess(run, None).events()[-1]  # type: ignore[arg-type]
    assert isinstance(event, Finished)
    return event


@pytest.mark.slow
@pytest.mark.parametrize("by", ["file", "signal"])
def test_serve_stops_when_asked_with_a_stream_open(tmp_path: Path, models, by: str) -> None:
    run = write_manifest(tmp_path / "r1", models)
    with launched(run) as server:
        serving = server.serving()
        assert serving.models == ("base", "tuned@1")
        stream = _client(serving.url).chat.completions.create(
            model="tuned@1", messages=[{"role": "user", "content": "hi"}], max_tokens=60000, stream=True
        )
        next(iter(stream))
        asked = time.time()
        server.stop() if by == "file" else os.kill(server.process.pid, signal.SIGTERM)
        finished = server.finished()
        with pytest.raises(openai.APIError):
            list(stream)
    assert (finished.state, finished.exit_code) == ("stopped", STOPPED)
    assert finished.time - asked < 2
    assert not run.stop_path.exists()
    assert isinstance(server.events()[0], Started)


@pytest.mark.slow
def test_serve_ends_when_its_time_is_over(tmp_path: Path, models) -> None:
    run = write_manifest(tmp_path / "r1", models[:1], ttl_s=0.5)
    with launched(run) as server:
        finished = server.finished()
    assert (finished.state, finished.message, finished.exit_code) == ("succeeded", "time to live reached", 0)
    serving = next(event for event in server.events() if isinstance(event, Serving))
    assert finished.time >= serving.expires_at


def test_serve_names_the_port_when_it_is_taken(tmp_path: Path, models) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = write_manifest(tmp_path / "r1", models, port=port)
        assert serve(run.run_dir) == 3
    finished = _last(run)
    assert finished.state == "failed"
    assert f"Port {port} on 127.0.0.1 is taken by another program" in finished.message
    assert "deployment.port" in finished.hint


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com", "192.168.1.7"])
def test_serve_refuses_a_host_that_is_not_loopback(tmp_path: Path, models, host: str) -> None:
    run = write_manifest(tmp_path / "r1", models, host=host)
    assert serve(run.run_dir) == 2
    assert host in _last(run).message


def test_serve_stops_before_loading_when_the_stop_file_is_there(tmp_path: Path, models, monkeypatch) -> None:
    run = write_manifest(tmp_path / "r1", models)
    run.stop_path.touch()
    monkeypatch.setattr("trainer.serve.load_fleet", lambda *_: time.sleep(30))
    assert serve(run.run_dir) == STOPPED
    assert _last(run).state == "stopped"


def test_serve_says_what_is_missing_when_a_model_folder_is_gone(tmp_path: Path) -> None:
    run = write_manifest(tmp_path / "r1", [ref("base", tmp_path / "nowhere")])
    assert serve(run.run_dir) != 0
    assert "nowhere" in _last(run).message


def test_serve_makes_a_private_key_when_there_is_none(tmp_path: Path, models, monkeypatch) -> None:
    run = write_manifest(tmp_path / "r1", models)
    key_path = run.run_dir / "api_key"
    key_path.unlink()
    monkeypatch.setattr("trainer.serve.load_fleet", _far_enough)
    keys = [(serve(run.run_dir), key_path.read_text())[1] for _ in range(2)]
    assert keys[0] == keys[1]
    assert len(keys[0].strip()) >= 40
    assert key_path.stat().st_mode & 0o777 == 0o600
    assert keys[0].strip() not in run.events_path.read_text()


def _far_enough(*_: object) -> None:
    raise ValueError("far enough")


SERVED = Serving(time=100.0, url="http://127.0.0.1:1/v1", models=("base",), expires_at=200.0)
ENDED = Finished(time=150.0, state="stopped", message="", exit_code=4, seconds=1.0)


@pytest.mark.parametrize(
    ("earlier", "now", "expected"),
    [
        ([], 150.0, None),
        ([SERVED], 150.0, 200.0),
        ([SERVED], 201.0, None),
        ([SERVED, ENDED], 150.0, None),
        ([SERVED, ENDED, SERVED.model_copy(update={"expires_at": 300.0})], 150.0, 300.0),
    ],
)
def test_promised_end_is_kept_when_the_server_was_killed(earlier, now: float, expected: float | None) -> None:
    assert promised_end(earlier, now) == expected


def test_serve_takes_the_earlier_port_when_it_is_launched_again(tmp_path: Path, models, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = write_manifest(tmp_path / "r1", models)
    promised = Serving(time=1.0, url=f"http://127.0.0.1:{port}/v1", models=("base",), expires_at=time.time() + 60)
    with EventLog(run.events_path) as events:
        events.write(promised)
    taken: list[int] = []

    def load(*_: object) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            taken.append(connection.getpeername()[1])
        _far_enough()

    monkeypatch.setattr("trainer.serve.load_fleet", load)
    serve(run.run_dir)
    assert taken == [port]
