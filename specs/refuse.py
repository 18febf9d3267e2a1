"""What no plan can be made from, with the way out, and what the user should know before approving a plan."""

import math
import re
from collections.abc import Sequence

from specs.errors import PlanRefused
from specs.estimate import Machine, needs_download
from specs.facts import Facts
from specs.methods import SftSpec
from specs.plan import Estimate
from specs.recipes import size_class
from specs.run import SftSettings
from specs.spec import CustomizationSpec

MIN_TRAIN_ROWS = 10
"""OpenAI's minimum for supervised fine-tuning."""
_FEW_TRAIN_ROWS = 50
_FEW_TEST_ROWS = 25
"""Kiln's minimum for an evaluation."""
_GB = 1_000_000_000
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_METHOD_NAMES = {
    "cpt": "continued pre-training",
    "dpo": "preference optimization",
    "rlvr": "reinforcement learning from a program's rewards",
    "rlaif": "reinforcement learning from a judge",
}


def supported_stage(spec: CustomizationSpec) -> SftSpec:
    """Return the one stage that can be planned. Raises PlanRefused for everything that is not built yet."""
    stage, *later = spec.train
    if later:
        raise PlanRefused(
            f"The spec chains {len(spec.train)} training stages; this version trains one stage at a time.",
            "Keep the first stage, train it, then start a second spec with model.base: name@version.",
        )
    if spec.compute.backend != "local":
        raise PlanRefused(
            f"compute.backend is {spec.compute.backend}; this version trains on this machine only.",
            "Set compute.backend: local.",
        )
    if spec.deployment.target not in ("none", "local"):
        raise PlanRefused(
            f"deployment.target is {spec.deployment.target}; this version serves on this machine only.",
            "Set deployment.target: local, or none to stop after the evaluation.",
        )
    if spec.data.synthesis is not None:
        raise PlanRefused(
            "data.synthesis asks for generated rows; this version does not generate rows yet.",
            "Set data.synthesis: null and name your rows in data.sources.",
        )
    if not isinstance(stage, SftSpec):
        raise PlanRefused(
            f"train.0.method is {stage.method} ({_METHOD_NAMES[stage.method]}); this version trains with sft only.",
            "Set method: sft with rows of prompt and wanted answer.",
        )
    return stage


def check_model(spec: CustomizationSpec, facts: Facts) -> None:
    """Raise PlanRefused for a hub model without a commit and for a licence that nobody accepted."""
    if facts.model.kind == "hub" and not _COMMIT.match(spec.model.revision or ""):
        hint = "Set model.revision to the commit you reviewed, all 40 characters of it"
        known = f": {facts.model.revision}" if _COMMIT.match(facts.model.revision or "") else ""
        raise PlanRefused(
            f"The hub model {spec.model.base} is not pinned to a commit, so it could change between plan and training.",
            f"{hint}{known or '; the model page shows it'}.",
        )
    if not spec.model.license_accepted:
        raise PlanRefused(
            f"The licence of {spec.model.base} ({facts.model.license}) is not accepted.",
            "Read it, then set model.license_accepted: true in spec.yaml yourself.",
        )


def check_data(spec: CustomizationSpec, facts: Facts) -> None:
    """Raise PlanRefused for data that nothing can be learnt from or nothing be measured on."""
    data = facts.data
    if not spec.data.sources:
        raise PlanRefused(
            "The spec names no training rows.", "Add a file to data.sources, for example - {path: data/train.csv}."
        )
    if data.num_train < MIN_TRAIN_ROWS:
        refused = f" ({data.num_refused:,} refused)" if data.num_refused else ""
        why = " `tailor data check` shows why rows were refused." if data.num_refused else ""
        raise PlanRefused(
            f"Training rows: {data.num_train}{refused}; fewer than {MIN_TRAIN_ROWS} teach nothing.",
            f"Add rows: 50 to 100 good ones are a start.{why}",
        )
    if data.num_test == 0:
        raise PlanRefused(
            "There are no test rows, so nobody could tell whether the custom model is better.",
            "Name a file in data.test, or hold rows out with data.test: {fraction: 0.1}.",
        )


def check_machine(spec: CustomizationSpec, facts: Facts) -> Machine:
    """Return what the jobs run on. Raises PlanRefused for a GPU that is not there."""
    hardware = facts.hardware
    if spec.compute.device == "cuda" and hardware.gpu is None:
        raise PlanRefused("compute.device is cuda, but this machine has no CUDA GPU.", "Set compute.device: auto.")
    threads = spec.compute.threads
    uses_gpu = hardware.gpu is not None and spec.compute.device in ("auto", "cuda")
    return Machine(uses_gpu=uses_gpu, threads=None if threads == "auto" else threads)


def check_settings(settings: SftSettings, facts: Facts, machine: Machine) -> None:
    """Raise PlanRefused for 4-bit training without a GPU and for examples that are longer than the model reads."""
    lengths = facts.data.lengths
    context = facts.model.context_length
    if settings.lora is not None and settings.lora.quantized and not machine.uses_gpu:
        raise PlanRefused(
            "QLoRA keeps the base in 4 bits, which needs a CUDA GPU; this run would use the processor.",
            "Set train.0.tuning: lora.",
        )
    if settings.max_length > context:
        raise PlanRefused(
            f"train.0.max_length is {settings.max_length}, but {facts.model.name} reads at most {context} tokens.",
            f"Set it to {context} or less, or leave it to auto.",
        )
    if lengths.longest > settings.max_length:
        share = "more than one in twenty are" if lengths.p95 > settings.max_length else "under one in twenty are"
        raise PlanRefused(
            f"The longest example has {lengths.longest} tokens, the limit is {settings.max_length}: {share} longer. "
            "Examples are never cut in silence.",
            "Shorten or remove them (`tailor data check` names the rows), or "
            + (
                "leave train.0.max_length to auto." if settings.max_length < context else "take a longer-reading model."
            ),
        )


def check_budget(spec: CustomizationSpec, facts: Facts, estimates: dict[str, Estimate], machine: Machine) -> None:
    """Raise PlanRefused when even the favourable estimate is beyond a cap or beyond the machine.

    Args:
        spec: the caps.
        facts: the machine.
        estimates: by step id, in order.
        machine: what the jobs run on.
    """
    jobs = [estimate for step, estimate in estimates.items() if step != "deploy"]
    _check_hours(spec, jobs)
    _check_memory(spec, facts, estimates, machine)
    disk = sum(estimate.disk_bytes for estimate in estimates.values())
    caps = [(facts.hardware.free_disk_bytes, "free on this disk", "Free some space, or move the project.")]
    if spec.compute.max_disk_gb is not None:
        caps.append((int(spec.compute.max_disk_gb * _GB), "allowed by compute.max_disk_gb", "Raise the limit."))
    for cap, name, hint in caps:
        if disk > cap:
            raise PlanRefused(f"The plan needs about {_size(disk)} of disk; {_size(cap)} are {name}.", hint)


def notes(spec: CustomizationSpec, facts: Facts, stage: SftSpec, tuning: str, num_test: int) -> list[str]:
    """Return what the user should know before approving, as sentences."""
    data = facts.data
    found: list[str] = []
    if size_class(facts.model) == "seedling":
        found.append(
            f"{facts.model.name} is a tiny model for trying the road and for tests: it learns labels and fixed forms, "
            "and cannot answer open questions."
        )
    found.append(_sent(facts))
    if data.num_train < _FEW_TRAIN_ROWS:
        found.append(
            f"{data.num_train} training rows are few: gains usually show from 50 to 100 rows on. "
            "If 50 good rows change nothing, rethink the task before adding more (OpenAI's advice)."
        )
    if data.num_refused:
        rows = "1 row is" if data.num_refused == 1 else f"{data.num_refused:,} rows are"
        found.append(
            f"{rows} refused and not used; `tailor data check` names each that cannot be read, and the notes here what "
            "else was left out."
        )
    found += data.warnings
    if stage.lora is not None and tuning == "full":
        found.append("The adapter settings under train.0.lora are not used: all weights are trained.")
    found += _unread(spec)
    found.append(_resolution(num_test))
    return found


def smallest_difference(num_test: int) -> float:
    """Return the smallest difference between two shares that `num_test` rows can show, as a share.

    Normal approximation for two independent shares near one half, 95 % confidence and 80 % power (Fleiss):
    (1.96 + 0.84) * sqrt(2 * 0.25 / n).
    """
    return min(1.0, 2.8 * math.sqrt(0.5 / num_test))


def over_budget_note(spec: CustomizationSpec, jobs: Sequence[Estimate]) -> str | None:
    """Return a warning when the likely time, though not the favourable one, is beyond the budget."""
    likely = sum(estimate.seconds for estimate in jobs)
    if likely <= spec.budget.hours * 3600:
        return None
    return (
        f"The jobs will likely take {_duration(likely)}, more than budget.hours ({spec.budget.hours:g}); "
        "a job that reaches the cap saves a checkpoint and stops."
    )


def _check_hours(spec: CustomizationSpec, jobs: Sequence[Estimate]) -> None:
    least = sum(estimate.seconds_low for estimate in jobs)
    if least > spec.budget.hours * 3600:
        likely = sum(estimate.seconds for estimate in jobs)
        raise PlanRefused(
            f"The plan needs at least {_duration(least)} and likely {_duration(likely)}; "
            f"budget.hours allows {_duration(spec.budget.hours * 3600)}.",
            f"Set budget.hours: {math.ceil(likely / 360) / 10:g}, or train fewer epochs or on fewer rows.",
        )


def _check_memory(spec: CustomizationSpec, facts: Facts, estimates: dict[str, Estimate], machine: Machine) -> None:
    step, worst = max(estimates.items(), key=lambda item: item[1].memory_bytes)
    have = facts.hardware.gpu_memory_bytes if machine.uses_gpu else facts.hardware.memory_bytes
    place = f"the GPU ({facts.hardware.gpu}) has" if machine.uses_gpu else "this machine has"
    hint = {
        "train": "Train an adapter (train.0.tuning: lora), or take a smaller base model.",
        "deploy": "Set deployment.target: none, or take a smaller base model.",
    }.get(step, "Take a smaller base model.")
    if worst.memory_bytes > have:
        raise PlanRefused(
            f"The step {step} needs about {_gigabytes(worst.memory_bytes)} of memory; {place} {_gigabytes(have)}.", hint
        )
    cap = spec.compute.max_memory_gb
    if cap is not None and worst.memory_bytes > cap * _GB:
        raise PlanRefused(
            f"The step {step} needs about {_gigabytes(worst.memory_bytes)} of memory; "
            f"compute.max_memory_gb allows {cap:g} GB.",
            hint,
        )


def _unread(spec: CustomizationSpec) -> list[str]:
    """Return what stands in the spec and changes nothing in this plan."""
    found: list[str] = []
    if spec.goal.bad_examples:
        found.append(
            "goal.bad_examples is kept for people: nothing is trained or measured against it. To hold the model to it, "
            "add rows with the right answers to data.sources and a check to evaluation.checks."
        )
    if spec.budget.tokens is not None:
        found.append(
            "budget.tokens caps nothing here: no step of this plan uses a paid chat model, and the conversation itself "
            "is not counted."
        )
    return found


def _sent(facts: Facts) -> str:
    if needs_download(facts):
        return f"{facts.model.name} is downloaded from the hub. No data leaves this machine; everything runs here."
    return "Nothing leaves this machine: rows, training, evaluation and server stay here."


def _resolution(num_test: int) -> str:
    points = 100 * smallest_difference(num_test)
    few = f" Fewer than {_FEW_TEST_ROWS} test rows prove little." if num_test < _FEW_TEST_ROWS else ""
    return (
        f"With {num_test:,} test rows, differences under about {points:.1f} points may be chance (two shares near one "
        f"half, 95 % confidence, 80 % power; comparing row by row shows somewhat smaller ones).{few}"
    )


def _size(size_bytes: float) -> str:
    """Return gigabytes, or megabytes where two small sizes would both read as nothing."""
    return _gigabytes(size_bytes) if size_bytes >= 0.1 * _GB else f"{size_bytes / 1e6:.1f} MB"


def _gigabytes(size_bytes: float) -> str:
    return f"{size_bytes / _GB:.1f} GB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
