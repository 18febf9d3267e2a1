from agent.conversation_log import ConversationLog, read_conversation
from agent.conversations import conversation_path
from agent.events import Notice, RunProgress, Shown, Text, TextDelta, TurnFinished
from specs.events import StepDone
from specs.layout import ProjectLayout
from tools.events import StepFinished, StepProgress, StepStarted


def said(number: int) -> Text:
    return Text(role="user", text=f"message {number}", id=f"m{number}", time=float(number))


def test_conversation_is_read_back_in_order_when_it_was_kept(tmp_path):
    path = conversation_path(ProjectLayout(tmp_path), "main")
    log = ConversationLog(path)
    for number in range(30):
        log.keep(said(number))
    kept = read_conversation(path)
    assert kept.events == tuple(said(number) for number in range(30))
    assert kept.is_whole
    assert kept.num_skipped == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_conversation_gives_its_end_when_it_is_longer_than_wanted(tmp_path):
    path = tmp_path / "main.jsonl"
    log = ConversationLog(path)
    for number in range(3000):
        log.keep(Text(role="assistant", text=f"{number} " + "x" * 400, id=str(number)))
    kept = read_conversation(path, 10)
    assert [event.id for event in kept.events] == [str(number) for number in range(2990, 3000)]
    assert not kept.is_whole


def test_conversation_skips_a_half_written_line_when_the_writer_was_killed(tmp_path):
    path = tmp_path / "main.jsonl"
    ConversationLog(path).keep(said(1))
    with path.open("ab") as stream:
        stream.write(b'{"type": "text", "role": "us')
    ConversationLog(path).keep(said(2))
    kept = read_conversation(path)
    assert kept.events == (said(1), said(2))
    assert kept.num_skipped == 1


def test_conversation_skips_lines_when_they_are_garbage(tmp_path):
    path = tmp_path / "main.jsonl"
    path.write_bytes(b"\x00\xff\n{}\n" + b"y" * 3_000_000 + b"\n")
    ConversationLog(path).keep(said(1))
    kept = read_conversation(path)
    assert kept.events == (said(1),)
    assert kept.num_skipped >= 2


def test_conversation_is_empty_when_there_is_no_record(tmp_path):
    assert read_conversation(tmp_path / "none.jsonl").events == ()


def test_conversation_leaves_out_what_lies_elsewhere_when_it_keeps_events(tmp_path):
    path = tmp_path / "main.jsonl"
    log = ConversationLog(path)
    done = StepDone(time=1.0, step=1, total_steps=2, epoch=0.5, loss=1.0, learning_rate=0.1, elapsed_s=1.0)
    for event in (
        TextDelta(text="a"),
        TurnFinished(waiting="user"),
        RunProgress(event=StepProgress(step="train", run="r1", event=done)),
        said(1).model_copy(update={"again": True}),
    ):
        log.keep(event)
    assert not path.exists()
    started = RunProgress(event=StepStarted(step="train", run="r1", resumed=False))
    finished = StepFinished(step="train", state="succeeded", run="r1", seconds=1.0, result={"secret": "rows"})
    log.keep(started)
    log.keep(RunProgress(event=finished))
    log.keep(Shown(what="results", text="88 %", data={"rows": [1, 2]}))
    log.keep(Notice(message="said"))
    kept = read_conversation(path).events
    assert kept[0] == started
    assert kept[1].event.result is None
    assert kept[2].data == {}
    assert kept[3].message == "said"


def test_conversation_keeps_no_secret_when_one_was_said_or_shown(tmp_path):
    path = tmp_path / "main.jsonl"
    key, token = "AKIA" + "ABCDEFGHIJKLMNOP", "hf_" + "a" * 24
    log = ConversationLog(path)
    log.keep(Text(role="user", text=f'use {key}, "please" \\ and x-amz-security-token=abc\\', id="m1"))
    log.keep(Shown(what="answers", text=f"the row says {token}\nand more", data={}))
    kept = read_conversation(path)
    assert [event.text for event in kept.events] == [
        'use [secret removed], "please" \\ and x-amz-security-token=[secret removed]',
        "the row says [secret removed]\nand more",
    ]
    assert key.encode() not in path.read_bytes() and token.encode() not in path.read_bytes()
