# pyright: basic
"""Loads the models of a server: one network for each set of base weights, LoRA adapters put on top of it.

Nothing here knows about HTTP.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from specs.run import ModelRef
from trainer.conversation import ChatEncoder
from trainer.errors import TrainerError
from trainer.hardware import Profile
from trainer.model import check_folder, context_length, inference_dtype, load_adapter, load_model, load_tokenizer
from trainer.serving.decoder import BASE_ADAPTER, Decoder, Row
from trainer.serving.sampling import Sampling, TokenChooser


@dataclass(frozen=True)
class Served:
    """One model a client can ask for."""

    name: str
    decoder: Decoder
    adapter: str
    encoder: ChatEncoder
    decoding_tokenizer: PreTrainedTokenizerBase
    """A second instance: encoding and decoding run in different threads, and tokenizers are not safe for that."""
    stop_ids: frozenset[int]
    context_length: int
    default_sampling: Sampling
    """Used where a request says nothing: greedy, as in the evaluation, unless the model's author set otherwise."""


@dataclass(frozen=True)
class Fleet:
    """All models of a server."""

    models: Mapping[str, Served]
    decoders: tuple[Decoder, ...]
    num_parameters: int


def load_fleet(refs: Sequence[ModelRef], profile: Profile) -> Fleet:
    """Load every model of `refs`, equal base weights once.

    Raises:
        TrainerError: a folder is missing or is no model, or an adapter does not fit its base or the server.
    """
    for ref in refs:
        check_folder(ref)
    models: dict[str, Served] = {}
    decoders: list[Decoder] = []
    num_parameters = 0
    for group in _by_base(refs).values():
        network, model, adapters = _load_group(group, profile)
        decoder = Decoder(network, model, profile, mixed=bool(adapters))
        decoders.append(decoder)
        num_parameters += sum(parameter.numel() for parameter in network.parameters())
        for ref in group:
            models[ref.name] = _served(ref, model, decoder, adapters.get(ref.name, BASE_ADAPTER))
        _warm_up(decoder, [models[ref.name] for ref in group])
    return Fleet({ref.name: models[ref.name] for ref in refs}, tuple(decoders), num_parameters)


def _by_base(refs: Sequence[ModelRef]) -> dict[tuple[str, str | None], list[ModelRef]]:
    groups: dict[tuple[str, str | None], list[ModelRef]] = {}
    for ref in refs:
        groups.setdefault((ref.location, ref.revision), []).append(ref)
    return groups


def _load_group(group: Sequence[ModelRef], profile: Profile) -> tuple[Any, PreTrainedModel, dict[str, str]]:
    dtype = inference_dtype(profile)
    model = load_model(group[0], profile, dtype)
    network: Any = model
    adapters: dict[str, str] = {}
    for ref in group:
        if ref.adapter_dir is None:
            continue
        if not adapters:
            network = load_adapter(model, ref, trainable=False)
            adapters[ref.name] = "default"
        else:
            # PEFT uses the name as a module name, where a dot is forbidden, and names of models have dots
            adapters[ref.name] = f"adapter{len(adapters)}"
            _add_adapter(network, ref, adapters[ref.name])
    network.to(dtype).eval()
    return network, model, adapters


def _add_adapter(network: Any, ref: ModelRef, name: str) -> None:
    try:
        network.load_adapter(ref.adapter_dir, adapter_name=name)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise TrainerError(
            f"The adapter in {ref.adapter_dir} does not fit beside the others on {ref.location}: {error}",
            "Deploy it by itself, or train it again on this base model.",
        ) from error


def _served(ref: ModelRef, model: PreTrainedModel, decoder: Decoder, adapter: str) -> Served:
    tokenizer = load_tokenizer(ref)
    return Served(
        name=ref.name,
        decoder=decoder,
        adapter=adapter,
        encoder=ChatEncoder(tokenizer),
        decoding_tokenizer=copy.deepcopy(tokenizer),
        stop_ids=_stop_ids(model, tokenizer),
        context_length=context_length(model.config),
        default_sampling=_default_sampling(model),
    )


def _stop_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    config: Any = model.generation_config
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    own: Any = tokenizer.eos_token_id
    return frozenset(int(end) for end in (*ends, own) if end is not None)


def _default_sampling(model: PreTrainedModel) -> Sampling:
    config: Any = model.generation_config
    if not config.do_sample:
        return Sampling(temperature=0)
    temperature = 1.0 if config.temperature is None else float(config.temperature)
    return Sampling(temperature, 1.0 if config.top_p is None else float(config.top_p))


def _warm_up(decoder: Decoder, group: Sequence[Served]) -> None:
    """Run one token through every model of a group, so that a batch that cannot work fails now, not at a client."""
    rows = [Row([0], served.adapter, TokenChooser(Sampling(temperature=0))) for served in group]
    try:
        for batch in [rows] if decoder.joins else [[row] for row in rows]:
            decoder.admit(batch)
            decoder.step()
            decoder.remove(batch)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        names = ", ".join(served.name for served in group)
        raise TrainerError(
            f"The models {names} do not answer together: {error}",
            "Deploy them one at a time; an adapter of another kind than plain LoRA cannot share its base with others.",
        ) from error
