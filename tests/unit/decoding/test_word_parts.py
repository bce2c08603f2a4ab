"""The beginnings of words that searches share."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wav2vec2_conformer.decoding.word_parts import EMPTY, ENDLESS, WordParts

TOKENS = ["_", "A", "B", "CD"]
KNOWN = ("AB", "ACD")


def worth(text: str) -> float | None:
    return 0.0 if any(word.startswith(text) for word in KNOWN) else None


def make_parts() -> WordParts:
    return WordParts(
        TOKENS, blank_id=0, worth=worth, most=0.0, unknown_score=-6.0, most_as_word=1.0
    )


def follow(parts: WordParts, *tokens: int) -> int:
    part = EMPTY
    for token in tokens:
        part = parts.extend_one(part, token)
    return part


def test_parts_keep_their_numbers_and_worths() -> None:
    parts = make_parts()
    numbers = parts.extend(np.array([0, 0, 0]), np.array([1, 2, 1]))
    assert numbers[0] == numbers[2] != numbers[1]
    assert [parts.texts[number] for number in numbers] == ["A", "B", "A"]
    assert parts.worths[numbers].tolist() == [0.0, -6.0, 0.0]
    assert follow(parts, 1) == numbers[0]
    assert parts.find(np.array([0]), np.array([1])).tolist() == [numbers[0]]
    assert parts.find(np.array([0]), np.array([3])).tolist() == [-1]


def test_unknown_parts_cost_more_when_they_are_long() -> None:
    parts = make_parts()
    lengths = {number: follow(parts, *[2] * number) for number in (1, 6, 9, 12)}
    worths = [parts.worths[part] for part in lengths.values()]
    assert worths == pytest.approx([-6.0, -6.0, -9.0, -12.0])
    assert parts.bounds[lengths[12]] == pytest.approx(-13.0)
    assert parts.bounds[follow(parts, 1, 2)] == 0.0


def test_endless_words_end_in_one_part() -> None:
    parts = make_parts()
    assert follow(parts, *[1] * 101) == ENDLESS
    assert follow(parts, *[3] * 51) == ENDLESS
    assert parts.extend_one(ENDLESS, 2) == ENDLESS
    assert len(parts.texts[follow(parts, *[1] * 100)]) == 100


def test_copies_spell_the_same() -> None:
    old, new = make_parts(), make_parts()
    follow(new, 2, 2)
    numbers = [follow(old, 1, 3), ENDLESS, EMPTY, follow(old, 2)]
    copied = new.copy_from(old, np.array(numbers))
    assert [new.texts[each] for each in copied] == [old.texts[each] for each in numbers]


def test_threads_agree_on_the_numbers() -> None:
    parts = make_parts()
    paths = np.random.default_rng(0).integers(1, 4, size=(200, 12))

    def number_all(_: int) -> list[int]:
        return [follow(parts, *path) for path in paths]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(number_all, range(4))
    assert all(each == first for each in others)
    assert [parts.texts[number] for number in first] == [
        "".join(TOKENS[token] for token in path) for path in paths
    ]
    assert len(set(parts.texts)) == len(parts.texts)
