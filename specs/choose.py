"""Every value of a step: from the spec where it names one, else from the recipe or the data, each with its reason."""

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from specs.estimate import Machine, num_steps
from specs.evaluation import EvaluationSpec
from specs.facts import Facts
from specs.methods import SftSpec
from specs.plan import ResolvedValue
from specs.recipes import (
    ChosenTuning,
    Default,
    SizeClass,
    default_tuning,
    lora_recipe,
    sft_recipe,
    size_class,
)
from specs.run import LoraSettings, SftSettings

T = TypeVar("T")

_CPU_MICRO: dict[SizeClass, int] = {"seedling": 64, "under_1b": 4, "1b_to_10b": 1, "10b_to_30b": 1, "over_30b": 1}
_GPU_MICRO: dict[SizeClass, int] = {"seedling": 256, "under_1b": 16, "1b_to_10b": 8, "10b_to_30b": 4, "over_30b": 2}
_CPU_ANSWERS: dict[SizeClass, int] = {"seedling": 64, "under_1b": 8, "1b_to_10b": 2, "10b_to_30b": 1, "over_30b": 1}
_GPU_ANSWERS: dict[SizeClass, int] = {"seedling": 256, "under_1b": 64, "1b_to_10b": 32, "10b_to_30b": 16, "over_30b": 8}


@dataclass
class Values:
    """The values of one step in the order they were chosen."""

    chosen: list[ResolvedValue] = field(default_factory=list[ResolvedValue])

    def take(self, name: str, wanted: T | Literal["auto"], default: Default[T]) -> T:
        """Record and return `wanted`, or the default where the spec leaves the choice."""
        if wanted == "auto":
            return self.note(name, default.value, default.reason, default.source)
        self.chosen.append(
            ResolvedValue(name=name, value=wanted, reason="Set in the spec.", source="spec", default=default.value)
        )
        return wanted

    def note(self, name: str, value: T, reason: str, source: str) -> T:
        """Record and return a value that the spec has no say in, or that stands in the spec only."""
        self.chosen.append(ResolvedValue(name=name, value=value, reason=reason, source=source))
        return value


def choose_sft(stage: SftSpec, facts: Facts, machine: Machine) -> tuple[SftSettings, tuple[ResolvedValue, ...]]:
    """Return the settings of a supervised stage and the reason of each."""
    values = Values()
    tuning: ChosenTuning = values.take("tuning", stage.tuning, default_tuning(facts.model))
    recipe = sft_recipe(facts.model, tuning, facts.data.num_train)
    epochs = values.take("epochs", stage.epochs, recipe.epochs)
    learning_rate = values.take("learning_rate", stage.learning_rate, recipe.learning_rate)
    batch_size = values.take("batch_size", stage.batch_size, recipe.batch_size)
    settings = SftSettings(
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        micro_batch_size=_micro_batch(values, batch_size, facts, machine),
        max_length=values.take("max_length", stage.max_length, _max_length(facts)),
        warmup_ratio=values.take("warmup_ratio", stage.warmup_ratio, recipe.warmup_ratio),
        weight_decay=values.take("weight_decay", stage.weight_decay, recipe.weight_decay),
        scheduler=values.take("scheduler", "auto", recipe.scheduler),
        loss_on=values.note("loss_on", stage.loss_on, _loss_reason(stage), "spec"),
        seed=values.note("seed", stage.seed, "The same seed gives the same shuffling and dropout.", "spec"),
        lora=_lora(values, stage, facts, tuning),
        attention_dropout=values.take("attention_dropout", "auto", recipe.attention_dropout),
        save_every=20,
        log_every=1,
    )
    steps = num_steps(facts.data.num_train, settings)
    save_every = values.take("save_every", "auto", _save_every(steps))
    log_every = values.take("log_every", "auto", _log_every(steps))
    return settings.model_copy(update={"save_every": save_every, "log_every": log_every}), tuple(values.chosen)


@dataclass(frozen=True)
class Answering:
    """How test prompts are answered."""

    num_rows: int
    max_new_tokens: int
    batch_size: int
    values: tuple[ResolvedValue, ...]


def choose_answering(evaluation: EvaluationSpec, facts: Facts, machine: Machine) -> Answering:
    """Return how the test rows are answered, the same for the base and the custom model."""
    values = Values()
    rows = min(facts.data.num_test, evaluation.max_rows or facts.data.num_test)
    values.note(
        "rows",
        rows,
        "All test rows." if evaluation.max_rows is None else f"At most {evaluation.max_rows:,} rows, drawn by hash.",
        "data" if evaluation.max_rows is None else "spec",
    )
    max_new_tokens = values.take("max_new_tokens", evaluation.max_new_tokens, _answer_length(facts))
    sizes = _GPU_ANSWERS if machine.uses_gpu else _CPU_ANSWERS
    batch_size = values.note(
        "batch_size",
        sizes[size_class(facts.model)],
        "Prompts answered at the same time; it changes the speed, not the answers.",
        "own measurement: 3,080 answers in 3 s in batches of 64 with Seedling",
    )
    return Answering(rows, max_new_tokens, batch_size, tuple(values.chosen))


def _micro_batch(values: Values, batch_size: int, facts: Facts, machine: Machine) -> int:
    most = (_GPU_MICRO if machine.uses_gpu else _CPU_MICRO)[size_class(facts.model)]
    size = next(size for size in range(min(batch_size, most), 0, -1) if batch_size % size == 0)
    reason = (
        f"Rows held in memory at once; {batch_size // size} of these make one weight update. "
        "It changes memory and speed, not the result."
    )
    return values.note("micro_batch_size", size, reason, "rule: the largest divisor of the batch that usually fits")


def _max_length(facts: Facts) -> Default[int]:
    longest = facts.data.lengths.longest
    length = min(-(-longest // 8) * 8, facts.model.context_length)
    return Default(
        length, f"The longest example has {longest} tokens, rounded up to a multiple of 8; nothing is cut.", "data"
    )


def _loss_reason(stage: SftSpec) -> str:
    if stage.loss_on == "completion":
        return "Only the wanted answers are learnt, not the prompts."
    return "Prompts and answers are learnt alike."


def _lora(values: Values, stage: SftSpec, facts: Facts, tuning: ChosenTuning) -> LoraSettings | None:
    if tuning == "full":
        return None
    recipe = lora_recipe(facts.model)
    rank = values.take("lora.rank", stage.lora.rank if stage.lora else "auto", recipe.rank)
    alpha = Default(2 * rank, recipe.alpha.reason, recipe.alpha.source)
    return LoraSettings(
        rank=rank,
        alpha=values.take("lora.alpha", stage.lora.alpha if stage.lora else "auto", alpha),
        dropout=values.take("lora.dropout", stage.lora.dropout if stage.lora else "auto", recipe.dropout),
        quantized=tuning == "qlora",
    )


def _save_every(steps: int) -> Default[int]:
    return Default(
        max(20, -(-steps // 10)),
        f"About ten checkpoints over {steps:,} steps, at least 20 steps apart: what a crash can cost.",
        "rule: a tenth of the steps",
    )


def _log_every(steps: int) -> Default[int]:
    return Default(max(1, steps // 150), "About 150 points on the loss curve.", "rule: a 150th of the steps")


def _answer_length(facts: Facts) -> Default[int]:
    longest = facts.data.lengths.longest_completion
    room = facts.model.context_length - facts.data.lengths.longest_prompt
    length = max(1, min(longest + max(4, longest // 4), room))
    reason = f"The longest wanted answer has {longest} tokens; a quarter more, at least 4, and at most the context."
    return Default(length, reason, "data")
