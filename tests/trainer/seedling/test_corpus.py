"""The text Seedling learns from: the same for the same seed, varied, and made without torch."""

import json
import subprocess
import sys
from collections import Counter
from itertools import islice

from trainer.seedling.corpus import examples, texts


def test_examples_are_the_same_when_the_seed_is_the_same() -> None:
    assert list(islice(examples(3), 500)) == list(islice(examples(3), 500))
    assert list(islice(examples(3), 50)) != list(islice(examples(4), 50))


def test_examples_hardly_repeat_when_many_are_drawn() -> None:
    counts = Counter(islice(examples(0), 10_000))
    assert counts.most_common(1)[0][1] <= 10
    assert len(counts) > 9_600


def test_examples_have_words_on_every_side_when_drawn() -> None:
    for found in islice(examples(1), 2_000):
        assert found.answer
        assert found.user is None or found.user
        assert "<|" not in f"{found.system}{found.user}{found.answer}"


def test_json_answers_parse_and_come_from_the_text_when_asked_for_json() -> None:
    asked = [found for found in islice(examples(2), 4_000) if found.system and "JSON" in found.system]
    assert asked
    for found in asked:
        fields = json.loads(found.answer)
        assert "label" in fields or all(value in str(found.user) for value in fields.values())


def test_texts_leave_out_capitals_only_when_training_the_tokenizer() -> None:
    found = list(texts(0, 2_000))
    assert not any(text.isupper() for text in found)
    assert any("_" in text and " " not in text for text in found)


def test_corpus_needs_no_third_party_package_when_imported() -> None:
    heavy = ("torch", "transformers", "tokenizers", "numpy")
    code = f"import sys, trainer.seedling.corpus; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
