# pyright: basic
"""The command line of a vLLM server, used instead of our own decoding where a CUDA GPU and vLLM are there.

Only builds arguments; `trainer.serve` starts and stops the child.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from specs.run import ServeTask

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values vLLM takes for --max-lora-rank (vllm.config.lora, 0.31)."""


def is_usable(task: ServeTask) -> bool:
    """Return whether vLLM can serve the task: a CUDA GPU, the package, and one set of base weights for all models."""
    if task.limits.device not in ("auto", "cuda") or not torch.cuda.is_available():
        return False
    return importlib.util.find_spec("vllm") is not None and _has_one_base(task)


def arguments(task: ServeTask, port: int) -> list[str]:
    """Return the command that serves the task's models on `port`. The key is not in it: see `environment`.

    Raises:
        OSError, ValueError: an adapter folder has no readable adapter_config.json.
    """
    base = task.models[0]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", base.location]
    if base.revision is not None:
        command += ["--revision", base.revision]
    command += ["--host", task.host, "--port", str(port), "--max-num-seqs", str(task.max_batch)]
    command += ["--served-model-name", *_base_names(task)]
    # greedy where a request says nothing, as in the evaluation
    command += ["--override-generation-config", json.dumps({"temperature": 0.0})]
    adapters = {ref.name: ref.adapter_dir for ref in task.models if ref.adapter_dir is not None}
    if adapters:
        command += ["--enable-lora", "--max-loras", str(len(adapters))]
        command += ["--max-lora-rank", str(_accepted_rank(max(map(adapter_rank, adapters.values()))))]
        command += ["--lora-modules", *(f"{name}={folder}" for name, folder in adapters.items())]
    return command


def model_names(task: ServeTask) -> tuple[str, ...]:
    """Return the names a client can ask for."""
    return tuple(ref.name for ref in task.models)


def environment(api_key: str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the child's environment. The key travels here: command lines can be read by other users."""
    return {**inherited, "VLLM_API_KEY": api_key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def adapter_rank(adapter_dir: str) -> int:
    """Return the LoRA rank of an adapter folder. Raises OSError or ValueError when it is none."""
    config = json.loads((Path(adapter_dir) / "adapter_config.json").read_text(encoding="utf-8"))
    return int(config["r"])


def _base_names(task: ServeTask) -> list[str]:
    """Return the names of the bare base model; it needs one of its own even where nobody asks for it."""
    return [ref.name for ref in task.models if ref.adapter_dir is None] or [f"{task.models[0].name}:base"]


def _has_one_base(task: ServeTask) -> bool:
    return len({(ref.location, ref.revision) for ref in task.models}) == 1


def _accepted_rank(rank: int) -> int:
    return next((accepted for accepted in _RANKS if accepted >= rank), _RANKS[-1])
