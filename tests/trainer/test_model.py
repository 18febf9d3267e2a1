import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from specs.errors import ExitCode
from specs.run import ModelRef
from tests.fakes import tiny_chat_model
from trainer import model
from trainer.errors import TrainerError
from trainer.hardware import Profile

CPU = Profile("cpu", bf16=False, attention="eager")


@pytest.fixture
def folder(tmp_path: Path, base: ModelRef) -> Path:
    """A copy of the tiny model to break."""
    return Path(shutil.copytree(base.location, tmp_path / "model"))


def load(folder: Path) -> None:
    model.load_config(tiny_chat_model.ref("tiny", folder))
    model.load_model(tiny_chat_model.ref("tiny", folder), CPU, torch.float32)


def without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def torn(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def less_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def lost_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "brandnew", "auto_map": {"AutoConfig": "configuration_brandnew.Config"}}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (shutil.rmtree, "there is no folder"),
        (lambda folder: without(folder, "config.json"), "has no config.json"),
        (lambda folder: without(folder, "model.safetensors"), "has no safetensors weights"),
        (lambda folder: (folder / "config.json").write_text("{"), "configuration of tiny in .* cannot be loaded"),
        (torn, "weights of tiny in .* cannot be loaded"),
        (less_weights, "1 tensors are missing, model.norm.weight"),
        (lost_shard, "1 of 2 weight files are missing in .*model-00002-of-00002"),
        (own_code, "configuration of tiny in .* cannot be loaded"),
    ],
)
def test_broken_model_folder_is_a_sentence(folder: Path, damage: object, words: str) -> None:
    load(folder)
    damage(folder)  # type: ignore[operator]
    with pytest.raises(TrainerError, match=words) as caught:
        load(folder)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint


def test_hub_name_is_a_sentence_when_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    ref = ModelRef(name="m", location="nobody/nothing", revision="0123abc")
    for call in (model.load_config, model.load_tokenizer):
        with pytest.raises(TrainerError, match="nobody/nothing at 0123abc could not be fetched from the hub") as caught:
            call(ref)
        assert caught.value.exit_code is ExitCode.BACKEND


def test_tokenizer_without_a_chat_template_is_refused(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    (folder / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(folder)
    with pytest.raises(TrainerError, match="tokenizer of tiny has no chat template"):
        model.load_tokenizer(tiny_chat_model.ref("tiny", folder))


def test_adapter_folder_is_checked_when_there_is_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    with pytest.raises(TrainerError, match=r"adapter of tiny: the folder .* has no adapter_config.json"):
        model.load_model(tiny_chat_model.ref("tiny", folder, tmp_path / "adapter"), CPU, torch.float32)


def test_adapter_of_another_model_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    adapter = tiny_chat_model.make_adapter(tmp_path / "adapter", folder, seed=1)
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: torch.zeros(2, 3) for name in weights}, adapter / "adapter_model.safetensors")
    ref = tiny_chat_model.ref("tiny", folder, adapter)
    with pytest.raises(TrainerError, match="does not fit the base model"):
        model.load_adapter(model.load_model(ref, CPU, torch.float32), ref, trainable=False)


def test_qlora_is_a_sentence_without_a_gpu(base: ModelRef) -> None:
    with pytest.raises(TrainerError, match="QLoRA needs an NVIDIA GPU and the package bitsandbytes"):
        model.load_model(base, CPU, torch.float32, quantized=True)
