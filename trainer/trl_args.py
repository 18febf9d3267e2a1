# pyright: basic
"""Translates our settings into arguments of TRL and peft by the names the installed versions have. Trains nothing."""

import dataclasses
from typing import Any

import torch
from trl.trainer.sft_config import SFTConfig

from specs.run import LoraSettings, SftSettings
from trainer.hardware import Profile

_SCHEDULERS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_BETA2 = 0.98
"""Second AdamW beta. 0.999 averages over more steps than a short run has; 0.98 was measured on Banking77."""
_ACTIVATION_BYTES = 34
"""Bytes a token takes per layer and hidden unit in bf16, attention scores apart (Korthikanti et al., 2022)."""
_MEMORY_SHARE = 0.8


def sft_config(settings: SftSettings, profile: Profile, output_dir: str, *, checkpointing: bool) -> SFTConfig:
    """Return TRL's arguments. Logging, evaluating and saving are decided by our callbacks, so TRL's are off."""
    wanted: dict[str, Any] = {
        "output_dir": output_dir,
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": max(1, settings.batch_size // settings.micro_batch_size),
        "lr_scheduler_type": _SCHEDULERS[settings.scheduler],
        "warmup_steps": min(settings.warmup_ratio, 0.99),  # below 1 it is a share of the steps
        "weight_decay": settings.weight_decay,
        "adam_beta2": _BETA2,
        "optim": "adamw_torch_fused" if profile.device in ("cpu", "cuda") else "adamw_torch",
        "seed": settings.seed,
        "data_seed": settings.seed,
        "bf16": profile.bf16,
        "use_cpu": profile.device == "cpu",
        "max_length": None,  # rows that are too long were refused before
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "padding_free": profile.attention.startswith("flash_attention"),
        "completion_only_loss": settings.loss_on == "completion",
        "packing": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": profile.device == "cuda",
        "gradient_checkpointing": checkpointing,
        "activation_checkpointing": checkpointing,
    }
    return SFTConfig(**accepted(SFTConfig, wanted))


def lora_config(settings: LoraSettings, revision: str | None) -> Any:
    """Return peft's arguments: adapters on every linear layer but the head."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        revision=revision,
    )


def accepted(kind: type[Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that this version of the dataclass `kind` has.

    Where a version has both names of an argument, only the newer one is set: the other is deprecated there.
    """
    names = {field.name for field in dataclasses.fields(kind) if field.init}
    if {"activation_checkpointing", "gradient_checkpointing"} <= names:
        names.discard("gradient_checkpointing")
    return {name: value for name, value in wanted.items() if name in names}


def needs_checkpointing(
    settings: SftSettings, profile: Profile, config: Any, *, model_bytes: int, longest: int
) -> bool:
    """Return whether activations have to be recomputed for the step to fit the GPU. Never on the CPU."""
    if profile.device != "cuda":
        return False
    text = config.get_text_config()
    tokens = settings.micro_batch_size * longest
    activations = tokens * text.hidden_size * text.num_hidden_layers * _ACTIVATION_BYTES + tokens * text.vocab_size * 2
    optimizer = model_bytes * (0.2 if settings.lora else 3)
    _, total = torch.cuda.mem_get_info()
    return model_bytes + optimizer + activations > _MEMORY_SHARE * total
