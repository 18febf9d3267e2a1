"""Servers of a project, derived from the run directories and the state of their jobs. Reads only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from specs.events import Serving
from specs.layout import ProjectLayout, RunLayout
from specs.run import RunManifest, ServeTask
from tools.backends.base import JobBackend
from tools.runs import EventReader


@dataclass(frozen=True)
class Server:
    """A run that serves, or did."""

    run: RunLayout
    manifest: RunManifest
    task: ServeTask
    running: bool
    serving: Serving | None
    """What the server said when it last began to answer, None before."""

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return self.run.run_dir.name

    @property
    def models(self) -> tuple[str, ...]:
        """Return the names of the models, the base first."""
        return tuple(model.name for model in self.task.models)

    @property
    def own_models(self) -> tuple[str, ...]:
        """Return the names the server is known by: its custom models, or its only model."""
        return self.models[1:] or self.models

    @property
    def key_path(self) -> Path:
        """Return the file with the API key."""
        return Path(self.task.api_key_path)


@dataclass(frozen=True)
class Endpoint:
    """A server that answers."""

    run_id: str
    url: str
    models: tuple[str, ...]
    """The base first."""
    expires_at: float
    """Seconds since the epoch at which the server stops by itself."""
    api_key_path: Path
    plan: str
    """Hash of the plan that deployed it."""
    step: str


def servers(layout: ProjectLayout, backend: JobBackend) -> tuple[Server, ...]:
    """Return every serving run, oldest first, whether or not it runs. Raises BackendError when a state is not known."""
    return tuple(_servers(layout, backend))


def endpoints(layout: ProjectLayout, backend: JobBackend) -> tuple[Endpoint, ...]:
    """Return the servers that answer now, the latest first. Raises BackendError when a state is not known."""
    found = [
        Endpoint(
            run_id=server.run_id,
            url=server.serving.url,
            models=server.serving.models,
            expires_at=server.serving.expires_at,
            api_key_path=server.key_path,
            plan=server.manifest.plan,
            step=server.manifest.step,
        )
        for server in servers(layout, backend)
        if server.running and server.serving is not None
    ]
    return tuple(reversed(found))


def latest_serving(run: RunLayout, offset: int = 0) -> Serving | None:
    """Return the last `serving` event of a run from byte `offset` of its events on."""
    events = [placed.event for placed in EventReader(run.events_path, offset).read()]
    return next((event for event in reversed(events) if isinstance(event, Serving)), None)


def _servers(layout: ProjectLayout, backend: JobBackend) -> Iterator[Server]:
    folders = [path for path in layout.runs_dir.glob("r*") if re.fullmatch(r"r[0-9]+", path.name)]
    for folder in sorted(folders, key=lambda path: int(path.name[1:])):
        run = RunLayout(folder)
        manifest = _manifest(run)
        if manifest is None or not isinstance(manifest.task, ServeTask):
            continue
        status = backend.status(folder.name)
        running = status.state == "running"
        serving = latest_serving(run, status.events_offset if running else 0)
        yield Server(run, manifest, manifest.task, running, serving)


def _manifest(run: RunLayout) -> RunManifest | None:
    try:
        return RunManifest.model_validate_json(run.manifest_path.read_bytes())
    except (OSError, ValidationError):
        return None
