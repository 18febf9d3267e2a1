from tools.data.quality import percentile, quality_report_text


def test_percentile_is_the_nearest_rank():
    assert [percentile(list(range(1, 101)), share) for share in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert percentile([7], 0.95) == 7
    assert percentile([], 0.5) == 0


def test_report_fits_eighty_columns_and_says_not_found(prepare_pairs):
    pairs = [(f"question {number} " * 8, f"label {number % 4}") for number in range(60)]
    text = quality_report_text(prepare_pairs(pairs, [("r", "label 1")], context_length=60, rights=None).quality)
    assert max(map(len, text.splitlines())) <= 80
    assert "4; 15 to 15 rows each, 1 : 1" in text
    assert "not found by" in text
    assert "rights are not stated" in text


def test_report_lists_refused_rows_when_there_are_some(prepare_pairs):
    pairs = [("p", "a"), *((f"{number} " * 200, "b") for number in range(15))]
    quality = prepare_pairs(pairs, [("r", "c")], context_length=64).quality
    text = quality_report_text(quality)
    assert "refused: train.jsonl:2: the prompt has" in text
    assert "and 5 more refused rows in quality.json" in text
    assert "88 % of the rows are longer than the 64 tokens" in " ".join(text.split())
