"""Measures the local server under load: requests and tokens a second, latency, with and without mixed adapters.

Not part of the tests. Run: `python -m tests.bench.serve_load [--model DIR --adapter DIR] [--seconds 5] [--threads 1]`
from the repository's root; without a model a tiny random one is made.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import openai

from specs.run import JobLimits
from tests.fakes.serve_process import API_KEY, launched, write_manifest
from tests.fakes.tiny_chat_model import make_adapter, make_model, ref

CLIENTS = (1, 8, 32)


@dataclass(frozen=True)
class Load:
    """What one measurement shows."""

    clients: int
    models: Sequence[str]
    requests_per_s: float
    tokens_per_s: float
    p50_ms: float
    p95_ms: float

    def __str__(self) -> str:
        return (
            f"{self.clients:>3} clients, {len(self.models)} models: {self.requests_per_s:7.1f} requests/s, "
            f"{self.tokens_per_s:8.0f} tokens/s, p50 {self.p50_ms:7.1f} ms, p95 {self.p95_ms:7.1f} ms"
        )


def measure(url: str, models: Sequence[str], clients: int, seconds: float, max_tokens: int) -> Load:
    """Let `clients` ask without pause for `seconds`, taking turns among `models`."""
    end = time.monotonic() + seconds
    latencies: list[float] = []
    tokens: list[int] = []

    def client(number: int) -> None:
        api = openai.OpenAI(base_url=url, api_key=API_KEY, max_retries=0)
        while time.monotonic() < end:
            begun = time.monotonic()
            answer = api.chat.completions.create(
                model=models[number % len(models)],
                messages=[{"role": "user", "content": f"My card has not come yet ({number})."}],
                max_tokens=max_tokens,
                temperature=0,
            )
            latencies.append(time.monotonic() - begun)
            tokens.append(answer.usage.completion_tokens if answer.usage else 0)

    begun = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    took = time.monotonic() - begun
    ordered = sorted(latencies)
    return Load(
        clients,
        models,
        len(latencies) / took,
        sum(tokens) / took,
        1000 * statistics.median(ordered),
        1000 * ordered[int(0.95 * (len(ordered) - 1))],
    )


def main() -> None:
    """Start a server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=16)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = arguments.model or make_model(root / "base")
        adapter = arguments.adapter or (None if arguments.model else make_adapter(root / "adapter", base, seed=1))
        models = [ref("base", base), *([ref("tuned@1", base, adapter)] if adapter else [])]
        limits = JobLimits(device=arguments.device, threads=arguments.threads, max_seconds=None)
        begun = time.monotonic()
        with launched(write_manifest(root / "r1", models, max_batch=32, limits=limits)) as server:
            serving = server.serving()
            print(f"serving after {time.monotonic() - begun:.1f} s")
            for names in {(serving.models[0],), serving.models}:
                for clients in CLIENTS:
                    print(measure(serving.url, names, clients, arguments.seconds, arguments.max_tokens))
            server.stop()
            print(f"stopped with code {server.finished().exit_code}")


if __name__ == "__main__":
    main()
