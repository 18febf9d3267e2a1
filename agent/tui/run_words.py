"""A run in words: the lines of the run pane and of the list of runs. Plain text from view models."""

import time
from dataclasses import dataclass

from agent.tui.viewmodels.run import STATE_WORDS, GpuView, JobRow, RunState, RunView
from tools.wording import duration, size

Part = tuple[str, str]
"""Text and style, as `Content.assemble` takes them."""

STATE_STYLES: dict[RunState, str] = {
    "waiting": "$foreground-muted",
    "running": "$primary",
    "succeeded": "$success",
    "failed": "$error",
    "stopped": "$warning",
    "lost": "$warning",
}
_GAP = "   "


@dataclass(frozen=True)
class _Piece:
    """A part of a line that may be left out."""

    rank: int
    """What is left out first has the highest."""
    text: str
    style: str = ""


def head(view: RunView, width: int) -> list[Part]:
    """Return the first line of the pane; where it does not fit, the less important parts are left out."""
    glyph, word = STATE_WORDS[view.state]
    pieces = [_Piece(0, f"Run {view.run_id}", "bold"), _Piece(6, view.step_title)]
    pieces.append(_Piece(1, _progress(view)))
    if view.task == "train":
        pieces += [_Piece(4, _pace(view)), _Piece(2, _eta(view))]
    pieces.append(_Piece(3, _spent(view)))
    pieces += [_Piece(5, f"{view.launches} starts")] if view.launches > 1 else []
    pieces.append(_Piece(0, f"{glyph} {word}", STATE_STYLES[view.state]))
    return _fitted(pieces, " · ", width)


def figures(view: RunView, width: int, *, ascii_only: bool = False) -> list[Part]:
    """Return the figures of a training, the curves' with the marks they are drawn with."""
    pieces: list[_Piece] = []
    train, evals = ("...", "o") if ascii_only else ("⠤⠤", "•")
    if view.loss is not None:
        pieces.append(_Piece(0, f"{train} train {number(view.loss)}", "$primary"))
    if view.evals.points:
        pieces.append(_Piece(0, f"{evals} eval {number(view.evals.points[-1][1])}{_trend(view)}", "$warning"))
    pieces += [_Piece(5, f"{name} {number(value)}") for name, value in view.metrics]
    if view.learning_rate is not None:
        pieces.append(_Piece(1, f"lr {view.learning_rate:.1e}".replace("e-0", "e-")))
    if view.tokens_per_s:
        pieces.append(_Piece(2, f"tok/s {_thousands(view.tokens_per_s)}"))
    if view.grad_norm is not None:
        pieces.append(_Piece(3, f"grad {number(view.grad_norm)}"))
    if view.epoch is not None:
        pieces.append(_Piece(4, f"epoch {view.epoch:.1f}"))
    return _fitted(pieces, _GAP, width)


def machine(view: RunView, width: int, *, ascii_only: bool = False) -> list[Part]:
    """Return what the job uses."""
    use = view.machine
    pieces: list[_Piece] = []
    if use.gpu is not None:
        pieces += _gpu(use.gpu, ascii_only)
    elif use.cpu_percent is not None:
        pieces.append(_Piece(0, f"CPU {use.cpu_percent:.0f} %  {bar(use.cpu_percent / 100, 20, ascii_only)}"))
    if use.memory_bytes is not None:
        peak = f" (peak {size(use.peak_bytes)})" if use.peak_bytes else ""
        pieces.append(_Piece(1, f"mem {size(use.memory_bytes)}{peak}"))
    elif use.peak_bytes:
        pieces.append(_Piece(1, f"peak memory {size(use.peak_bytes)}"))
    if view.device:
        pieces.append(_Piece(2, view.device, "$foreground-muted"))
    return _fitted(pieces, _GAP, width)


def best(view: RunView, width: int) -> list[Part]:
    """Return the best validation, the last checkpoint, and what the record lacks."""
    pieces: list[_Piece] = []
    if view.best is not None:
        pieces.append(_Piece(0, f"best eval {number(view.best[1])} at step {view.best[0]}"))
    if view.checkpoint:
        pieces.append(_Piece(1, f"saved step-{view.checkpoint}"))
    elif view.task == "train" and view.state == "running":
        pieces.append(_Piece(1, "no checkpoint yet", "$foreground-muted"))
    if view.resumed_from:
        pieces.append(_Piece(3, f"taken up at step {view.resumed_from}", "$foreground-muted"))
    if view.num_skipped:
        lines = "1 line" if view.num_skipped == 1 else f"{view.num_skipped} lines"
        pieces.append(_Piece(2, f"{lines} of the record could not be read", "$warning"))
    return _fitted(pieces, " · ", width)


def ending(view: RunView) -> list[Part]:
    """Return how the run ended, or its latest warning; the hint on a line of its own."""
    if not view.message:
        return []
    glyph, style = ("!", "$warning") if not view.is_over else (STATE_WORDS[view.state][0], STATE_STYLES[view.state])
    parts = [(f"{glyph} {view.message}", style)]
    if view.hint:
        parts.append((f"\n  {view.hint}", "$foreground-muted"))
    return parts


def rows_done(view: RunView, width: int, *, ascii_only: bool = False) -> list[Part]:
    """Return the progress of a job that answers rows: a bar, counts, pace."""
    part = view.progress
    if part is None:
        return [("Loading the model." if view.state == "running" else "No row was answered.", "$foreground-muted")]
    counts = f" {part:.0%}  {view.done:,} of {view.total:,} rows"
    drawn = bar(part, max(10, min(60, width - len(counts) - 2)), ascii_only)
    pace = _fitted([_Piece(0, _pace(view)), _Piece(1, _eta(view))], " · ", width)
    return [(drawn, "$primary"), (counts, ""), *([("\n", ""), *pace] if pace else [])]


def serving(view: RunView, now: float) -> list[Part]:
    """Return where a server answers and how to ask it."""
    if not view.url:
        return [("Loading the models." if view.state == "running" else "The server does not run.", "$foreground-muted")]
    parts: list[Part] = [("address  ", "$foreground-muted"), (view.url, "bold $primary"), ("\n", "")]
    parts += [("models   ", "$foreground-muted"), (", ".join(view.models), ""), ("\n", "")]
    if view.expires_at is not None:
        left = duration(max(0.0, view.expires_at - now))
        clock = time.strftime("%H:%M", time.localtime(view.expires_at))
        parts += [("until    ", "$foreground-muted"), (f"{clock}, then it stops by itself (in {left})\n", "")]
    return [*parts, ("ask      ", "$foreground-muted"), ('6 Play, or `tailor play "your prompt"`', "")]


def sample(view: RunView, width: int) -> list[Part]:
    """Return the latest answer of the model in training: prompt, answer, what was wanted."""
    if not view.samples:
        return []
    latest = view.samples[-1]
    room = max(10, width - 9)
    wanted = latest.expected
    parts: list[Part] = [("prompt  ", "$foreground-muted"), (_cut(latest.prompt, room), "")]
    same = wanted is not None and wanted.strip() == latest.completion.strip()
    parts += [("\nanswer  ", "$foreground-muted"), (_cut(latest.completion, room), "$success" if same else "")]
    if wanted is not None:
        told = f"= the answer, at step {latest.step}" if same else _cut(wanted, room)
        parts += [("\nwanted  ", "$foreground-muted"), (told, "$foreground-muted" if same else "")]
    return parts


def job_cells(row: JobRow) -> tuple[str, str, str, str, str, str]:
    """Return the cells of a run in the list: run, step, state, progress, time, note."""
    glyph, word = STATE_WORDS[row.state]
    progress = f"{row.done:,}/{row.total:,}" if row.total else ""
    return row.run_id, row.step, f"{glyph} {word}", progress, duration(row.seconds) if row.seconds else "", row.note


def bar(part: float, width: int, ascii_only: bool = False) -> str:
    """Return a bar of `width` cells."""
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    filled = round(max(0.0, min(1.0, part)) * width)
    return full * filled + empty * (width - filled)


def number(value: float) -> str:
    """Return a figure with about three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == 0 or abs(value) >= 0.1:
        return f"{value:.2f}"
    return f"{value:.3g}"


def _progress(view: RunView) -> str:
    if not view.total:
        return ""
    word = "step" if view.task == "train" else "row"
    return f"{word} {view.done}/{view.total}"


def _pace(view: RunView) -> str:
    if view.task == "generate":
        return f"{number(view.rows_per_s)} rows/s" if view.rows_per_s else ""
    pace = view.s_per_step
    if pace is None or view.task != "train":
        return ""
    return f"{pace:.1f} s/step" if pace >= 0.1 else f"{1 / pace:,.0f} steps/s" if pace > 0 else ""


def _eta(view: RunView) -> str:
    if view.eta_s is None or view.state != "running":
        return ""
    # a guess in seconds would only look exact
    return f"ETA {duration(view.eta_s if view.eta_s < 100 else 60 * round(view.eta_s / 60))}"


def _spent(view: RunView) -> str:
    if not view.seconds:
        return ""
    if view.limit_s is None or view.limit_s < 360:
        return duration(view.seconds)
    limit = f"{view.limit_s / 3600:.3g} h"
    return f"{duration(view.seconds) if view.seconds < 360 else f'{view.seconds / 3600:.2f}'} of {limit}"


def _trend(view: RunView) -> str:
    points = view.evals.points
    if len(points) < 2 or points[-1][1] == points[-2][1]:
        return ""
    return " ▼" if points[-1][1] < points[-2][1] else " ▲"


def _thousands(value: float) -> str:
    return f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}"


def _gpu(gpu: GpuView, ascii_only: bool) -> list[_Piece]:
    used, total = gpu.used_bytes / (1 << 30), gpu.total_bytes / (1 << 30)
    pieces = [_Piece(0, f"GPU {gpu.percent:.0f} %  {bar(gpu.percent / 100, 20, ascii_only)}")]
    pieces.append(_Piece(0, f"gpu mem {used:.0f}/{total:.0f} GB"))
    return [*pieces, _Piece(4, f"{gpu.celsius:.0f} °C")] if gpu.celsius is not None else pieces


def _cut(text: str, room: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= room else flat[: room - 1] + "…"


def _fitted(pieces: list[_Piece], between: str, width: int) -> list[Part]:
    kept = [piece for piece in pieces if piece.text]
    while len(kept) > 1 and sum(len(piece.text) for piece in kept) + len(between) * (len(kept) - 1) > width:
        kept.remove(max(kept, key=lambda piece: piece.rank))
    parts: list[Part] = []
    for piece in kept:
        if parts:
            parts.append((between, "$foreground-muted" if between.strip() else ""))
        parts.append((piece.text, piece.style))
    return parts
