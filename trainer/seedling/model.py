# pyright: basic
"""Seedling's network: a small Llama with a good start."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.seedling.tokenizer import CONTEXT, END_ID, PAD_ID

HIDDEN, LAYERS, HEADS, INNER = 128, 3, 2, 320


def new_model(vocabulary: int, seed: int) -> LlamaForCausalLM:
    """Fresh weights, the same for the same seed.

    The start is normal with deviation hidden**-0.5, and what the layers add to the residual stream is shrunk by
    sqrt(2 * layers); with 0.02 throughout, a model this small learns far more slowly.
    """
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=HIDDEN**-0.5,
        pad_token_id=PAD_ID,
        eos_token_id=END_ID,
        bos_token_id=None,
        use_cache=True,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_((2 * LAYERS) ** -0.5)
    return model
