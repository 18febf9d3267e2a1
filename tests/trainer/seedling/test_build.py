"""The build command gives a loadable folder, and the shipped one is small, safe and offline."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from specs.roots import seedling_dir
from trainer.seedling.__main__ import main
from trainer.seedling.model import new_model
from trainer.seedling.pretrain import Budget, pretrain

_FILES = {
    "CARD.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


def load(folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    return tokenizer, model


@pytest.fixture(autouse=True)
def kept_torch_settings():
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def test_shipped_folder_is_small_and_holds_no_code_when_listed() -> None:
    files = list(seedling_dir().iterdir())
    assert {file.name for file in files} == _FILES
    assert sum(file.stat().st_size for file in files) < 5_000_000


def test_shipped_model_answers_and_is_float32_when_loaded_offline() -> None:
    tokenizer, model = load(seedling_dir())
    assert model.dtype == torch.float32
    assert 800_000 <= model.num_parameters() <= 1_100_000
    assert model.config.max_position_embeddings == tokenizer.model_max_length
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "My parcel still has not arrived."}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    out = model.generate(**prompt, max_new_tokens=16, do_sample=False)
    assert tokenizer.decode(out[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True) == "parcel_late"


def test_shipped_card_names_command_and_licence_when_read() -> None:
    card = (seedling_dir() / "CARD.md").read_text(encoding="utf-8")
    assert "python -m trainer.seedling build" in card
    assert "Apache-2.0" in card
    assert "not a useful model" in card


def test_build_gives_a_loadable_folder_and_the_same_weights_when_run_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["build", str(tmp_path / name), "--steps", "3"]) == 0
    assert {file.name for file in (tmp_path / "one").iterdir()} == _FILES
    _, model = load(tmp_path / "one")
    assert torch.isfinite(model.lm_head.weight).all()
    one, two = (tmp_path / name / "model.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert "--steps 3 --seed 0" in (tmp_path / "one" / "CARD.md").read_text(encoding="utf-8")
    for name in ("tokenizer.json", "chat_template.jinja", "config.json"):
        assert (tmp_path / "one" / name).read_bytes() == (seedling_dir() / name).read_bytes()


def test_pretraining_takes_a_step_when_the_clock_leaves_no_time() -> None:
    tokenizer, _ = load(seedling_dir())
    outcome = pretrain(new_model(len(tokenizer), 0), tokenizer, Budget(seconds=1e-9), 0)
    assert outcome.steps == 1
    assert outcome.tokens > 0


def test_build_says_what_to_do_when_the_folder_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert main(["build", str(tmp_path / "file" / "out"), "--steps", "1"]) == 1
    assert "Name another folder." in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--steps", "0"], ["--seconds", "-1"], ["--seconds", "nan"], ["--steps", "x"]])
def test_build_is_refused_when_the_length_makes_no_sense(tmp_path: Path, option: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["build", str(tmp_path), *option])
    assert stopped.value.code == 2
