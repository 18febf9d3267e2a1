"""The manifest of a run (`run.json`): everything a job needs, resolved, immutable, written before the launch."""

from typing import Annotated, Literal

from pydantic import Field

from specs.base import StrictModel


class ModelRef(StrictModel):
    """Weights to load."""

    name: str
    """Name shown to people and used by clients of the server."""
    location: str
    """Absolute folder, or a hub id."""
    revision: str | None = None
    """Pinned commit of a hub model."""
    adapter_dir: str | None = None
    """Folder of a LoRA adapter put on top, None for none."""


class DatasetRef(StrictModel):
    """One immutable dataset version."""

    name: str
    version: str
    """Content hash, as in the dataset's folder name."""
    dir: str
    """Absolute folder with train.jsonl, validation.jsonl (may be empty) and test.jsonl."""


class LoraSettings(StrictModel):
    """Resolved adapter settings."""

    rank: int
    alpha: int
    dropout: float
    quantized: bool = False
    """Load the base model in 4 bits (QLoRA)."""


class SftSettings(StrictModel):
    """Resolved hyperparameters of supervised fine-tuning."""

    epochs: float
    learning_rate: float
    batch_size: int
    """Examples per optimizer step."""
    micro_batch_size: int
    """Examples per forward pass; batch_size is a multiple of it."""
    max_length: int
    warmup_ratio: float
    weight_decay: float
    scheduler: Literal["cosine", "linear", "constant"]
    loss_on: Literal["completion", "all"]
    seed: int
    lora: LoraSettings | None
    """None = full tuning."""
    attention_dropout: float | None
    """Dropout on the attention weights while training; None = as the model has it."""
    save_every: int
    """Optimizer steps between checkpoints."""
    log_every: int
    """Optimizer steps between `step` events."""


class TrackingRef(StrictModel):
    """Where MLflow logging goes."""

    uri: str
    experiment: str
    artifacts_dir: str
    tags: dict[str, str] = Field(default_factory=dict)


class JobLimits(StrictModel):
    """What a job may use."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: int | None
    """CPU threads; None = measured at the start and kept on resume."""
    max_seconds: float | None
    """The job checkpoints and stops itself after so many seconds of work over all its launches."""


class TrainTask(StrictModel):
    """Train one stage."""

    type: Literal["train"] = "train"
    method: Literal["sft"]
    model: ModelRef
    dataset: DatasetRef
    settings: SftSettings
    limits: JobLimits
    tracking: TrackingRef | None = None


class GenerateTask(StrictModel):
    """Answer every prompt of a file greedily."""

    type: Literal["generate"] = "generate"
    model: ModelRef
    prompts_path: str
    """Absolute JSONL of dataset rows; only `id` and `prompt` are read."""
    max_new_tokens: int
    batch_size: int
    limits: JobLimits


class ServeTask(StrictModel):
    """Serve models side by side over the OpenAI-compatible protocol on loopback."""

    type: Literal["serve"] = "serve"
    models: Annotated[tuple[ModelRef, ...], Field(min_length=1)]
    host: str = "127.0.0.1"
    port: int
    """0 = a free one."""
    api_key_path: str
    """File (0600) with the bearer key a client must present."""
    ttl_s: float
    max_batch: int
    limits: JobLimits


class RunManifest(StrictModel):
    """What one job shall do."""

    version: Literal[1] = 1
    run_id: str
    project: str
    plan: str
    """Hash of the plan this run belongs to."""
    step: str
    """Id of the plan's step."""
    created_at: float
    task: Annotated[TrainTask | GenerateTask | ServeTask, Field(discriminator="type")]


class Message(StrictModel):
    """A chat message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class DatasetRow(StrictModel):
    """One line of train.jsonl, validation.jsonl or test.jsonl."""

    id: str
    """First 16 hex digits of the sha256 of prompt and completion, `-2`, `-3` … appended for exact repeats."""
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]
    """One assistant message."""
    source: str
    """File name and line, as data/train.csv:17."""


class Generation(StrictModel):
    """One line of generations.jsonl."""

    id: str
    """Id of the dataset row."""
    text: str
    num_tokens: int
    finish: Literal["stop", "length", "prompt_too_long"]


class TrainReport(StrictModel):
    """report.json of a training run."""

    state: Literal["succeeded", "stopped"]
    steps: int
    total_steps: int
    epochs: float
    train_loss: float | None
    validation_loss: float | None
    seconds: float
    """Seconds of training over all launches of the run."""
    num_tokens: int
    """Tokens seen in training, padding excluded."""
    tokens_per_s: float
    num_parameters: int
    num_trainable: int
    peak_memory_bytes: int
    weights_sha256: str
    """Of the final weights by name order, so that two runs can be compared."""
    launches: int


class GenerateReport(StrictModel):
    """report.json of a generation run."""

    num_rows: int
    num_tokens: int
    seconds: float
    rows_per_s: float
    weights_sha256: str
    """Of the weights that answered."""
