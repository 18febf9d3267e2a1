"""The compute and budget sections of the spec."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from specs.base import StrictModel

Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]


class ComputeSpec(StrictModel):
    """Where training runs, and its limits."""

    backend: Literal["local", "sagemaker_serverless", "sagemaker_training", "bedrock"] = "local"
    """Which backend runs the jobs."""
    device: Device = "auto"
    """Device of a local run; `auto` takes the GPU when there is one."""
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """CPU threads; `auto` measures one and several at the start. 1 makes a run repeatable bit for bit."""
    max_memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Refuse a plan that is estimated to need more memory."""
    max_disk_gb: Annotated[float, Field(gt=0)] | None = None
    """Refuse a plan that is estimated to need more disk."""


class BudgetSpec(StrictModel):
    """Hard caps over the whole plan."""

    usd: Annotated[float, Field(ge=0)] = 0
    """Money in US dollars; 0 = nothing that costs money may run."""
    hours: Annotated[float, Field(gt=0)] = 1
    """Wall-clock hours of all jobs together, serving excepted; a job that reaches the cap is stopped."""
    tokens: Annotated[int, Field(ge=0)] | None = None
    """Tokens of paid chat models; None = no cap beside the money."""
