import json
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from specs.layout import ProjectLayout
from specs.plan import Estimate, Step
from specs.run import ModelRef
from specs.spec import BaseModelSpec
from tools.catalog import model_facts, reference, weights_hash
from tools.errors import BackendError, UsageError
from tools.inputs import StepInputs

CONFIG = {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 16, "max_position_embeddings": 64}
COMMIT = "c" * 40


def weights_now(model: ModelRef) -> str:
    """Return the hash that is compared with the plan's just before a launch."""
    nothing = Estimate(
        seconds=0, seconds_low=0, seconds_high=0, memory_bytes=0, disk_bytes=0, cost_usd=0, num_tokens=0, basis="test"
    )
    step = Step(
        id="baseline", kind="baseline", title="", effect="execute", arguments={"model": model.model_dump()},
        inputs={}, reads=(), writes=(), undo="", values=(), estimate=nothing, depends_on=(),
    )  # fmt: skip
    return StepInputs(ProjectLayout(Path("/nowhere")))("model", step)


def none(_name: str, _version: int) -> ModelRef | None:
    return None


def save_model(folder: Path, config: dict | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    (folder / "tokenizer.json").write_text("{}")
    header = json.dumps({"w": {"dtype": "F32", "shape": [3, 5], "data_offsets": [0, 60]}, "__metadata__": {}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(60))
    return folder


def test_folder_model_is_described_from_its_files(tmp_path: Path):
    save_model(tmp_path / "base")
    facts = model_facts(BaseModelSpec(base="base"), tmp_path, none)
    assert (facts.kind, facts.num_parameters, facts.context_length) == ("path", 15, 64)
    assert reference(facts).location == str(tmp_path / "base")


def test_weights_hash_changes_when_one_byte_changes(tmp_path: Path):
    folder = save_model(tmp_path / "base")
    before = weights_hash(folder)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(data))
    assert weights_hash(folder) != before


def test_custom_model_with_an_adapter_has_both_in_its_hash(tmp_path: Path):
    base, adapter = save_model(tmp_path / "base"), save_model(tmp_path / "adapter")

    def custom(name: str, version: int) -> ModelRef | None:
        assert (name, version) == ("bank", 2)
        return ModelRef(name="bank@2", location=str(base), adapter_dir=str(adapter))

    facts = model_facts(BaseModelSpec(base="bank@2"), tmp_path, custom)
    assert facts.kind == "custom"
    assert facts.adapter_dir == str(adapter)
    assert facts.weights_hash != weights_hash(base)


@pytest.mark.parametrize(
    ("name", "words"),
    [("seedlin", "Did you mean 'seedling'"), ("nothing-like-it", "no base model"), ("bank@9", "no custom model")],
)
def test_unknown_model_is_refused_with_the_next_step(tmp_path: Path, name: str, words: str):
    with pytest.raises(UsageError) as caught:
        model_facts(BaseModelSpec(base=name), tmp_path, none)
    assert words in str(caught.value)


def test_hub_model_needs_a_pinned_revision(tmp_path: Path):
    with pytest.raises(UsageError, match="pinned revision"):
        model_facts(BaseModelSpec(base="org/model"), tmp_path, none)


def test_hub_model_out_of_reach_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BackendError, match="cannot be reached"):
        model_facts(BaseModelSpec(base="org/model", revision="a" * 40), tmp_path, none)


@pytest.fixture
def cached_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub model in the hub's own cache, and a network that does not answer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    return save_model(tmp_path / "hub" / "models--org--tiny" / "snapshots" / COMMIT)


def test_hub_model_in_the_cache_passes_the_check_before_the_launch(tmp_path: Path, cached_model: Path):
    facts = model_facts(BaseModelSpec(base="org/tiny", revision=COMMIT), tmp_path, none)
    assert (facts.location, facts.weights_hash, facts.is_downloaded) == ("org/tiny", f"revision:{COMMIT}", True)
    assert facts.tokenizer_dir == str(cached_model)
    assert weights_now(reference(facts)) == facts.weights_hash


def test_custom_model_on_a_hub_model_is_found_when_it_is_a_base(tmp_path: Path, cached_model: Path):
    adapter = save_model(tmp_path / "adapter")

    def custom(name: str, version: int) -> ModelRef | None:
        return ModelRef(name=f"{name}@{version}", location="org/tiny", revision=COMMIT, adapter_dir=str(adapter))

    facts = model_facts(BaseModelSpec(base="bank@1"), tmp_path, custom)
    assert (facts.kind, facts.name, facts.location) == ("custom", "bank@1", "org/tiny")
    assert facts.tokenizer_dir == str(adapter)
    assert weights_now(reference(facts)) == facts.weights_hash


def test_hub_model_keeps_its_hash_when_it_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = tmp_path / "elsewhere" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps(CONFIG))
    fetched: list[str] = []

    def page(*_: object, **__: object) -> SimpleNamespace:
        files = [SimpleNamespace(rfilename=name, size=120) for name in ("model.safetensors", "tokenizer.json")]
        return SimpleNamespace(sha=COMMIT, card_data=None, siblings=files, safetensors=None)

    def fetch(_name: str, file_name: str, **_: object) -> str:
        fetched.append(file_name)
        return str(config)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", page)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    facts = model_facts(BaseModelSpec(base="org/tiny", revision="main"), tmp_path, none)
    assert (facts.weights_hash, facts.revision, facts.is_downloaded) == (f"revision:{COMMIT}", COMMIT, False)
    assert (facts.size_bytes, facts.num_parameters) == (120, 60)
    assert fetched == ["config.json", "tokenizer.json"]
    assert facts.tokenizer_dir == str(config.parent)


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors", "tokenizer.json"])
def test_incomplete_folder_is_refused_by_what_is_missing(tmp_path: Path, gone: str):
    (save_model(tmp_path / "base") / gone).unlink()
    with pytest.raises(UsageError, match=r"tokenizer|safetensors|config\.json"):
        model_facts(BaseModelSpec(base="base"), tmp_path, none)


def test_torn_weights_are_refused(tmp_path: Path):
    folder = save_model(tmp_path / "base")
    (folder / "model.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(UsageError, match="not a complete safetensors"):
        model_facts(BaseModelSpec(base="base"), tmp_path, none)
