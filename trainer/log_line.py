"""What an event looks like in trainer.log, for a person who follows the log. The events themselves are the record."""

import time

from specs.events import (
    CheckpointSaved,
    Evaluated,
    EventBase,
    Finished,
    Progress,
    Serving,
    Started,
    StepDone,
    Warned,
)


def log_line(event: EventBase) -> str:
    """Return one line: local time, what happened, figures."""
    clock = time.strftime("%H:%M:%S", time.localtime(event.time))
    return f"{clock} {_words(event)}".replace("\r", " ").replace("\n", " ")


def _words(event: EventBase) -> str:
    match event:
        case Started():
            begun = f", from step {event.resumed_from}" if event.resumed_from else ""
            return f"started {event.task} on {event.device} ({event.dtype}, threads: {event.threads}){begun}"
        case StepDone():
            speed = f", {event.tokens_per_s:,.0f} tokens/s" if event.tokens_per_s else ""
            return f"step {event.step} of {event.total_steps}: loss {event.loss:.4f}{speed}"
        case Progress():
            return f"{event.done} of {event.total} rows"
        case Evaluated():
            return f"validation at step {event.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in event.metrics.items())
        case CheckpointSaved():
            return f"checkpoint of step {event.step} saved"
        case Serving():
            return f"serving {', '.join(event.models)} at {event.url}"
        case Warned() | Finished():
            return f"{event.message} {event.hint}".rstrip()
        case _:
            return type(event).__name__
