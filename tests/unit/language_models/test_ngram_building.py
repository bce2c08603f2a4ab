import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.perplexity import predict_text
from wav2vec2_conformer.language_models.arpa import read_arpa, read_arpa_words
from wav2vec2_conformer.language_models.kneser_ney import estimate_discounts
from wav2vec2_conformer.language_models.ngram import NgramModel
from wav2vec2_conformer.language_models.ngram_building import build_language_model
from wav2vec2_conformer.language_models.ngram_corpus import number_text
from wav2vec2_conformer.language_models.ngram_counting import count_ngrams


def made_up_text(num_sentences: int, seed: int = 0) -> list[str]:
    """Sentences in which some words are frequent and follow each other."""
    rng = np.random.default_rng(seed)
    sentences = []
    for _ in range(num_sentences):
        words = [int(rng.zipf(1.6)) % 300]
        for _ in range(rng.integers(1, 12)):
            follows = (words[-1] * 7 + 3) % 300
            words.append(follows if rng.random() < 0.5 else int(rng.zipf(1.6)) % 300)
        sentences.append(" ".join(f"w{word}" for word in words))
    return sentences


def sums_over_words(path: Path, contexts: list[str]) -> list[float]:
    """The sum of the probabilities of all words and the end, after each context."""
    model = read_arpa(path)
    words = [word for word in read_arpa_words(path) if word != "<s>"]
    return [
        sum(np.exp(model.score(state, word)[0]) for word in words)
        for state in (after(model, context) for context in contexts)
    ]


def after(model: NgramModel, context: str) -> int:
    state = model.start()
    for word in context.split():
        _, state = model.score(state, word)
    return state


@pytest.mark.parametrize(
    "options",
    [
        {"order": 1},
        {"order": 2},
        {"order": 4},
        {"order": 3, "prune_counts": [0, 0, 1]},
        {"order": 3, "prune_counts": [0, 1]},
        {"order": 4, "prune_threshold": 1e-5},
        {"order": 3, "max_bytes": 20_000},
        {"order": 3, "vocabulary_size": 40},
    ],
    ids=str,
)
def test_probabilities_sum_to_one_in_every_context(tmp_path: Path, options: dict) -> None:
    path = tmp_path / "model.arpa"
    text = made_up_text(300)
    build_language_model(text, path, **options)
    contexts = ["", "w1", "w3 w24", "nowhere", "w1 nowhere", *text[:20]]
    sums = sums_over_words(path, contexts)
    assert sums == pytest.approx([1.0] * len(sums), abs=1e-4)


def test_a_word_in_every_place_has_its_share(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    build_language_model(["a a a a"] * 5 + ["b"], path, order=2)
    model = read_arpa(path)
    assert model.score(model.start(), "a")[0] > model.score(model.start(), "b")[0]


def test_sorting_in_pieces_gives_the_same_counts(tmp_path: Path) -> None:
    results = []
    for name, memory_bytes in (("pieces", 1), ("whole", 10**9)):
        folder = tmp_path / name
        folder.mkdir()
        corpus = number_text(made_up_text(1500), folder / "corpus")
        count_ngrams(corpus, 4, folder, memory_bytes=memory_bytes)
        results.append([(folder / f"counts.{n}").read_bytes() for n in range(1, 5)])
        assert not list(folder.glob("run.*"))
    assert results[0] == results[1]
    assert len(results[0][3]) > 5 * 1024 * 20  # several pieces of 1,024 rows


def test_the_same_text_makes_the_same_bytes(tmp_path: Path) -> None:
    text = made_up_text(100)
    first, second = tmp_path / "a.arpa.gz", tmp_path / "b.arpa.gz"
    build_language_model(text, first)
    build_language_model(reversed(text), second)
    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes()).startswith(b"\\data\\\n")


def test_the_size_is_kept_and_used(tmp_path: Path) -> None:
    text = made_up_text(2000)
    sizes = []
    for name, limit in (("a.arpa", 60_000), ("a.arpa.gz", 30_000)):
        built = build_language_model(text, tmp_path / name, max_bytes=limit)
        assert built.num_bytes == (tmp_path / name).stat().st_size
        assert built.threshold > 0
        sizes.append(built.num_bytes / limit)
    assert all(0.9 < size <= 1 for size in sizes), sizes


def test_a_limit_that_is_not_reached_changes_nothing(tmp_path: Path) -> None:
    text = made_up_text(100)
    built = build_language_model(text, tmp_path / "a.arpa", max_bytes=10**9)
    build_language_model(text, tmp_path / "b.arpa")
    assert built.threshold == 0
    assert (tmp_path / "a.arpa").read_text() == (tmp_path / "b.arpa").read_text()


def test_what_entropy_pruning_leaves_out_matters_less_than_what_counts_do(tmp_path: Path) -> None:
    text = made_up_text(3000)
    held_out = made_up_text(500, seed=1)
    by_count = build_language_model(text, tmp_path / "count.arpa", prune_counts=[0, 1, 2])
    by_entropy = build_language_model(text, tmp_path / "entropy.arpa", max_bytes=by_count.num_bytes)
    assert by_entropy.num_bytes <= by_count.num_bytes
    count, entropy = (
        predict_text(read_arpa(tmp_path / name), held_out).perplexity
        for name in ("count.arpa", "entropy.arpa")
    )
    assert entropy < count


def test_a_limited_vocabulary_keeps_the_frequent_words(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    text = ["c c c b b a", "c d"]
    built = build_language_model(text, path, order=2, vocabulary_size=2)
    assert read_arpa_words(path) == ["<unk>", "<s>", "</s>", "c", "b"]
    assert (built.num_tokens, built.num_unknown, built.num_sentences) == (8, 2, 2)
    model = read_arpa(path)
    # "<unk>" has been seen after b, so it is likelier there than after a start.
    assert model.score(after(model, "b"), "zz")[0] > model.score(model.start(), "zz")[0]


def test_markers_in_the_text_are_no_words(tmp_path: Path) -> None:
    build_language_model(["<s> a b </s>", "", "  ", "a <unk>"], tmp_path / "a.arpa", order=2)
    build_language_model(["a b", "a <unk>"], tmp_path / "b.arpa", order=2)
    assert (tmp_path / "a.arpa").read_text() == (tmp_path / "b.arpa").read_text()


def test_only_the_model_is_left_in_the_folder(tmp_path: Path) -> None:
    build_language_model(["a b"], tmp_path / "model.arpa", prune_threshold=1e-9)
    assert [path.name for path in tmp_path.iterdir()] == ["model.arpa"]


def test_a_failure_leaves_the_old_model_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text("old")

    def broken_text() -> itertools.chain[str]:
        def fail() -> str:
            raise InputError("the text ends here")

        return itertools.chain(["a b"], (fail() for _ in range(1)))

    with pytest.raises(InputError, match="the text ends here"):
        build_language_model(broken_text(), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.arpa"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "order must be from 1 to 12, but is 0"),
        ({"order": 13}, "order must be from 1 to 12, but is 13"),
        ({"prune_counts": [1]}, "the first 0"),
        ({"prune_counts": [0, 2, 1]}, "such as 0 0 1, but is 0 2 1"),
        ({"prune_counts": []}, "but is empty"),
        ({"prune_counts": [0, 0, 0, 1]}, "at most 3 numbers"),
        ({"prune_threshold": -1.0}, "prune_threshold must be"),
        ({"vocabulary_size": 0}, "vocabulary_size must be at least 1"),
        ({"memory_mb": 1}, "memory_mb must be at least 16"),
        ({"max_bytes": 10}, "words alone take"),
    ],
)
def test_wrong_arguments_are_told(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_language_model(["a b c", "b c a"], tmp_path / "model.arpa", **options)


def test_a_text_without_words_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the text has no words"):
        build_language_model(["", " "], tmp_path / "model.arpa")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        build_language_model(["a"], tmp_path / "none" / "model.arpa")


def test_discounts_are_those_of_the_paper() -> None:
    discounts = estimate_discounts([100, 40, 20, 10])
    y = 100 / 180
    assert discounts.values == pytest.approx((0, 1 - 2 * y * 0.4, 2 - 3 * y * 0.5, 3 - 4 * y * 0.5))
    assert not discounts.is_fallback


@pytest.mark.parametrize("counts", [[0, 1, 1, 1], [5, 0, 1, 1], [5, 3, 0, 1], [1, 1, 50, 1]])
def test_discounts_that_cannot_be_estimated_are_fixed(counts: list[int]) -> None:
    discounts = estimate_discounts(counts)
    assert discounts.values == (0.0, 0.5, 1.0, 1.5)
    assert discounts.is_fallback
