"""A run and the list of runs, as they are shown. Everything comes from the run directories."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

RunTask: TypeAlias = Literal["train", "generate", "serve"]
RunState: TypeAlias = Literal["waiting", "running", "succeeded", "failed", "stopped", "lost"]
Point: TypeAlias = tuple[int, float]
"""Step and value."""
LineKind: TypeAlias = Literal["event", "saved", "warning", "error", "output"]

STATE_WORDS: dict[RunState, tuple[str, str]] = {
    "waiting": ("○", "waiting"),
    "running": ("●", "running"),
    "succeeded": ("✓", "succeeded"),
    "failed": ("✗", "failed"),
    "stopped": ("■", "stopped"),
    "lost": ("?", "lost"),
}
"""Glyph and word of each state; never one without the other."""


@dataclass(frozen=True)
class Curve:
    """A series of values over steps, thinned so that it stays small however long the run is."""

    width: int = 1
    """Steps that share a bucket; of each bucket the first, lowest, highest and last point are kept."""
    points: tuple[Point, ...] = ()
    """By step, the last one exact."""

    @property
    def last(self) -> float | None:
        """Return the latest value."""
        return self.points[-1][1] if self.points else None

    @property
    def lowest(self) -> Point | None:
        """Return the first of the lowest points."""
        return min(self.points, key=lambda point: point[1]) if self.points else None


@dataclass(frozen=True)
class SampleView:
    """An answer of the model in training."""

    step: int
    prompt: str
    completion: str
    expected: str | None = None


@dataclass(frozen=True)
class GpuView:
    """The accelerator, whoever uses it."""

    percent: float
    used_bytes: int
    total_bytes: int
    celsius: float | None = None


@dataclass(frozen=True)
class MachineView:
    """What the processes of a job use now."""

    cpu_percent: float | None = None
    """Of all cores together, 0 to 100."""
    memory_bytes: int | None = None
    peak_bytes: int | None = None
    gpu: GpuView | None = None


@dataclass(frozen=True)
class RunView:
    """One run."""

    run_id: str
    step_title: str = ""
    task: RunTask = "train"
    state: RunState = "waiting"
    model: str = ""
    """Names of the models trained, asked or served."""
    done: int = 0
    total: int = 0
    """Optimizer steps or rows; 0 while unknown."""
    epoch: float | None = None
    seconds: float = 0.0
    """Work over all launches."""
    limit_s: float | None = None
    """Work after which the job stops itself."""
    eta_s: float | None = None
    s_per_step: float | None = None
    rows_per_s: float | None = None
    loss: float | None = None
    train: Curve = Curve()
    evals: Curve = Curve()
    """Loss on the validation rows."""
    metrics: tuple[tuple[str, float], ...] = ()
    """Other figures of the latest validation."""
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_s: float | None = None
    device: str = ""
    """`cpu, bf16, 2 threads`."""
    machine: MachineView = MachineView()
    checkpoint: int | None = None
    """Step of the last checkpoint."""
    samples: tuple[SampleView, ...] = ()
    """The latest, oldest first."""
    url: str = ""
    models: tuple[str, ...] = ()
    """Names a server answers to."""
    expires_at: float | None = None
    message: str = ""
    """How it ended, or the latest warning."""
    hint: str = ""
    launches: int = 0
    resumed_from: int | None = None
    """Step at which the latest launch took the training up."""
    num_skipped: int = 0
    """Lines of the record that could not be read."""

    @property
    def best(self) -> Point | None:
        """Return step and value of the lowest validation loss."""
        return self.evals.lowest

    @property
    def progress(self) -> float | None:
        """Return the part that is done, 0 to 1, None while unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def is_over(self) -> bool:
        """Whether the run will tell nothing more."""
        return self.state not in ("waiting", "running")


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log, escaped."""

    time: float | None
    """Seconds since the epoch; None for output that carries no time."""
    kind: LineKind
    text: str


@dataclass(frozen=True)
class JobRow:
    """One run in the list of runs."""

    run_id: str
    step: str
    task: RunTask
    state: RunState
    done: int
    total: int
    seconds: float
    created_at: float
    note: str = ""
    """Address of a server, why it failed, or the model."""
