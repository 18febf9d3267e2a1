"""Where things lie: the folders of a user's project and of a run. Paths only; nothing here touches the disk."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProjectLayout:
    """Paths of a user's project. `root` is the folder that holds the spec."""

    root: Path
    spec_name: str = "spec.yaml"

    @property
    def spec_path(self) -> Path:
        return self.root / self.spec_name

    @property
    def state_dir(self) -> Path:
        return self.root / ".tailor"

    @property
    def ledger_path(self) -> Path:
        return self.state_dir / "ledger.db"

    @property
    def audit_path(self) -> Path:
        return self.state_dir / "audit.jsonl"

    @property
    def votes_path(self) -> Path:
        return self.state_dir / "votes.jsonl"

    @property
    def threads_path(self) -> Path:
        return self.state_dir / "threads.db"

    @property
    def tracking_path(self) -> Path:
        return self.state_dir / "mlflow.db"

    @property
    def artifacts_dir(self) -> Path:
        return self.state_dir / "artifacts"

    @property
    def datasets_dir(self) -> Path:
        return self.state_dir / "datasets"

    @property
    def runs_dir(self) -> Path:
        return self.state_dir / "runs"

    @property
    def plans_dir(self) -> Path:
        return self.state_dir / "plans"

    @property
    def schema_path(self) -> Path:
        return self.state_dir / "schema" / "spec.json"

    @property
    def lock_path(self) -> Path:
        return self.state_dir / "engine.lock"

    @property
    def log_path(self) -> Path:
        return self.state_dir / "tailor.log"

    def run(self, run_id: str) -> "RunLayout":
        """Return the paths of one run."""
        return RunLayout(self.runs_dir / run_id)


@dataclass(frozen=True)
class RunLayout:
    """Paths of a run directory, the contract between the launcher and the trainer."""

    run_dir: Path

    @property
    def manifest_path(self) -> Path:
        return self.run_dir / "run.json"

    @property
    def job_path(self) -> Path:
        return self.run_dir / "job.json"

    @property
    def events_path(self) -> Path:
        return self.run_dir / "events.jsonl"

    @property
    def stop_path(self) -> Path:
        return self.run_dir / "stop"

    @property
    def log_path(self) -> Path:
        return self.run_dir / "trainer.log"

    @property
    def lock_path(self) -> Path:
        return self.run_dir / "lock"

    @property
    def exit_path(self) -> Path:
        return self.run_dir / "exit.json"

    @property
    def checkpoints_dir(self) -> Path:
        return self.run_dir / "checkpoints"

    @property
    def model_dir(self) -> Path:
        return self.run_dir / "model"

    @property
    def report_path(self) -> Path:
        return self.run_dir / "report.json"

    @property
    def generations_path(self) -> Path:
        return self.run_dir / "generations.jsonl"

    @property
    def evaluation_path(self) -> Path:
        return self.run_dir / "evaluation.json"
