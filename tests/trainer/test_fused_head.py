import importlib
from types import ModuleType

import pytest
import torch

from trainer import fused_head

OUTPUTS = ("log_probs", "entropy", "is_top1", "mean_logits", "log_sum_sq_probs")


@pytest.fixture
def trl_module() -> object:
    """TRL's module, put back as it was."""
    module = importlib.import_module("trl.trainer.utils")
    kept = module._ChunkedLogProbFunction, module._use_triton
    yield module
    module._ChunkedLogProbFunction, module._use_triton = kept


def measure(module: ModuleType, *, bf16: bool) -> dict[str, torch.Tensor]:
    """Return the outputs of a model with TRL's fused head, and the gradients its loss gives."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2
    )
    model = LlamaForCausalLM(config)
    module.add_fused_lm_head(model, outputs=OUTPUTS)
    ids = torch.randint(0, 97, (3, 20))
    labels = ids.masked_fill(torch.rand(3, 20) < 0.6, -100)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        outputs = model(input_ids=ids, labels=labels, fused_lm_head=True)
    outputs.loss.backward()
    told = {name: getattr(outputs, name).detach().float() for name in OUTPUTS}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {"loss": outputs.loss.detach(), **told, **gradients}  # type: ignore[dict-item]


@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-5), (True, 2e-2)])
def test_losses_and_gradients_are_those_of_the_stock_path(trl_module: ModuleType, bf16: bool, tolerance: float) -> None:
    stock = measure(trl_module, bf16=bf16)
    assert fused_head.mend("1.16.0", "cpu")
    mended = measure(trl_module, bf16=bf16)
    assert trl_module._ChunkedLogProbFunction is fused_head.LabelLogProbs
    for name, value in stock.items():
        if name != "is_top1" or not bf16:  # a tie of two bf16 logits may fall either way
            torch.testing.assert_close(mended[name], value, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize(("version", "device"), [("1.17.0", "cpu"), ("1.16.0", "cuda"), ("1.1.6", "cpu")])
def test_trl_is_left_alone_when_version_or_device_is_another(trl_module: ModuleType, version: str, device: str) -> None:
    before = trl_module._ChunkedLogProbFunction, trl_module._use_triton
    assert not fused_head.mend(version, device)
    assert (trl_module._ChunkedLogProbFunction, trl_module._use_triton) == before
