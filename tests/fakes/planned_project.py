"""A project with small data and a valid spec, ready to be planned; what tests look at here needs no training."""

import time
from pathlib import Path

from specs.edit import Change
from specs.run import JobLimits, ModelRef, RunManifest, ServeTask
from tests.fakes.quick_engine import write_data
from tools.client import Tailor

COLUMNS = {"prompt": "text", "completion": "intent"}
SPEC = {
    "name": "intents",
    "goal": {"task": "Name the intent of a message."},
    "data": {
        "sources": [{"path": "data/train.csv", "columns": COLUMNS, "rights": "made by Tailor"}],
        "test": {"path": "data/test.csv", "columns": COLUMNS},
    },
    "train": [{"method": "sft", "epochs": 2}],
    "compute": {"threads": 1},
    "deployment": {"target": "none"},
}


def project_with_spec(root: Path) -> Tailor:
    """Return a project of 80 training and 24 test rows whose licence a person accepted."""
    write_data(root)
    tailor = Tailor(root)
    tailor.create_spec(SPEC)
    tailor.patch_spec([Change(path="model.license_accepted", value=True)], by_person=True)
    return tailor


def serve_manifest(tailor: Tailor, run_id: str) -> RunManifest:
    """Return what a run is told that serves `intents@1`, with its folder and key in place."""
    run = tailor.layout.run(run_id)
    run.run_dir.mkdir(parents=True, exist_ok=True)
    key_path = run.run_dir / "api_key"
    key_path.write_text("key")
    models = tuple(ModelRef(name=name, location="/nowhere") for name in ("seedling", "intents@1"))
    limits = JobLimits(device="cpu", threads=1, max_seconds=None)
    task = ServeTask(models=models, port=0, api_key_path=str(key_path), ttl_s=60, max_batch=1, limits=limits)
    manifest = RunManifest(
        run_id=run_id, project="intents", plan="sha256:0", step="deploy", created_at=time.time(), task=task
    )
    run.manifest_path.write_text(manifest.model_dump_json())
    return manifest
