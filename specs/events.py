"""The lines of events.jsonl: what a running job tells, one JSON object a line, appended and never changed."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from specs.base import StrictModel

EndState: TypeAlias = Literal["succeeded", "failed", "stopped"]


class EventBase(StrictModel):
    """What every event carries."""

    time: float
    """Seconds since the epoch."""


class Started(EventBase):
    """The job has its hardware, model and data."""

    type: Literal["started"] = "started"
    task: Literal["train", "generate", "serve"]
    pid: int
    device: str
    dtype: str
    threads: int
    num_parameters: int
    num_trainable: int
    num_examples: int
    total_steps: int
    resumed_from: int | None = None
    """Optimizer step of the checkpoint taken up, None for a fresh start."""
    versions: dict[str, str] = Field(default_factory=dict)


class StepDone(EventBase):
    """An optimizer step that was logged."""

    type: Literal["step"] = "step"
    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float | None = None
    tokens_per_s: float | None = None
    elapsed_s: float
    eta_s: float | None = None


class Progress(EventBase):
    """Work counted in items: rows answered, for one."""

    type: Literal["progress"] = "progress"
    done: int
    total: int
    elapsed_s: float


class Evaluated(EventBase):
    """Metrics on the validation rows."""

    type: Literal["evaluated"] = "evaluated"
    step: int
    metrics: dict[str, float]


class CheckpointSaved(EventBase):
    """A complete checkpoint on disk."""

    type: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str
    size_bytes: int


class Sample(EventBase):
    """An answer of the model in training, for people to read."""

    type: Literal["sample"] = "sample"
    step: int
    prompt: str
    completion: str
    expected: str | None = None


class Serving(EventBase):
    """The server answers."""

    type: Literal["serving"] = "serving"
    url: str
    models: tuple[str, ...]
    expires_at: float
    """Seconds since the epoch at which the server stops by itself."""


class Warned(EventBase):
    """Something a person should know; the job goes on."""

    type: Literal["warning"] = "warning"
    code: str
    message: str
    hint: str = ""


class Finished(EventBase):
    """The last event of a job that ended by itself."""

    type: Literal["finished"] = "finished"
    state: EndState
    message: str
    hint: str = ""
    exit_code: int
    seconds: float


TrainEvent: TypeAlias = Annotated[
    Started | StepDone | Progress | Evaluated | CheckpointSaved | Sample | Serving | Warned | Finished,
    Field(discriminator="type"),
]

TRAIN_EVENT: TypeAdapter[TrainEvent] = TypeAdapter(TrainEvent)
