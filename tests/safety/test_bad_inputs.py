import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specs.data import Columns, DataSource, DataSpec, HeldOut, TestFile
from tools.data.ingest import read_source
from tools.data.inspect import inspect_file
from tools.data.prepare import prepare
from tools.data.tokens import token_counter
from tools.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
PAIR = Columns(prompt="prompt", completion="completion")
GOOD = b'{"prompt": "p", "completion": "c"}\n'
MAX_RSS_BYTES = 300 * 2**20


def refused(path, columns=PAIR):
    with pytest.raises(DataError) as caught:
        read_source(path, columns, f"data/{path.name}")
    assert caught.value.message.startswith(f"data/{path.name}: ")
    assert caught.value.hint
    return str(caught.value)


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def prepared(root, train, test, *, context_length=None):
    put(root, "train.jsonl", train)
    source = DataSource(path="train.jsonl", rights="own")
    if isinstance(test, bytes):
        put(root, "test.jsonl", test)
        test = TestFile(path="test.jsonl")
    return prepare(
        DataSpec(sources=(source,), test=test),
        name="bad",
        root=root,
        datasets_dir=root / "datasets",
        system_prompt=None,
        counter=token_counter(None),
        context_length=context_length,
    )


def lines(*rows):
    return b"".join(json.dumps({"prompt": p, "completion": c}).encode() + b"\n" for p, c in rows)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet"])
def test_file_is_refused_when_it_is_empty(tmp_path, name):
    assert "the file is empty" in refused(put(tmp_path, name, b""))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"prompt,completion\n", "no rows after the header"),
        ("a.csv", b"\n\n", "no header line"),
        ("a.jsonl", b"\n \n", "no rows"),
        ("a.json", b"[]", "no rows"),
        ("a.json", b"  ", "white space alone"),
        ("a.json", b"{}", "does not hold an array"),
        ("a.json", GOOD + GOOD, ".jsonl"),
        ("a.json", b'[{"prompt": "p"', "not valid JSON"),
        ("a.json", b'[{"prompt": "p", "completion": "c"}] x', "after the end of the array"),
        ("a.json", b'[{"prompt": "p", "completion": "c"},]', "a comma stands before the end"),
        ("a.json", b'[{"prompt": "p", "completion": "c"} {}]', "not followed by a comma"),
        ("a.json", b"[" * 100_000, "nested too deep"),
        ("a.jsonl", b"[" + GOOD.strip() + b"]", "JSON array"),
        ("a.jsonl", b"\xff\xfe{\x00", "iconv -f UTF-16 -t UTF-8"),
        ("a.csv", b"prompt,prompt\na,b\n", "stands twice"),
        ("a.csv", b"prompt,,completion\na,b,c\n", "column 2 of the header has no name"),
        ("a.csv", b"prompt,completion\ra,b\rc,d\r", "carriage returns alone"),
        ("a.csv", b'"prompt,completion\na,b\n', "the header cannot be read"),
        ("a.jsonl.gz", b"\x1f\x8b\x08", "not read"),
        ("a.jsonl", b"\x1f\x8b\x08\x00", "gunzip -k"),
        ("a.csv", b"PK\x03\x04....", "Excel"),
        ("a.xlsx", b"PK\x03\x04....", "save the sheet as CSV"),
        ("a.txt", b"hello", "'.txt' is not known"),
        ("a", b"hello", "no ending"),
        ("a.parquet", b"PAR1nonsensePAR1", "not readable as Parquet"),
        ("a.csv", b"PAR1nonsensePAR1", "Parquet under another name"),
    ],
)
def test_file_is_refused_by_a_sentence_when_it_is_broken_as_a_whole(tmp_path, name, content, words):
    assert words in refused(put(tmp_path, name, content))


def test_one_row_is_refused_when_test_rows_must_be_held_out_of_it(tmp_path):
    with pytest.raises(DataError, match="only one distinct prompt"):
        prepared(tmp_path, lines(("p", "c")), HeldOut(fraction=0.5))


def test_one_row_is_trained_with_a_warning_when_the_test_has_its_own_file(tmp_path):
    found = prepared(tmp_path, lines(("p", "c")), lines(("q", "c")))
    assert len(found.rows["train"]) == 1
    assert any("Only 1 training row;" in warning for warning in found.quality.warnings)


# the peak of this program alone; getrusage counts that of the process it was forked from, too
PRINT_PEAK = """
import pathlib, resource
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.json"])
def test_reading_stays_small_when_a_line_has_a_gigabyte(tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as stream:
        stream.truncate(2**30)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tools.data.ingest import read_source\n"
        "from tools.errors import DataError\n"
        "try:\n"
        "    read_source(Path(sys.argv[1]), None, 'data/big')\n"
        "except DataError as error:\n"
        "    print(error)\n" + PRINT_PEAK
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    message, peak_bytes = done.stdout.splitlines()
    assert "longer than 8 MiB" in message or "a JSON array may have" in message
    assert int(peak_bytes) <= MAX_RSS_BYTES


def test_parquet_is_refused_in_little_memory_when_it_unfolds_to_gigabytes(tmp_path):
    path = tmp_path / "bomb.parquet"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tools.data.ingest import read_source\n"
        "from tools.errors import DataError\n"
        "path = Path(sys.argv[1])\n"
        "import pyarrow as pa, pyarrow.parquet as pq\n"
        "column = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), pa.array(['a' * 500_000]))\n"
        "pq.write_table(pa.table({'prompt': column, 'completion': column}), path, compression='zstd')\n"
        "try:\n"
        "    read_source(path, None, 'data/bomb.parquet')\n"
        "except DataError as error:\n"
        "    print(error)\n" + PRINT_PEAK
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    message, peak_bytes = done.stdout.splitlines()
    assert path.stat().st_size < 300_000
    assert "unfold to far more text" in message
    assert int(peak_bytes) <= MAX_RSS_BYTES


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_byte_order_mark_is_left_out_with_a_notice_when_it_starts_the_file(tmp_path, name):
    content = {
        "a.jsonl": GOOD,
        "a.csv": b"prompt,completion\np,c\n",
        "a.json": b"[" + GOOD + b"]",
    }[name]
    found = read_source(put(tmp_path, name, b"\xef\xbb\xbf" + content), PAIR, "data/a")
    assert [row.completion for row in found.rows] == ["c"]
    assert "byte order mark" in found.notices[0]


def test_second_byte_order_mark_is_refused_when_one_was_left_out(tmp_path):
    assert "1 of 1 rows cannot be used" in refused(put(tmp_path, "a.jsonl", b"\xef\xbb\xbf" * 2 + GOOD))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_latin_1_is_refused_with_line_byte_and_command_when_a_line_is_not_utf_8(tmp_path, name):
    good = GOOD if name == "a.jsonl" else b"prompt,completion\n"
    bad = b'{"prompt": "caf\xe9", "completion": "c"}\n' if name == "a.jsonl" else b"caf\xe9,c\n"
    message = refused(put(tmp_path, name, good + bad))
    assert f"line 2, byte {bad.index(0xE9) + 1} is 0xe9" in message
    assert f"iconv -f WINDOWS-1252 -t UTF-8 data/{name} > data/a.utf8.{name[2:]}" in message


def test_latin_1_is_refused_with_its_line_when_it_stands_in_an_array(tmp_path):
    content = b'[\n{"prompt": "p", "completion": "c"},\n{"prompt": "caf\xe9", "completion": "c"}]'
    assert "line 3, byte 16 is 0xe9" in refused(put(tmp_path, "a.json", content))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"prompt": "a\\u0000b", "completion": "c"}', "NUL"),
        (b'{"prompt": "a\0b", "completion": "c"}', "not valid JSON"),
        (b'{"prompt": "a", "prompt": "b", "completion": "c"}', "the key 'prompt' stands twice"),
        (b'{"prompt": "a", "completion": "c", "x": {"y": 1, "y": 1}}', "the key 'y' stands twice"),
        (b'{"prompt": "a", "completion": "c", "x": NaN}', "not valid JSON"),
        (b'{"prompt": "a", "completion": "c", "x": 1e999}', "not valid JSON"),
        (b'{"prompt": "a", "completion": "c", "x": 18446744073709551616}', "does not fit in 64 bits"),
        (b'{"prompt": "a", "completion": "c", "x": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"prompt": "a", "completion": "c", "x": -9223372036854775809}', "does not fit in 64 bits"),
        (b'{"prompt": "\\ud800", "completion": "c"}', "not valid JSON"),
        (b'{"prompt": "a", "completion": "c", "x": ' + b"[" * 70 + b"]" * 70 + b"}", "deeper than 64"),
        (b'{"prompt": "a", "completion": "c", "x": ' + b"[" * 9000 + b"]" * 9000 + b"}", "not valid JSON"),
        (b'{"prompt": "a", "completion": "c"} {}', "not valid JSON"),
        (b'{"prompt": "a", "completion": "c"', "not valid JSON"),
        (b'["a", "c"]', "must be a JSON object, this is a list"),
        (b'"a"', "this is a text"),
        (b'{"prompt": " \\n", "completion": "c"}', "the prompt is empty"),
        (b'{"prompt": "a", "completion": "\\t"}', "the completion is empty"),
        (b'{"prompt": "a", "completion": null}', "column 'completion' is empty"),
        (b'{"prompt": "a"}', "there is no column 'completion'"),
        (b'{"prompt": "a", "completion": 0.5}', "must be text, this is a number"),
        (b'{"prompt": "a", "completion": true}', "must be text, this is true or false"),
        (b'{"prompt": "a", "completion": {"a": 1}}', "must be text, this is an object"),
    ],
)
def test_row_is_refused_by_line_and_reason_when_it_is_bad(tmp_path, row, reason):
    found = read_source(put(tmp_path, "a.jsonl", GOOD + row + b"\n" + GOOD), None, "data/a.jsonl")
    assert [kept.line for kept in found.rows] == [1, 3]
    (bad,) = found.refused
    assert bad.line == 2
    assert reason in bad.reason


def test_csv_row_is_refused_by_its_first_line_when_quotes_fields_or_characters_are_broken(tmp_path):
    content = (
        b"prompt,completion\n"
        b'"two\nlines",kept\n'  # 2-3
        b"one field\n"  # 4
        b"a,b,c\n"  # 5
        b'"closed" early,c\n'  # 6
        b"nul \0,c\n"  # 7
        b"last,kept\n"  # 8
        b'"never closed,c\n'  # 9
        b"swallowed,c\n"  # 10
    )
    content = content.replace(b"last,kept\n", b"last,kept\n" * 30)
    found = read_source(put(tmp_path, "a.csv", content), None, "data/a.csv")
    assert [row.line for row in found.rows] == [2, *range(8, 38)]
    assert [(row.line, row.reason[:26]) for row in found.refused] == [
        (4, "1 field where the header h"),
        (5, "3 fields where the header "),
        (6, "the row has text after a c"),
        (7, "a NUL character"),
        (38, "the row on lines 38 to 39 "),
        (39, "the row on lines 38 to 39 "),
    ]


def test_csv_file_is_refused_when_a_quote_swallows_much_of_it(tmp_path):
    content = b"prompt,completion\na,b\n" + b'"open,c\n' + b"swallowed,c\n" * 50
    assert "51 of 52 rows cannot be used; the first is line 3" in refused(put(tmp_path, "a.csv", content))


def test_csv_row_is_refused_when_a_field_is_longer_than_the_cap(tmp_path):
    content = b"prompt,completion\n" + b"a" * 200_000 + b",c\nb,c\n"
    found = read_source(put(tmp_path, "a.csv", content), None, "data/a.csv")
    assert [row.line for row in found.rows] == [3]
    assert "longer than 131,072 characters" in found.refused[0].reason


def test_missing_column_is_refused_with_the_nearest_name(tmp_path):
    path = put(tmp_path, "a.csv", b"text,category\na,b\n")
    message = refused(path, Columns(prompt="txt", completion="category"))
    assert "there is no column 'txt'; the columns are text, category" in message
    assert "Did you mean 'text'?" in message


def test_missing_file_is_refused_with_the_nearest_name(tmp_path):
    put(tmp_path, "train.csv", b"a")
    message = refused(tmp_path / "trian.csv")
    assert "there is no such file" in message
    assert "Did you mean data/train.csv?" in message


def test_folder_device_and_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "a device or pipe" in refused(tmp_path / "pipe.jsonl")
    assert "a folder" in refused(tmp_path)
    assert "a device or pipe" in refused(Path("/dev/zero"))


def test_file_is_refused_when_it_may_not_be_read(tmp_path, monkeypatch):
    path = put(tmp_path, "a.jsonl", GOOD)

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    assert "may not be read by this user. Allow it: chmod u+r data/a.jsonl" in refused(path)


def test_file_is_refused_when_more_than_a_fifth_of_its_rows_is(tmp_path):
    path = put(tmp_path, "a.jsonl", GOOD * 20 + b"{}\n" * 6)
    assert "6 of 26 rows cannot be used; the first is line 21" in refused(path)
    assert len(read_source(put(tmp_path, "b.jsonl", GOOD * 20 + b"{}\n" * 5), PAIR, "b").refused) == 5


def test_data_is_refused_when_most_labels_stand_only_in_the_test(tmp_path):
    train = lines(*((f"p{n}", f"label {n % 2}") for n in range(20)))
    test = lines(*((f"q{n}", f"other {n % 2}") for n in range(20)))
    with pytest.raises(DataError, match="2 of the 2 labels of the test never stand in the training rows"):
        prepared(tmp_path, train, test)


def test_label_is_named_in_a_warning_when_it_stands_only_in_the_test(tmp_path):
    train = lines(*((f"p{n}", f"label {n % 4}") for n in range(40)))
    test = lines(*((f"q{n}", f"label {n % 5}") for n in range(40)))
    found = prepared(tmp_path, train, test)
    assert "1 label stands only in the test set, so the model cannot learn it: label 4." in found.quality.warnings


def test_row_is_refused_by_line_when_its_prompt_is_longer_than_the_context(tmp_path):
    train = lines(("p", "c"), ("long " * 100, "c"), ("q", "long " * 100))
    found = prepared(tmp_path, train, lines(("r", "c")), context_length=64)
    assert len(found.rows["train"]) == 1
    assert [(row.line, row.reason.split(" have")[0].split(" has")[0]) for row in found.quality.refused] == [
        (2, "the prompt"),
        (3, "prompt and answer"),
    ]


def test_data_is_refused_when_no_row_fits_the_context(tmp_path):
    with pytest.raises(DataError, match="all rows are longer than the 8 tokens"):
        prepared(tmp_path, lines(("long " * 100, "c")), lines(("r", "c")), context_length=8)


def test_messages_show_hostile_text_escaped(tmp_path):
    evil = "\x1b[31m\u202eevil"
    path = put(tmp_path, "a.jsonl", json.dumps({evil: "a", "completion": "b"}).encode() + b"\n")
    assert "\x1b" not in refused(path)
    assert "\u202e" not in refused(path)
    profile = inspect_file(put(tmp_path, "b.jsonl", lines((evil, evil))), tmp_path)
    assert "\x1b" not in "".join(sample for column in profile.columns for sample in column.samples)


# text near the grammar of each format finds more than bytes alone
FRAGMENTS = st.sampled_from(
    [
        *(b"prompt", b"completion", b"messages", b"role", b"user", b"assistant", b"content", GOOD),
        *(b'"', b",", b"\n", b"\r", b"{", b"}", b"[", b"]", b":", b" ", b";", b"\0", b"\\u", b"d800"),
        *(b"\xef\xbb\xbf", b"\xff", b"1e999", b"NaN", b"null"),
    ]
)
CONTENT = st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=60).map(b"".join))


@settings(max_examples=250, deadline=None)
@given(content=CONTENT, kind=st.sampled_from(["jsonl", "json", "csv", "tsv"]), headed=st.booleans())
def test_any_bytes_give_rows_and_refusals_or_a_data_error(tmp_path_factory, content, kind, headed):
    head = {"csv": b"prompt,completion\n", "tsv": b"prompt\tcompletion\n", "json": b"[", "jsonl": GOOD}[kind]
    path = tmp_path_factory.getbasetemp() / f"fuzz.{kind}"
    path.write_bytes(head + content if headed else content)
    for columns in (None, PAIR, Columns(messages="messages")):
        try:
            found = read_source(path, columns, "data/fuzz")
        except DataError as error:
            assert error.message.startswith("data/fuzz: ")
            assert error.hint
        else:
            assert found.rows
            assert all(row.reason for row in found.refused)
            last_line = path.read_bytes().count(b"\n") + 1
            assert all(1 <= row.line <= last_line for row in [*found.rows, *found.refused])
    try:
        assert inspect_file(path, path.parent).num_rows > 0
    except DataError as error:
        assert error.hint
