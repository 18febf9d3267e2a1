# pyright: basic
"""Answers every prompt of a file greedily, in batches of similar length, and can be killed at any moment.

Batches are planned from all rows before any is answered, and a batch is answered as a whole or again, so an interrupted
run gives the same answers as an unbroken one. Another batch size may change the last bits of a bf16 sum, and with them
an answer where two tokens are as good as equal.
"""

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from specs.atomic import write_bytes, write_text
from specs.errors import ExitCode
from specs.events import Finished, Progress, Started
from specs.run import DatasetRow, GenerateReport, GenerateTask, Generation
from trainer import data, export, hardware, model
from trainer.errors import TrainerError
from trainer.job import Job, finished

_PROGRESS_EVERY_S = 1.0
_VERSIONED = ("torch", "transformers", "peft")


@dataclass(frozen=True)
class Material:
    """What answering starts from."""

    profile: hardware.Profile
    tokenizer: Any
    context: int
    rows: tuple[DatasetRow, ...]
    prompts: list[list[int]]


def generate(task: GenerateTask, job: Job) -> Finished:
    """Answer the task's prompts into generations.jsonl, in the order of the prompts.

    Returns the last event. Raises TrainerError, JobStopped with the answered batches kept, or what a library raises.
    """
    facts = hardware.machine()
    profile = hardware.profile(task.limits.device, facts)
    config = model.load_config(task.model)
    tokenizer = model.load_tokenizer(task.model)
    rows = _rows(Path(task.prompts_path))
    prompts = data.encode_prompts(tokenizer, rows)
    material = Material(profile, tokenizer, model.context_length(config), rows, prompts)
    hidden = getattr(config.get_text_config(), "hidden_size", 256)
    threads = hardware.choose_threads(
        task.limits.threads, job.state.threads, facts, hidden=hidden, rows=4 * task.batch_size
    )
    hardware.use_threads(threads)
    job.remember(threads=threads)
    job.stop.check()
    answering = _model(task, profile)
    _tell_start(job, material, answering)
    partial = _Partial(job.layout.run_dir / "generations.partial.jsonl")
    with contextlib.closing(partial):
        _answer_all(task, job, material, answering, partial)
        return _finish(task, job, material, partial)


def plan_batches(lengths: Sequence[int], batch_size: int, *, context: int, max_new_tokens: int) -> list[list[int]]:
    """Return row indices in batches, longest prompts first, so that a lack of memory shows at once.

    Rows whose answer could run out of the context share a batch with rows of their very length alone, so that nobody's
    answer is cut for the sake of a neighbour. Prompts that fill the context are left out.
    """
    order = sorted((i for i, size in enumerate(lengths) if size < context), key=lambda i: (-lengths[i], i))
    batches: list[list[int]] = []
    for index in order:
        last = batches[-1] if batches else []
        tight = bool(last) and lengths[last[0]] + max_new_tokens > context
        if last and len(last) < batch_size and (not tight or lengths[last[0]] == lengths[index]):
            last.append(index)
        else:
            batches.append([index])
    return batches


def _answer_all(task: GenerateTask, job: Job, material: Material, answering: Any, partial: "_Partial") -> None:
    lengths = [len(prompt) for prompt in material.prompts]
    batches = plan_batches(lengths, task.batch_size, context=material.context, max_new_tokens=task.max_new_tokens)
    planned = {index for batch in batches for index in batch}
    for index, row in enumerate(material.rows):
        if index not in planned and row.id not in partial.answers:
            partial.add([Generation(id=row.id, text="", num_tokens=0, finish="prompt_too_long")])
    started, told = time.monotonic() - job.state.train_s, 0.0
    settings = _settings(task, material, answering)
    try:
        for batch in batches:
            if all(material.rows[index].id in partial.answers for index in batch):
                continue
            partial.add(_answer(job, material, answering, settings, batch, task.max_new_tokens))
            now = time.monotonic()
            if now - told >= _PROGRESS_EVERY_S:
                told = now
                _tell_progress(job, len(partial.answers), len(material.rows), now - started)
    finally:
        job.remember(train_s=time.monotonic() - started)
    _tell_progress(job, len(partial.answers), len(material.rows), job.state.train_s)


def _answer(
    job: Job, material: Material, answering: Any, settings: dict[str, Any], batch: list[int], max_new_tokens: int
) -> list[Generation]:
    """Return the answers of one batch. Raises JobStopped with nothing of it answered."""
    prompts = [material.prompts[index] for index in batch]
    width = max(len(prompt) for prompt in prompts)
    pad = material.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    device = material.profile.device
    room = min(max_new_tokens, material.context - width)
    with torch.inference_mode(), autocast(material.profile):
        output = answering.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=GenerationConfig(max_new_tokens=room, **settings),
            stopping_criteria=StoppingCriteriaList([_Stop(job.stop.reason)]),
        )
    job.stop.check()
    stops = set(settings["eos_token_id"])
    answers = [_until_stop(row, stops) for row in output[:, width:].tolist()]
    texts = material.tokenizer.batch_decode([tokens for tokens, _ in answers], skip_special_tokens=True)
    return [
        Generation(
            id=material.rows[index].id,
            text=text,
            num_tokens=len(tokens),
            finish="stop" if ended else "length",
        )
        for index, text, (tokens, ended) in zip(batch, texts, answers, strict=True)
    ]


def autocast(profile: hardware.Profile) -> contextlib.AbstractContextManager[Any]:
    """Return the precision answers are computed in: bf16 products over fp32 weights on a CPU that has them."""
    return torch.autocast(profile.device, torch.bfloat16, enabled=profile.bf16 and profile.device == "cpu")


class _Stop(StoppingCriteria):
    """Ends a batch between two tokens when the job has to stop; the batch is dropped then."""

    def __init__(self, reason: Callable[[], object]) -> None:
        self._reason = reason

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        stop = self._reason() is not None
        return torch.full((input_ids.shape[0],), stop, dtype=torch.bool, device=input_ids.device)


class _Partial:
    """The answers so far, appended batch by batch; a line that a kill left torn is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Generation] = {}
        good = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            try:
                answer = Generation.model_validate_json(line)
            except ValidationError:
                break
            if not line.endswith(b"\n"):
                break
            self.answers[answer.id] = answer
            good += len(line)
        self._stream = path.open("ab")
        self._stream.truncate(good)

    def add(self, answers: list[Generation]) -> None:
        """Append a batch."""
        self._stream.write(b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers))
        self._stream.flush()
        self.answers.update({answer.id: answer for answer in answers})

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()


def _rows(path: Path) -> tuple[DatasetRow, ...]:
    rows = data.read_rows(path)
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if row.id in seen:
            raise TrainerError(
                f"{path}:{number}: the id {row.id} stands in the file twice, and answers are kept by id.",
                "Give every row an id of its own.",
                exit_code=ExitCode.USAGE,
            )
        seen.add(row.id)
    return rows


def _model(task: GenerateTask, profile: hardware.Profile) -> Any:
    loaded: Any = model.load_model(task.model, profile, model.inference_dtype(profile))
    if task.model.adapter_dir is not None:
        loaded = model.load_adapter(loaded, task.model, trainable=False)
    return loaded.eval()


def _settings(task: GenerateTask, material: Material, answering: Any) -> dict[str, Any]:
    """Return what makes generation greedy, against whatever the model's own generation configuration says."""
    own = answering.generation_config.eos_token_id
    stops = {*(own if isinstance(own, list) else [own]), material.tokenizer.eos_token_id} - {None}
    return {
        "do_sample": False,
        "num_beams": 1,
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "pad_token_id": material.tokenizer.pad_token_id,
        "eos_token_id": sorted(stops),
    }


def _until_stop(tokens: list[int], stops: set[int]) -> tuple[list[int], bool]:
    for position, token in enumerate(tokens):
        if token in stops:
            return tokens[:position], True
    return tokens, False


def _tell_start(job: Job, material: Material, answering: Any) -> None:
    job.events.write(
        Started(
            time=time.time(),
            task="generate",
            pid=os.getpid(),
            device=material.profile.device,
            dtype=material.profile.dtype_name,
            threads=torch.get_num_threads(),
            num_parameters=sum(parameter.numel() for parameter in answering.parameters()),
            num_trainable=0,
            num_examples=len(material.rows),
            total_steps=0,
            versions={"python": platform.python_version(), **{name: version(name) for name in _VERSIONED}},
        )
    )


def _tell_progress(job: Job, done: int, total: int, elapsed_s: float) -> None:
    job.events.write(Progress(time=time.time(), done=done, total=total, elapsed_s=elapsed_s))


def _finish(task: GenerateTask, job: Job, material: Material, partial: _Partial) -> Finished:
    answers = [partial.answers[row.id] for row in material.rows]
    write_bytes(job.layout.generations_path, b"".join(_lines(answers)))
    seconds = job.state.train_s
    report = GenerateReport(
        num_rows=len(answers),
        num_tokens=sum(answer.num_tokens for answer in answers),
        seconds=seconds,
        rows_per_s=len(answers) / max(seconds, 1e-9),
        weights_sha256=export.hash_weights(model.weights_folder(task.model)),
    )
    write_text(job.layout.report_path, report.model_dump_json(indent=2))
    partial.path.unlink(missing_ok=True)
    return finished("succeeded", f"Answered {len(answers)} rows in {seconds:.1f} s.", "", ExitCode.DONE, seconds)


def _lines(answers: Sequence[Generation]) -> Iterator[bytes]:
    for answer in answers:
        yield answer.model_dump_json().encode() + b"\n"
