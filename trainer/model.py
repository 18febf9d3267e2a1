# pyright: basic
"""Loads base models, adapters and tokenizers, and says in a sentence why one cannot be loaded. Never trains."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from specs.errors import ExitCode
from specs.run import ModelRef
from trainer.errors import TrainerError
from trainer.hardware import Profile

_LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError, SafetensorError)
_MEMORY_SHARE = 0.8


def is_local(location: str) -> bool:
    """Return whether a model's location is a folder rather than a hub id."""
    return os.path.isabs(location) or location.startswith((".", "~"))


def check_folder(model: ModelRef) -> None:
    """Raise TrainerError when a model or adapter folder lacks what loading it needs."""
    if is_local(model.location):
        folder = Path(model.location).expanduser()
        _require(folder, "config.json", f"The model {model.name}")
        _check_weights(folder, model.name)
    if model.adapter_dir is not None:
        _require(Path(model.adapter_dir), "adapter_config.json", f"The adapter of {model.name}")
        _require(Path(model.adapter_dir), "adapter_model.safetensors", f"The adapter of {model.name}")


def load_tokenizer(model: ModelRef) -> PreTrainedTokenizerBase:
    """Return the tokenizer, the adapter's own where it has one, with a padding token.

    Raises:
        TrainerError: there is none, or it has no chat template.
    """
    adapter = Path(model.adapter_dir) if model.adapter_dir else None
    own = adapter is not None and (adapter / "tokenizer_config.json").exists()
    source = str(adapter) if own else model.location
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source,
            revision=None if own else model.revision,
            trust_remote_code=False,
            local_files_only=own or is_local(model.location),
        )
    except _LOAD_ERRORS as error:
        raise _unloadable(model, "tokenizer", error) from error
    if not tokenizer.chat_template:
        raise TrainerError(
            f"The tokenizer of {model.name} has no chat template, so there is no way to write a conversation for it.",
            "Choose the instruct version of the model, or put a chat_template.jinja into its folder.",
            exit_code=ExitCode.USAGE,
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(model: ModelRef) -> Any:
    """Return the model's configuration as it is stored."""
    check_folder(model)
    try:
        return AutoConfig.from_pretrained(
            model.location,
            revision=model.revision,
            trust_remote_code=False,
            local_files_only=is_local(model.location),
        )
    except _LOAD_ERRORS as error:
        raise _unloadable(model, "configuration", error) from error


def load_model(model: ModelRef, profile: Profile, dtype: torch.dtype, *, quantized: bool = False) -> PreTrainedModel:
    """Return the base model without its adapter, in evaluation mode, on the profile's device.

    Raises:
        TrainerError: the folder or hub model cannot be loaded, or lacks weights.
    """
    check_folder(model)
    extra: dict[str, Any] = {"quantization_config": _four_bits(profile)} if quantized else {}
    if profile.device == "cuda":
        extra["device_map"] = {"": 0}
    try:
        both: Any = AutoModelForCausalLM.from_pretrained(
            model.location,
            revision=model.revision,
            dtype=dtype,
            attn_implementation=profile.attention,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=is_local(model.location),
            output_loading_info=True,
            **extra,
        )
    except _LOAD_ERRORS as error:
        raise _unloadable(model, "weights", error) from error
    loaded, info = both
    missing = sorted(info["missing_keys"])
    if missing:
        raise TrainerError(
            f"The weights of {model.name} are incomplete: {len(missing)} tensors are missing, {missing[0]} for one.",
            f"Fetch the model again into {model.location}.",
            exit_code=ExitCode.USAGE,
        )
    return loaded if profile.device == "cuda" else loaded.to(profile.device)


def load_adapter(base: PreTrainedModel, model: ModelRef, *, trainable: bool) -> Any:
    """Return `base` with the model's adapter on top as a PeftModel. Raises TrainerError when it does not fit."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(base, str(model.adapter_dir), is_trainable=trainable)
    except _LOAD_ERRORS as error:
        raise TrainerError(
            f"The adapter in {model.adapter_dir} does not fit the base model {model.location}: {_first_line(error)}.",
            "Use it with the base model it was trained on.",
            exit_code=ExitCode.USAGE,
        ) from error


def inference_dtype(profile: Profile) -> torch.dtype:
    """Return the dtype weights are kept in for answering: bf16 on a GPU; fp32 under autocast on the CPU."""
    return torch.bfloat16 if profile.device == "cuda" and profile.bf16 else torch.float32


def training_dtype(profile: Profile, *, full: bool, num_parameters: int) -> torch.dtype:
    """Return the dtype weights are kept in for training.

    Full tuning keeps fp32 masters under autocast where 16 bytes a parameter fit the GPU, since pure bf16 loses small
    updates; a frozen base under an adapter is kept in bf16 on a GPU.
    """
    if profile.device != "cuda" or not profile.bf16:
        return torch.float32
    _, total = torch.cuda.mem_get_info()
    return torch.float32 if full and 16 * num_parameters < _MEMORY_SHARE * total else torch.bfloat16


def weights_folder(model: ModelRef) -> Path:
    """Return the folder of the weights that make the model what it is: the adapter's, else the base model's."""
    if model.adapter_dir is not None:
        return Path(model.adapter_dir)
    if is_local(model.location):
        return Path(model.location).expanduser()
    return Path(str(cached_file(model.location, "config.json", revision=model.revision))).parent


def context_length(config: Any) -> int:
    """Return the positions a model has, in tokens; a large number when its configuration does not say."""
    text = config.get_text_config()
    return getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None) or 1 << 30


def _four_bits(profile: Profile) -> Any:
    try:
        import bitsandbytes  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        present = False
    else:
        present = True
    if profile.device != "cuda" or not present:
        raise TrainerError(
            "QLoRA needs an NVIDIA GPU and the package bitsandbytes; this machine has not both.",
            "Set train.tuning to lora, or run the step on a GPU machine with bitsandbytes installed.",
            exit_code=ExitCode.BACKEND,
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )


def _require(folder: Path, name: str, subject: str) -> None:
    if not folder.is_dir():
        raise TrainerError(f"{subject}: there is no folder {folder}.", _FETCH, exit_code=ExitCode.USAGE)
    if not (folder / name).is_file():
        raise TrainerError(f"{subject}: the folder {folder} has no {name}.", _FETCH, exit_code=ExitCode.USAGE)


_FETCH = "Fetch the model again, or give the folder that holds config.json and *.safetensors."


def _check_weights(folder: Path, name: str) -> None:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        absent = sorted(shard for shard in shards if not (folder / shard).is_file())
        if absent:
            raise TrainerError(
                f"The model {name}: {len(absent)} of {len(shards)} weight files are missing in {folder}, {absent[0]} "
                "for one.",
                _FETCH,
                exit_code=ExitCode.USAGE,
            )
    elif not (folder / "model.safetensors").is_file():
        raise TrainerError(
            f"The model {name}: the folder {folder} has no safetensors weights, and other formats can run code.",
            _FETCH,
            exit_code=ExitCode.USAGE,
        )


def _unloadable(model: ModelRef, part: str, error: Exception) -> TrainerError:
    if is_local(model.location):
        return TrainerError(
            f"The {part} of {model.name} in {model.location} cannot be loaded: {_first_line(error)}.",
            _FETCH,
            exit_code=ExitCode.USAGE,
        )
    revision = f" at {model.revision}" if model.revision else ""
    return TrainerError(
        f"The {part} of {model.location}{revision} could not be fetched from the hub and is not in the local cache: "
        f"{_first_line(error)}.",
        "Check the name, the revision and the connection, log in for a gated model (hf auth login), "
        "or fetch it first and give its folder.",
        exit_code=ExitCode.BACKEND,
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300].rstrip('.')}" if lines else type(error).__name__
