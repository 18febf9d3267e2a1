from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer.export import hash_weights, publish


def tensors() -> dict[str, torch.Tensor]:
    return {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.bfloat16), "c": torch.zeros(0)}


def save(folder: Path, *parts: dict[str, torch.Tensor]) -> str:
    folder.mkdir()
    for number, part in enumerate(parts):
        save_file(part, folder / f"model-{number}.safetensors")
    return hash_weights(folder)


def test_hash_is_the_same_when_weights_are_spread_over_files(tmp_path: Path) -> None:
    whole = tensors()
    one = save(tmp_path / "one", whole)
    two = save(tmp_path / "two", {"c": whole["c"], "a": whole["a"]}, {"b": whole["b"]})
    assert one == two
    assert one.startswith("sha256:")


@pytest.mark.parametrize("change", ["value", "name", "dtype", "shape"])
def test_hash_differs_when_anything_of_a_tensor_does(tmp_path: Path, change: str) -> None:
    other = tensors()
    match change:
        case "value":
            other["b"][1, 2] += 1e-6
        case "name":
            other["d"] = other.pop("b")
        case "dtype":
            other["a"] = other["a"].view(torch.float16)
        case _:
            other["b"] = other["b"].reshape(3, 2)
    assert save(tmp_path / "one", tensors()) != save(tmp_path / "two", other)


def test_earlier_folder_is_kept_when_writing_the_new_one_fails(tmp_path: Path) -> None:
    target = tmp_path / "model"
    publish(target, lambda folder: (folder / "weights").write_text("old"))  # type: ignore[arg-type, return-value]

    def fail(folder: Path) -> None:
        (folder / "weights").write_text("new")
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        publish(target, fail)
    assert (target / "weights").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    publish(target, lambda folder: (folder / "other").write_text("new"))  # type: ignore[arg-type, return-value]
    assert [path.name for path in target.iterdir()] == ["other"]
