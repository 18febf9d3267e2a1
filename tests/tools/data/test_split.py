import pytest

from tools.data.split import MAX_VALIDATION_ROWS, group_key, hold_out, normalized, watch

KEYS = [group_key([("user", f"question {number}")]) for number in range(5000)]


@pytest.mark.parametrize(
    "text", ["Where  is\nmy CARD?", "where is my card?", "Ｗhere is my\u00a0card?", "where is my ca\u200brd?"]
)
def test_prompts_are_one_group_when_they_differ_in_case_width_or_space(text):
    assert group_key([("user", text)]) == group_key([("user", "Where is my card?")])


def test_prompts_are_two_groups_when_words_or_roles_differ():
    keys = {group_key([(role, text)]) for role in ("user", "tool") for text in ("a b", "ab", "b a")}
    assert len(keys) == 6
    assert group_key([("user", "a"), ("user", "b")]) != group_key([("user", "a\x1euser\x1fb")])


def test_normalized_text_is_stable():
    for text in ("ǅ ﬁ ẞ İ", "ΑΣ", "①"):
        assert normalized(normalized(text)) == normalized(text)


def test_held_out_groups_stay_held_out_when_rows_are_added():
    few = hold_out(KEYS[:4000], 0.1)
    many = hold_out(KEYS, 0.1)
    assert few == many & set(KEYS[:4000])
    assert 0.08 < len(many) / len(KEYS) < 0.12


def test_both_sides_have_a_row_when_there_are_two_groups():
    for fraction in (0.001, 0.999):
        assert len(hold_out(KEYS[:2], fraction)) == 1


def test_validation_has_at_most_its_cap_and_is_independent_of_the_test():
    watched = watch(KEYS, 0.3)
    assert len(watched) == MAX_VALIDATION_ROWS
    assert 0 < len(watched & hold_out(KEYS, 0.5)) < MAX_VALIDATION_ROWS


def test_validation_is_empty_when_it_is_off_or_the_data_is_small():
    assert watch(KEYS, 0.0) == set()
    assert watch(KEYS[:499], 0.1) == set()
    assert watch(KEYS[:500], 0.1) != set()
