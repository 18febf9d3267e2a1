"""A project with serving runs on disk; the servers are fakes over real HTTP, the backend says what the tests say."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from specs.events import Serving
from specs.layout import ProjectLayout, RunLayout
from specs.run import JobLimits, ModelRef, RunManifest, ServeTask
from tests.fakes.chat_script import Script
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tools.backends.base import JobState, JobStatus, LogChunk

LIMITS = JobLimits(device="cpu", threads=1, max_seconds=None)
NAMES = ("seedling", "bank@1")


@dataclass
class FakeBackend:
    """Jobs in the state a test gives them; stopping one closes its server."""

    states: dict[str, JobState] = field(default_factory=dict)
    servers: dict[str, OpenAIServer] = field(default_factory=dict)
    stubborn: bool = False
    """Stopping has no effect."""

    def submit(self, manifest: RunManifest, launch: int) -> JobStatus:
        raise AssertionError("nothing is launched here")

    def status(self, run_id: str) -> JobStatus:
        return JobStatus(run_id, self.states.get(run_id, "not_started"))

    def stop(self, run_id: str, *, grace_s: float = 30.0) -> JobStatus:
        if not self.stubborn:
            self.states[run_id] = "finished"
            if run_id in self.servers:
                self.servers.pop(run_id).__exit__(None, None, None)
        return self.status(run_id)

    def read_log(self, run_id: str, offset: int = 0, limit_bytes: int = 1 << 16) -> LogChunk:
        return LogChunk("", offset)


@dataclass
class Project:
    """A project's folders."""

    layout: ProjectLayout
    backend: FakeBackend = field(default_factory=FakeBackend)

    def serving_run(
        self, run_id: str, url: str | None, names: Sequence[str] = NAMES, *, plan: str = "sha256:0"
    ) -> RunLayout:
        """Write the folder of a serving run; without a URL it has not answered yet."""
        run = self.layout.run(run_id)
        run.run_dir.mkdir(parents=True)
        key_path = run.run_dir / "api_key"
        key_path.write_text(API_KEY + "\n")
        task = ServeTask(
            models=tuple(ModelRef(name=name, location=f"/models/{name}") for name in names),
            port=0,
            api_key_path=str(key_path),
            ttl_s=60,
            max_batch=4,
            limits=LIMITS,
        )
        manifest = RunManifest(run_id=run_id, project="bank", plan=plan, step="deploy", created_at=1.0, task=task)
        run.manifest_path.write_text(manifest.model_dump_json())
        if url is not None:
            event = Serving(time=2.0, url=url, models=tuple(names), expires_at=time.time() + 60)
            run.events_path.write_text(event.model_dump_json() + "\n")
        self.backend.states[run_id] = "running"
        return run

    def serve(self, run_id: str, script: Script, names: Sequence[str] = NAMES, **settings: str) -> OpenAIServer:
        """Start a server and write its run."""
        server = OpenAIServer(script, models=tuple(names))
        self.backend.servers[run_id] = server.__enter__()
        self.serving_run(run_id, server.base_url, names, **settings)
        return server


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    layout = ProjectLayout(tmp_path)
    layout.state_dir.mkdir()
    made = Project(layout)
    with ExitStack() as servers:
        yield made
        for server in made.backend.servers.values():
            servers.push(server)
