# pyright: basic
"""`python -m trainer serve RUN_DIR`: serves a run's models on loopback until its time is over or it is told to stop.

The life of the server is here; decoding and the HTTP surface are in `trainer.serving`.
"""

import asyncio
import contextlib
import errno
import http.client
import importlib.metadata
import logging
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import uvicorn
from pydantic import ValidationError

from specs.atomic import write_text
from specs.errors import ExitCode
from specs.events import TRAIN_EVENT, EndState, Finished, Serving, Started
from specs.layout import RunLayout
from specs.run import ServeTask
from trainer.errors import TrainerError, explain
from trainer.events import EventLog
from trainer.hardware import choose_threads, machine, profile, use_threads
from trainer.job import open_manifest
from trainer.serving import vllm
from trainer.serving.app import build_app
from trainer.serving.lifetime import POLL_S, Lifetime, StopRequested
from trainer.serving.loading import Fleet, load_fleet
from trainer.serving.scheduler import Scheduler

LOG = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
GRACE_S = 1
"""Seconds that open connections get to end after a stop."""
VLLM_START_S = 900.0
"""Seconds vLLM may take to load its model and compile."""
_VERSIONS = ("torch", "transformers", "peft", "fastapi", "uvicorn")


@dataclass(frozen=True)
class Ending:
    """Why the server ended."""

    state: EndState
    message: str
    hint: str = ""
    exit_code: ExitCode = ExitCode.DONE
    must_exit: bool = False
    """The decoding thread is inside a forward pass that nothing can break off; only the end of the process does."""


STOPPED = Ending("stopped", "Stopped on request.", "Deploy again to serve the models again.", ExitCode.STOPPED)
EXPIRED = Ending("succeeded", "time to live reached")


def serve(run_dir: Path) -> int:
    """Serve the models of the run in `run_dir` and return the exit code (specs.errors.ExitCode).

    Raises:
        TrainerError: another process works on this run, so that its events cannot be written.
        OSError: the run directory cannot be written.
    """
    started = time.monotonic()
    layout = RunLayout(run_dir.resolve())
    with EventLog(layout.events_path) as events:
        try:
            ending = _serve(layout, events)
        except StopRequested:
            ending = STOPPED
        except Exception as error:
            LOG.exception("serving failed")
            known = explain(error)
            ending = Ending("failed", known.message, known.hint, known.exit_code)
        if ending.state == "stopped":
            # a stop file is used up by the stop it caused
            layout.stop_path.unlink(missing_ok=True)
        seconds = time.monotonic() - started
        events.write(
            Finished(
                time=time.time(),
                state=ending.state,
                message=ending.message,
                hint=ending.hint,
                exit_code=int(ending.exit_code),
                seconds=seconds,
            )
        )
    if ending.must_exit:
        os._exit(int(ending.exit_code))
    return int(ending.exit_code)


def _serve(layout: RunLayout, events: EventLog) -> Ending:
    manifest = open_manifest(layout)
    task = manifest.task
    if not isinstance(task, ServeTask):
        message = f"{layout.manifest_path} holds a {task.type} task, not a serve task."
        raise TrainerError(message, "Start it with `python -m trainer run`.", exit_code=ExitCode.USAGE)
    earlier = _earlier_launches(layout.events_path)
    lifetime = Lifetime(layout.stop_path, promised_end(earlier, time.time()))
    with lifetime.watching():
        api_key = _api_key(Path(task.api_key_path))
        with _listen(task, _port_of(earlier)) as listener:
            if vllm.is_usable(task):
                return _serve_with_vllm(task, api_key, listener, lifetime, events)
            return _serve_ourselves(task, api_key, listener, lifetime, events)


def _serve_ourselves(
    task: ServeTask, api_key: str, listener: socket.socket, lifetime: Lifetime, events: EventLog
) -> Ending:
    facts = machine()
    # plain sdpa on a GPU: left-padded batches that grow and shrink are not what flash attention is made for
    chosen = profile(task.limits.device, facts)
    chosen = chosen if chosen.device == "cpu" else replace(chosen, attention="sdpa")
    threads = choose_threads(task.limits.threads, None, facts, hidden=256, rows=task.max_batch)
    use_threads(threads)
    fleet = load_fleet(task.models, chosen)
    events.write(_started(chosen.device, chosen.dtype_name, threads, fleet.num_parameters))
    # every row in a batch may have two more waiting behind it, and a burst of small requests always fits
    scheduler = Scheduler(fleet.decoders, max_batch=task.max_batch, max_waiting=max(64, 2 * task.max_batch))
    server = _Server(_config(fleet, scheduler, api_key))
    lifetime.begin(task.ttl_s)
    return asyncio.run(_run_server(server, scheduler, listener, lifetime, events, tuple(fleet.models)))


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: `Lifetime` has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(fleet: Fleet, scheduler: Scheduler, api_key: str) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(fleet, scheduler, api_key),  # pyright: ignore[reportArgumentType]
        access_log=False,
        log_level="warning",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
    )


async def _run_server(
    server: _Server,
    scheduler: Scheduler,
    listener: socket.socket,
    lifetime: Lifetime,
    events: EventLog,
    names: tuple[str, ...],
) -> Ending:
    host, port = listener.getsockname()[:2]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    announced = False
    while not serving.done() and not lifetime.ended:
        if not announced and server.started and await asyncio.to_thread(_answers, host, port):
            events.write(_serving_event(host, port, names, lifetime))
            announced = True
        await asyncio.sleep(POLL_S)
    ended_itself = serving.done()
    scheduler.close("The server is stopping.", "server_stopping")
    server.should_exit = True
    await serving
    if ended_itself:
        raise TrainerError("The server ended by itself.", "The reason stands in trainer.log; deploy again.")
    ending = STOPPED if lifetime.stopped else EXPIRED
    return replace(ending, must_exit=not scheduler.join(GRACE_S / 2))


def _serve_with_vllm(
    task: ServeTask, api_key: str, listener: socket.socket, lifetime: Lifetime, events: EventLog
) -> Ending:
    host, port = listener.getsockname()[:2]
    listener.close()
    child = subprocess.Popen(vllm.arguments(task, port), env=vllm.environment(api_key), stdin=subprocess.DEVNULL)
    try:
        events.write(_started("cuda", "bf16", torch.get_num_threads(), 0))
        give_up = time.monotonic() + VLLM_START_S
        announced = False
        while not lifetime.ended:
            if child.poll() is not None or (not announced and time.monotonic() > give_up):
                raise TrainerError(
                    f"vLLM ended with code {child.returncode} or did not start in {VLLM_START_S:.0f} s.",
                    "Its last lines stand in trainer.log; a smaller deployment.max_batch needs less GPU memory.",
                    exit_code=ExitCode.BACKEND,
                )
            if not announced and _answers(host, port):
                lifetime.begin(task.ttl_s)
                events.write(_serving_event(host, port, vllm.model_names(task), lifetime))
                announced = True
            time.sleep(POLL_S)
    finally:
        _end_child(child)
    return STOPPED if lifetime.stopped else EXPIRED


def _end_child(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=1.5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _listen(task: ServeTask, preferred: int) -> socket.socket:
    """Return a listening socket: the port is ours from here on, before minutes go into loading.

    Raises:
        TrainerError: the host is not loopback, or the port is taken or forbidden.
    """
    if task.host not in LOOPBACK:
        raise TrainerError(
            f"The server listens on this machine alone, not on {task.host}.",
            "Use host 127.0.0.1; reach it from elsewhere through an SSH tunnel.",
            exit_code=ExitCode.USAGE,
        )
    ports = [task.port] if task.port else [preferred, 0] if preferred else [0]
    family = socket.AF_INET6 if ":" in task.host else socket.AF_INET
    refused: OSError | None = None
    for port in ports:
        try:
            return socket.create_server((task.host, port), family=family, backlog=128)
        except OSError as error:
            refused = error
    assert refused is not None
    reason = (
        "is taken by another program" if refused.errno == errno.EADDRINUSE else f"cannot be used: {refused.strerror}"
    )
    raise TrainerError(
        f"Port {task.port} on {task.host} {reason}.",
        "Set deployment.port to auto or to a free port, or end the program that uses it, and deploy again.",
        exit_code=ExitCode.BACKEND,
    ) from refused


def _api_key(path: Path) -> str:
    """Return the key of the file; a missing one is made, readable by its owner alone, for the first launch and every
    launch after a teardown took the key away."""
    try:
        key = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        if not key:
            key = secrets.token_urlsafe(32)
            write_text(path, key + "\n", mode=0o600)
        return key
    except OSError as error:
        raise TrainerError(
            f"The API key {path} cannot be used: {error.strerror}.", "Look at the permissions of its folder."
        ) from error


def _earlier_launches(events_path: Path) -> list[Serving | Finished]:
    """Return when earlier launches of this run began to serve and ended, in order."""
    found: list[Serving | Finished] = []
    for line in events_path.read_bytes().splitlines():
        with contextlib.suppress(ValidationError):
            event = TRAIN_EVENT.validate_json(line)
            if isinstance(event, Serving | Finished):
                found.append(event)
    return found


def promised_end(earlier: Sequence[Serving | Finished], now: float) -> float | None:
    """Return the end in seconds since the epoch that a server which was killed has promised and must keep.

    None for a fresh time to live: a first launch, one after a server that ended by itself or was stopped, and one after
    the promised end, which somebody must have asked for.
    """
    last = earlier[-1] if earlier else None
    return last.expires_at if isinstance(last, Serving) and last.expires_at > now else None


def _port_of(earlier: Sequence[Serving | Finished]) -> int:
    """Return the port of the launch before, so that clients find the server where it was; 0 for none."""
    urls = [event.url for event in earlier if isinstance(event, Serving)]
    return int(urls[-1].rpartition(":")[2].partition("/")[0]) if urls else 0


def _answers(host: str, port: int) -> bool:
    """Return whether the server answers a health check."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _serving_event(host: str, port: int, names: tuple[str, ...], lifetime: Lifetime) -> Serving:
    shown = f"[{host}]" if ":" in host else host
    return Serving(time=time.time(), url=f"http://{shown}:{port}/v1", models=names, expires_at=lifetime.expires_at)


def _started(device: str, dtype: str, threads: int, num_parameters: int) -> Started:
    return Started(
        time=time.time(),
        task="serve",
        pid=os.getpid(),
        device=device,
        dtype=dtype,
        threads=threads,
        num_parameters=num_parameters,
        num_trainable=0,
        num_examples=0,
        total_steps=0,
        versions={name: importlib.metadata.version(name) for name in _VERSIONS},
    )
