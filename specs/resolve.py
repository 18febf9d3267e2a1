"""From spec and facts to the plan: pure, so that the same spec and facts always give the same plan and hash.

Nothing is read, measured or written here. Facts are gathered by `tools`; values are chosen in `choose`, refusals in
`refuse`, figures in `estimate`.
"""

from dataclasses import dataclass
from typing import Any

from specs import estimate, refuse
from specs.choose import Answering, Values, choose_answering, choose_sft
from specs.estimate import Machine
from specs.facts import Facts
from specs.load import spec_hash
from specs.methods import SftSpec
from specs.plan import Effect, Estimate, Plan, ResolvedValue, Step, StepKind
from specs.recipes import Default, size_class
from specs.run import DatasetRef, JobLimits, ModelRef, SftSettings, TrainTask
from specs.spec import CustomizationSpec

JsonDict = dict[str, Any]


@dataclass(frozen=True)
class _Draft:
    """Everything the steps are made from."""

    spec: CustomizationSpec
    facts: Facts
    stage: SftSpec
    machine: Machine
    settings: SftSettings
    training_values: tuple[ResolvedValue, ...]
    answering: Answering

    @property
    def output(self) -> str:
        return f"{self.spec.name}@{self.facts.next_version}"

    @property
    def model(self) -> ModelRef:
        model = self.facts.model
        return ModelRef(
            name=model.name, location=model.location, revision=model.revision, adapter_dir=model.adapter_dir
        )

    @property
    def dataset(self) -> DatasetRef:
        data = self.facts.data
        return DatasetRef(name=data.name, version=data.version, dir=data.dir)

    def limits(self, *, capped: bool = True) -> JobLimits:
        return JobLimits(
            device=self.spec.compute.device,
            threads=self.machine.threads,
            max_seconds=self.spec.budget.hours * 3600 if capped else None,
        )

    @property
    def measured_inputs(self) -> dict[str, str]:
        return {"dataset": self.facts.data.version, "model": self.facts.model.weights_hash}


def resolve(spec: CustomizationSpec, spec_text: str, facts: Facts) -> Plan:
    """Return the plan of a spec.

    Args:
        spec: the validated spec.
        spec_text: the file it came from, kept in the plan for comparison.
        facts: machine, base model and data as they are now.

    Raises:
        PlanRefused: no plan can be made; the message says why, the hint what to change.
    """
    draft = _draft(spec, facts)
    steps = [_prepare(draft), _baseline(draft), _train(draft), _evaluate(draft)]
    if spec.deployment.target == "local":
        steps.append(_deploy(draft))
    estimates = {step.id: step.estimate for step in steps}
    refuse.check_budget(spec, facts, estimates, draft.machine)
    tuning = "full" if draft.settings.lora is None else "lora"
    notes = refuse.notes(spec, facts, draft.stage, tuning, draft.answering.num_rows)
    late = refuse.over_budget_note(spec, [step.estimate for step in steps if step.kind != "deploy"])
    return Plan(
        name=spec.name,
        spec_hash=spec_hash(spec),
        spec_text=spec_text,
        steps=tuple(steps),
        max_usd=spec.budget.usd,
        max_seconds=spec.budget.hours * 3600,
        notes=tuple(notes if late is None else [*notes, late]),
    )


def _draft(spec: CustomizationSpec, facts: Facts) -> _Draft:
    stage = refuse.supported_stage(spec)
    refuse.check_model(spec, facts)
    refuse.check_data(spec, facts)
    machine = refuse.check_machine(spec, facts)
    settings, values = choose_sft(stage, facts, machine)
    refuse.check_settings(settings, facts, machine)
    return _Draft(spec, facts, stage, machine, settings, values, choose_answering(spec.evaluation, facts, machine))


def _prepare(draft: _Draft) -> Step:
    data, facts = draft.spec.data, draft.facts.data
    paths = tuple(facts.source_hashes)
    return _step(
        "prepare_data",
        f"Prepare {facts.num_train + facts.num_validation + facts.num_test:,} rows",
        "write",
        arguments={
            "name": facts.name,
            "version": facts.version,
            "sources": [source.model_dump(mode="json") for source in data.sources],
            "test": data.test.model_dump(mode="json"),
            "validation_fraction": data.validation_fraction,
            "system_prompt": draft.spec.goal.system_prompt,
            "tokenizer_dir": draft.facts.model.tokenizer_dir,
            "context_length": draft.facts.model.context_length,
        },
        inputs=dict(facts.source_hashes),
        reads=paths,
        writes=(facts.dir,),
        undo=f"Delete {facts.dir}; your own files are only read.",
        values=_data_values(draft),
        estimate=estimate.prepare(draft.facts),
        depends_on=(),
    )


def _baseline(draft: _Draft) -> Step:
    facts = draft.facts
    return _step(
        "baseline",
        f"Measure {facts.model.name} before any training",
        "execute",
        arguments=_measuring(draft),
        inputs=draft.measured_inputs,
        reads=(facts.data.dir, facts.model.location),
        writes=(facts.runs_dir,),
        undo="Nothing to take back: the answers stand in a run folder that can be deleted.",
        values=draft.answering.values,
        estimate=_answering_estimate(draft),
        depends_on=("prepare_data",),
    )


def _train(draft: _Draft) -> Step:
    facts = draft.facts
    task = TrainTask(
        method="sft", model=draft.model, dataset=draft.dataset, settings=draft.settings, limits=draft.limits()
    )
    return _step(
        "train",
        f"Train {draft.output}",
        "execute",
        arguments={
            "task": task.model_dump(mode="json"),
            "output": {"name": draft.spec.name, "version": facts.next_version},
        },
        inputs=draft.measured_inputs,
        reads=(facts.data.dir, facts.model.location),
        writes=(facts.runs_dir,),
        undo="Delete the run folder; the base model is only read.",
        values=(*draft.training_values, *_limit_values(draft)),
        estimate=estimate.train(facts, draft.settings, draft.machine),
        depends_on=("prepare_data", "baseline"),
    )


def _evaluate(draft: _Draft) -> Step:
    facts = draft.facts
    return _step(
        "evaluate",
        f"Measure {draft.output} on the same rows",
        "execute",
        arguments={**_measuring(draft), "train_step": "train", "baseline_step": "baseline"},
        inputs=draft.measured_inputs,
        reads=(facts.data.dir, facts.runs_dir),
        writes=(facts.runs_dir,),
        undo="Nothing to take back: the answers stand in a run folder that can be deleted.",
        values=draft.answering.values,
        estimate=_answering_estimate(draft),
        depends_on=("baseline", "train"),
    )


def _deploy(draft: _Draft) -> Step:
    deployment, facts = draft.spec.deployment, draft.facts
    values = Values()
    free = Default(0, "A free port is taken at the start.", "rule")
    port = values.take("port", deployment.port, free)
    ttl_s = values.note(
        "ttl_s", deployment.ttl_hours * 3600, "The server stops by itself after this time, in seconds.", "spec"
    )
    max_batch = values.note(
        "max_batch",
        32 if size_class(facts.model) == "seedling" else 8,
        "Requests answered together; more wait.",
        "own measurement: 179 requests a second with 32 at a time for a small model",
    )
    return _step(
        "deploy",
        f"Serve {draft.output} beside {facts.model.name}",
        "execute",
        arguments={
            "base": draft.model.model_dump(mode="json"),
            "train_step": "train",
            "name": draft.output,
            "port": port,
            "ttl_s": ttl_s,
            "max_batch": max_batch,
            "limits": draft.limits(capped=False).model_dump(mode="json"),
        },
        inputs={"model": facts.model.weights_hash},
        reads=(facts.model.location, facts.runs_dir),
        writes=(facts.runs_dir,),
        undo=f"`tailor teardown {draft.output}` stops the server.",
        values=tuple(values.chosen),
        estimate=estimate.serve(facts, draft.machine, max_batch, side_by_side=draft.settings.lora is None),
        depends_on=("train", "evaluate"),
    )


def _step(kind: StepKind, title: str, effect: Effect, *, arguments: JsonDict, **rest: Any) -> Step:
    return Step(id=kind, kind=kind, title=title, effect=effect, arguments=arguments, **rest)


def _measuring(draft: _Draft) -> JsonDict:
    evaluation = draft.spec.evaluation
    return {
        "model": draft.model.model_dump(mode="json"),
        "dataset": draft.dataset.model_dump(mode="json"),
        "checks": [check.model_dump(mode="json") for check in evaluation.checks],
        "must_not_regress": [check.model_dump(mode="json") for check in evaluation.must_not_regress],
        "max_rows": evaluation.max_rows,
        "max_new_tokens": draft.answering.max_new_tokens,
        "batch_size": draft.answering.batch_size,
        "limits": draft.limits().model_dump(mode="json"),
    }


def _answering_estimate(draft: _Draft) -> Estimate:
    answering = draft.answering
    return estimate.generate(
        draft.facts, draft.machine, answering.num_rows, answering.max_new_tokens, answering.batch_size
    )


def _data_values(draft: _Draft) -> tuple[ResolvedValue, ...]:
    data, facts = draft.spec.data, draft.facts.data
    values = Values()
    values.note("num_train", facts.num_train, "Rows left for training after the checks and the split.", "data")
    values.note(
        "validation_fraction",
        data.validation_fraction,
        f"{facts.num_validation:,} rows are watched during training and never trained on.",
        "spec",
    )
    held_out = "They are drawn by a hash of the prompt, so that equal prompts never stand on both sides."
    reason = held_out if "fraction" in data.test.model_dump() else "They come from a file of their own."
    values.note("num_test", facts.num_test, f"Rows no training ever sees. {reason}", "spec")
    return tuple(values.chosen)


def _limit_values(draft: _Draft) -> tuple[ResolvedValue, ...]:
    values = Values()
    hardware = draft.facts.hardware
    device = f"the GPU {hardware.gpu}" if draft.machine.uses_gpu else "the processor"
    values.note("device", draft.spec.compute.device, f"Runs on {device}.", "spec")
    values.note(
        "threads",
        draft.machine.threads,
        "Measured in the first seconds: one against several."
        if draft.machine.threads is None
        else "Set in the spec; 1 makes a run repeatable bit for bit.",
        "own measurement: several threads can be slower than one on a busy machine"
        if draft.machine.threads is None
        else "spec",
    )
    values.note(
        "max_seconds", draft.spec.budget.hours * 3600, "budget.hours; a job that reaches it saves and stops.", "spec"
    )
    return tuple(values.chosen)
