"""What `resolve` needs to know about the world: hardware, base model, data. Gathered by `tools`, passed as values."""

from typing import Literal

from specs.base import StrictModel


class HardwareFacts(StrictModel):
    """The machine that would run the jobs."""

    cores: int
    memory_bytes: int
    free_disk_bytes: int
    bf16: bool
    """Whether the processor or GPU multiplies bf16 in hardware."""
    gpu: str | None = None
    """Name of the GPU, None for none."""
    gpu_memory_bytes: int = 0
    tokens_per_s: float | None = None
    """Training speed of an earlier run of the same model on this machine, None when there was none."""


class ModelFacts(StrictModel):
    """The base model."""

    name: str
    location: str
    revision: str | None
    kind: Literal["seedling", "hub", "path", "custom"]
    adapter_dir: str | None = None
    num_parameters: int
    hidden_size: int
    num_layers: int
    vocab_size: int
    context_length: int
    size_bytes: int
    license: str
    weights_hash: str
    """sha256 over the model's files; of a hub model its pinned commit, the same before and after the download."""
    files_dir: str | None = None
    """Folder on this machine with the tokenizer of a model whose location is a hub id, None when there is none."""
    is_downloaded: bool = False
    """Whether the weights of a hub model are on this machine already."""

    @property
    def tokenizer_dir(self) -> str | None:
        """Folder with the model's tokenizer, None for a hub model whose tokenizer is not on this machine."""
        return None if self.kind == "hub" and self.files_dir is None else self.files_dir or self.location


class LengthFacts(StrictModel):
    """Lengths in tokens of the model's tokenizer, or an estimate where the basis says so."""

    total: int
    mean: float
    p95: int
    longest: int
    longest_prompt: int
    longest_completion: int
    basis: str


class DataFacts(StrictModel):
    """The prepared dataset, as it is or as preparing it would make it."""

    name: str
    version: str
    """Content hash of the dataset version."""
    dir: str
    num_train: int
    num_validation: int
    num_test: int
    num_refused: int
    num_duplicates: int
    num_labels: int | None
    """Distinct completions when the task looks like classification, else None."""
    lengths: LengthFacts
    source_hashes: dict[str, str]
    """Path of each source, as the spec names it, and the sha256 of its bytes."""
    warnings: tuple[str, ...] = ()


class Facts(StrictModel):
    """All of it."""

    hardware: HardwareFacts
    model: ModelFacts
    data: DataFacts
    runs_dir: str
    tracking_uri: str
    artifacts_dir: str
    next_version: int
    """Version number the custom model of this plan will get."""
