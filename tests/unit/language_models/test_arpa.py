import gzip
import math
from pathlib import Path

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.arpa import read_arpa, read_arpa_words

ARPA = "made by hand\n" + (Path(__file__).parent / "small.arpa").read_text(encoding="utf-8")


def write(tmp_path: Path, text: str, name: str = "model.arpa") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def log10_scores(path: Path, sentence: str) -> list[float]:
    """The log10 score of each word, and of the end."""
    model = read_arpa(path)
    state = model.start()
    scores = []
    for word in sentence.split():
        log_prob, state = model.score(state, word)
        scores.append(log_prob / math.log(10))
    return [*scores, model.score_end(state) / math.log(10)]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        # <s> ab | <s> ab ba | ab ba </s>
        ("ab ba", [-0.4, -0.2, -0.15]),
        # back off from <s>; back off from bac, which has no weight
        ("bac ab", [-0.3 - 1.1, -0.7, -0.25 - 0.8]),
        # ab ba bac is no trigram: back off from "ab ba" to "ba bac"
        ("ab ba bac", [-0.4, -0.2, -0.2 - 0.6, -0.8]),
        # unknown: through "<s> ab", then "ab", to the unigram; nothing is left of the context
        ("ab zz ba", [-0.4, -0.1 - 0.25 - 1.2, -0.9, -0.3]),
        # "ab ab ab": weight of "ab ab", then the bigram again
        ("ab ab ab", [-0.4, -0.1 - 0.9, -0.05 - 0.9, -0.05 - 0.25 - 0.8]),
        ("", [-0.3 - 0.8]),
    ],
)
def test_scores_are_those_of_the_definition(
    tmp_path: Path, sentence: str, expected: list[float]
) -> None:
    assert log10_scores(write(tmp_path, ARPA), sentence) == pytest.approx(expected, abs=1e-6)


def test_order_and_words_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, ARPA)
    model = read_arpa(path)
    assert model.order == 3
    assert model.num_ngrams == 13
    assert read_arpa_words(path) == ["<unk>", "<s>", "</s>", "ab", "ba", "bac"]


def test_gzip_is_recognized_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_bytes(gzip.compress(ARPA.encode()))
    assert log10_scores(path, "ab ba") == pytest.approx([-0.4, -0.2, -0.15], abs=1e-6)


def test_spaces_windows_line_ends_and_missing_empty_lines_are_accepted(tmp_path: Path) -> None:
    text = ARPA.replace("\t", " ").replace("\n\n", "\n").replace("\n", "\r\n")
    assert log10_scores(write(tmp_path, text), "ab zz") == pytest.approx([-0.4, -1.55, -0.8])


def test_a_model_without_unknown_words_makes_them_all_but_impossible(tmp_path: Path) -> None:
    text = ARPA.replace("-1.2\t<unk>\n", "").replace("1=6", "1=5")
    assert log10_scores(write(tmp_path, text), "zz") == pytest.approx([-100.3, -0.8], abs=1e-4)


def test_a_model_without_a_start_begins_without_context(tmp_path: Path) -> None:
    text = ARPA.replace("-99\t<s>\t-0.3\n", "").replace("-0.4\t<s> ab\t-0.1\n", "")
    text = text.replace("-0.2\t<s> ab ba\n", "")
    text = text.replace("1=6", "1=5").replace("2=5", "2=4").replace("3=2", "3=1")
    assert log10_scores(write(tmp_path, text), "ab") == pytest.approx([-0.7, -0.25 - 0.8])


def test_an_ngram_may_lack_its_last_words(tmp_path: Path) -> None:
    # entropy pruning takes "ab ba" and leaves "<s> ab ba"
    text = ARPA.replace("-0.5\tab ba\t-0.2\n", "").replace("-0.15\tab ba </s>\n", "")
    text = text.replace("2=5", "2=4").replace("3=2", "3=1")
    assert log10_scores(write(tmp_path, text), "ab ba bac") == pytest.approx(
        [-0.4, -0.2, -0.6, -0.8]
    )


def test_a_weight_of_an_ngram_that_none_follows_counts(tmp_path: Path) -> None:
    text = ARPA.replace("-0.6\tba bac\n", "-0.6\tba bac\t-0.7\n")
    assert log10_scores(write(tmp_path, text), "ba bac") == pytest.approx(
        [-0.3 - 0.9, -0.6, -0.7 - 0.8]
    )


def test_words_of_other_scripts_and_no_break_spaces_stay_whole(tmp_path: Path) -> None:
    word = "\u0633\u0644\u0627\u0645\u00a0\u1f600"
    path = write(tmp_path, ARPA.replace("bac", word))
    assert word in read_arpa(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", r"ends too early"),
        ("ngram 2=5", "ngram 3=5", r"line 4: expected .*ngram 2=COUNT"),
        ("ngram 1=6\n", "", r"line 3: expected .*ngram 1=COUNT"),
        ("-0.7\tab\t-0.25", "x\tab\t-0.25", r"line 11: expected one of the 6 1-grams"),
        ("-0.7\tab\t-0.25", "-0.7\tab\t-0.25\t1", r"line 11: .*got '-0.7"),
        ("-0.7\tab\t-0.25", "0.7\tab\t-0.25", r"line 11: .*not above 0, got 0.7"),
        ("-0.7\tab\t-0.25", "nan\tab\t-0.25", r"line 11: .*finite.*got nan"),
        ("-0.7\tab\t-0.25", "-0.7\tab\tinf", r"line 11: a back-off weight must be finite"),
        ("-0.9\tba\t", "-0.9\tab\t", r"line 12: this word is there twice"),
        ("-0.6\tba bac", "-0.6\tba xyz", r"line 18: the word 'xyz' is no unigram"),
        ("-0.6\tba bac", "-0.6\tba </s>", r"line 19: it is there twice"),
        ("-0.15\tab ba </s>", "-0.15\tba ab </s>", r"line 24: its first words are no n-gram"),
        ("ngram 2=5", "ngram 2=6", r"line 21: expected one of the 6 2-grams.*got ''"),
        ("ngram 2=5", "ngram 2=4", r"line 20: expected .*3-grams: .*got '-0.9"),
        ("\\end\\\n", "", r"line 26: the file ends too early"),
        ("\\end\\", "\\4-grams:", r"line 26: expected .*end"),
        ("ngram 1=6", "ngram 1=0", r"counts no words"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in ARPA
    with pytest.raises(InputError, match=message):
        read_arpa(write(tmp_path, ARPA.replace(old, new, 1)))


def test_a_word_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_bytes(ARPA.replace("bac", "b\xe9c").encode("latin-1"))
    with pytest.raises(InputError, match=r"line 13: .*not UTF-8"):
        read_arpa(path)


def test_a_gzip_file_that_was_cut_off_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode())[:-30])
    with pytest.raises(InputError, match="damaged"):
        read_arpa(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_arpa(tmp_path / "none.arpa")


def test_a_file_that_is_no_model_ends_the_reading_early(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is this an ARPA file"):
        read_arpa(write(tmp_path, "text\n" * 1_000_000))
    with pytest.raises(InputError, match="longer than"):
        read_arpa(write(tmp_path, "text " * 1_000_000))
