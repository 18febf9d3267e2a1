"""A project with a serving run on disk; the server is a fake over real HTTP, the backend says it runs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from specs.events import Serving
from specs.layout import ProjectLayout
from specs.run import JobLimits, ModelRef, RunManifest, ServeTask
from tests.fakes.chat_script import Script
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tools.backends.base import JobState, JobStatus, LogChunk

NAMES = ("seedling", "bank@1")
RUN = "r4"


@dataclass
class StatedBackend:
    """Jobs in the state a test gives them."""

    states: dict[str, JobState] = field(default_factory=dict)

    def submit(self, manifest: RunManifest, launch: int) -> JobStatus:
        raise AssertionError("nothing is launched here")

    def status(self, run_id: str) -> JobStatus:
        return JobStatus(run_id, self.states.get(run_id, "not_started"))

    def stop(self, run_id: str, *, grace_s: float = 30.0) -> JobStatus:
        self.states[run_id] = "finished"
        return self.status(run_id)

    def read_log(self, run_id: str, offset: int = 0, limit_bytes: int = 1 << 16) -> LogChunk:
        return LogChunk("", offset)


@dataclass
class ServedProject:
    """The project and its server."""

    layout: ProjectLayout
    backend: StatedBackend
    server: OpenAIServer


@contextmanager
def served(root: Path, script: Script, names: Sequence[str] = NAMES) -> Iterator[ServedProject]:
    """Serve models of a project from a fake."""
    layout = ProjectLayout(root)
    run = layout.run(RUN)
    run.run_dir.mkdir(parents=True)
    key_path = run.run_dir / "api_key"
    key_path.write_text(API_KEY + "\n")
    limits = JobLimits(device="cpu", threads=1, max_seconds=None)
    models = tuple(ModelRef(name=name, location=f"/models/{name}") for name in names)
    task = ServeTask(models=models, port=0, api_key_path=str(key_path), ttl_s=60, max_batch=4, limits=limits)
    manifest = RunManifest(run_id=RUN, project="bank", plan="sha256:0", step="deploy", created_at=1.0, task=task)
    run.manifest_path.write_text(manifest.model_dump_json())
    with OpenAIServer(script, models=tuple(names)) as server:
        event = Serving(time=2.0, url=server.base_url, models=tuple(names), expires_at=time.time() + 600)
        run.events_path.write_text(event.model_dump_json() + "\n")
        yield ServedProject(layout, StatedBackend({RUN: "running"}), server)
