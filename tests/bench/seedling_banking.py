"""Measures what Seedling learns of an intent data set by full fine-tuning in a plain loop on one thread.

Usage: OMP_NUM_THREADS=1 python tests/bench/seedling_banking.py TRAIN_CSV TEST_CSV [--base DIR] [--epochs N] [--rate R]
The files have a text column first and the label last. One line of JSON is printed. Not part of the test suite.
"""

import argparse
import csv
import json
import math
import random
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

DEFAULT_BASE = Path(__file__).parents[2] / "trainer" / "seedling" / "weights"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--base", default=str(DEFAULT_BASE))
    for name, value in {"epochs": 10.0, "rate": 3e-3, "dropout": 0.1, "warmup": 0.05, "decay": 0.05}.items():
        parser.add_argument(f"--{name}", type=float, default=value)
    for name, value in {"batch": 64, "seed": 0, "rows": 0, "threads": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--untrained", action="store_true", help="fresh weights in the same shape, for comparison")
    return parser.parse_args()


def rows_of(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row[0], row[-1]) for row in list(csv.reader(stream))[1:]]


def encode(tokenizer, rows):
    pairs = []
    for text, label in rows:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
        )
        prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        answer_ids = tokenizer(label, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        pairs.append((prompt_ids, answer_ids))
    return pairs


def batches(pairs, size, rng):
    order = list(range(len(pairs)))
    rng.shuffle(order)
    chunks = []
    for start in range(0, len(order), size * 20):
        pool = sorted(order[start : start + size * 20], key=lambda index: sum(map(len, pairs[index])))
        chunks += [pool[at : at + size] for at in range(0, len(pool), size)]
    rng.shuffle(chunks)
    return [[pairs[index] for index in chunk] for chunk in chunks]


def loss_of(model, batch, pad):
    width = max(len(prompt) + len(answer) for prompt, answer in batch)
    ids = torch.full((len(batch), width), pad)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    trained = torch.zeros((len(batch), width), dtype=torch.bool)
    for row, (prompt, answer) in enumerate(batch):
        length = len(prompt) + len(answer)
        ids[row, :length] = torch.tensor(prompt + answer)
        mask[row, :length] = 1
        trained[row, len(prompt) : length] = True
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden[trained[:, 1:]])
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][trained[:, 1:]])


def train(model, pairs, wanted, pad):
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = wanted.dropout
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=wanted.rate, betas=(0.9, 0.98), weight_decay=wanted.decay, fused=True
    )
    rng = random.Random(wanted.seed)
    total = math.ceil(math.ceil(len(pairs) / wanted.batch) * wanted.epochs)
    warmup = max(1, round(total * wanted.warmup))
    model.train()
    step = 0
    while step < total:
        for batch in batches(pairs, wanted.batch, rng)[: total - step]:
            used = max(0.0, (step - warmup) / max(1, total - warmup))
            for group in optimizer.param_groups:
                group["lr"] = wanted.rate * min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * used))
            loss_of(model, batch, pad).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    return total


@torch.no_grad()
def exact_match(model, tokenizer, rows) -> float:
    model.eval()
    right = 0
    pairs = sorted(zip(encode(tokenizer, rows), (label for _, label in rows), strict=True), key=lambda p: len(p[0][0]))
    for start in range(0, len(pairs), 256):
        chunk = pairs[start : start + 256]
        padded = tokenizer.pad({"input_ids": [pair[0] for pair, _ in chunk]}, padding_side="left", return_tensors="pt")
        with torch.autocast("cpu", torch.bfloat16):
            out = model.generate(**padded, max_new_tokens=24, do_sample=False)
        answers = tokenizer.batch_decode(out[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
        right += sum(answer == label for answer, (_, label) in zip(answers, chunk, strict=True))
    return right / len(rows)


def main() -> None:
    wanted = options()
    torch.set_num_threads(wanted.threads)
    torch.manual_seed(wanted.seed)
    tokenizer = AutoTokenizer.from_pretrained(wanted.base)
    model = AutoModelForCausalLM.from_pretrained(wanted.base, dtype=torch.float32, attn_implementation="eager")
    if wanted.untrained:
        from trainer.seedling.model import new_model

        model = new_model(len(tokenizer), wanted.seed)
    train_rows, test_rows = rows_of(wanted.train), rows_of(wanted.test)
    if wanted.rows:
        train_rows = random.Random(wanted.seed).sample(train_rows, wanted.rows)
    pairs = encode(tokenizer, train_rows)
    base = exact_match(model, tokenizer, test_rows)
    cpu, wall = time.process_time(), time.monotonic()
    steps = train(model, pairs, wanted, tokenizer.pad_token_id)
    result = {
        "base": round(base, 4),
        "train_cpu_s": round(time.process_time() - cpu, 1),
        "train_wall_s": round(time.monotonic() - wall, 1),
        "exact_match": round(exact_match(model, tokenizer, test_rows), 4),
        "steps": steps,
        "label_tokens": round(sum(len(answer) for _, answer in pairs) / len(pairs), 2),
        "row_tokens": round(sum(len(prompt) + len(answer) for prompt, answer in pairs) / len(pairs), 2),
        **{key: getattr(wanted, key) for key in ("epochs", "rate", "batch", "dropout", "rows", "threads", "seed")},
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
