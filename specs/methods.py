"""The training methods a spec can name, one model each, told apart by `method`.

A field that is `auto` or left out is filled from the recipe when the plan is made; the plan shows value and reason.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from specs.base import StrictModel

Auto: TypeAlias = Literal["auto"]
Tuning: TypeAlias = Literal["auto", "lora", "qlora", "full"]
Rate: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Epochs: TypeAlias = Annotated[float, Field(gt=0, le=1000)]


class LoraSpec(StrictModel):
    """Low-rank adapter settings; used when the tuning is `lora` or `qlora`."""

    rank: Annotated[int, Field(ge=1, le=1024)] | Auto = "auto"
    """Rank of the adapter matrices."""
    alpha: Count | Auto = "auto"
    """Scale numerator; the adapter's output is multiplied by alpha / rank."""
    dropout: Fraction | Auto = "auto"
    """Dropout on the adapter's input."""


class StageSpec(StrictModel):
    """What every training stage shares."""

    tuning: Tuning = "auto"
    """How the weights change: `full`, `lora`, `qlora`; `auto` = full for Seedling, lora for real models."""
    epochs: Epochs | Auto = "auto"
    """Passes over the training rows."""
    learning_rate: Rate | Auto = "auto"
    """Peak learning rate."""
    batch_size: Count | Auto = "auto"
    """Examples per optimizer step, over all devices and accumulation steps."""
    max_length: Count | Auto = "auto"
    """Longest example in tokens; longer examples are refused by name, never cut in silence."""
    warmup_ratio: Fraction | Auto = "auto"
    """Share of the steps over which the learning rate rises."""
    weight_decay: Fraction | Auto = "auto"
    """AdamW weight decay."""
    lora: LoraSpec | None = None
    """Adapter settings."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of initialisation, shuffling and dropout."""


class SftSpec(StageSpec):
    """Supervised fine-tuning on prompt and completion pairs."""

    method: Literal["sft"]
    """Always `sft`."""
    loss_on: Literal["completion", "all"] = "completion"
    """Which tokens are trained."""


class CptSpec(StageSpec):
    """Continued pre-training on plain text."""

    method: Literal["cpt"]
    """Always `cpt`."""
    packing: bool = True
    """Fill each training sequence with several texts."""


class DpoSpec(StageSpec):
    """Direct preference optimization on chosen and rejected answers."""

    method: Literal["dpo"]
    """Always `dpo`."""
    beta: Annotated[float, Field(gt=0, le=10)] | Auto = "auto"
    """Strength of the pull towards the reference model."""
    sft_weight: Annotated[float, Field(ge=0, le=10)] | Auto = "auto"
    """Weight of the likelihood term on the chosen answers."""


class RlSpec(StageSpec):
    """What both reinforcement methods share."""

    num_generations: Annotated[int, Field(ge=2, le=64)] | Auto = "auto"
    """Answers sampled for each prompt."""
    temperature: Annotated[float, Field(gt=0, le=2)] | Auto = "auto"
    """Sampling temperature of the rollouts."""
    max_new_tokens: Count | Auto = "auto"
    """Longest rollout in tokens."""


class RlvrSpec(RlSpec):
    """Reinforcement learning from rewards that a program computes."""

    method: Literal["rlvr"]
    """Always `rlvr`."""
    reward: str
    """Path of the reward function in the project."""


class RlaifSpec(RlSpec):
    """Reinforcement learning from a judge model's scores."""

    method: Literal["rlaif"]
    """Always `rlaif`."""
    judge: str
    """Judge model, by the name under which its endpoint is configured."""
    rubric: str
    """Path of the rubric in the project."""


Method: TypeAlias = Annotated[CptSpec | SftSpec | DpoSpec | RlvrSpec | RlaifSpec, Field(discriminator="method")]
