"""KenLM against our own reader, on ARPA files and on binaries that `build_binary` made."""

import base64
import random
import zlib
from pathlib import Path

import pytest

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.language_models import kenlm_model
from wav2vec2_conformer.language_models.arpa import read_arpa
from wav2vec2_conformer.language_models.kenlm_model import (
    KenlmModel,
    is_kenlm_binary,
    read_binary_words,
)
from wav2vec2_conformer.language_models.language_model_file import load_language_model
from wav2vec2_conformer.language_models.ngram import NgramModel

pytest.importorskip("kenlm", reason="the extra lm")

ARPA = (Path(__file__).parent / "small.arpa").read_text(encoding="utf-8")
# What `build_binary`, `build_binary trie` and `build_binary -v trie` of KenLM make of it.
PROBING = (
    "eNrLzU0sUMjJVcgoKSmw0tfPzkhNTMtMzUnRS87P1U/OT0lVSMsvyk0sUShLLSrOzM9TMOViQIAGeyCxnxFI/AcC"
    "kAgjVIYZTB6wRxZjg9KsUJqJARWA5Bf5N3E0XthxkpWBOMCV8/1jbfGDbJBZPy4G/9vUui8JZHdBneJey7ZSsN33"
    "q1i7/2mLHmRB0ztr5sz9IE8wMBw7BGTvO3vGB+TeBmNjYyDdsC8tLc3+7JkzQPEee4g6COD4xJTRstFYGMgEyvvs"
    "27WMuU9q1b5ts2ZKgs2bfGSZueD9/ilA/fuB8nsJ+UGzzfzCnkPNCkA32IH0Nxa9/VBbXdMKsfvMXrUv7Xx/bCfm"
    "gexC1hd4ZapCSrxyEdDefTaledl2DDbFQKwPJBKTGJISgSiZAQCF6XpP"
)
TRIE = (
    "eNrLzU0sUMjJVcgoKSmw0tfPzkhNTMtMzUnRS87P1U/OT0lVSMsvyk0sUShLLSrOzM9TMOViQIAGeyCxnxFI/AcC"
    "kAgjVIYZTB6wZ4KKgTAbVI4VSjMhmQQTK6hT3GvZVsrw42Lwv02t+5K4cr5/rC1+kH2/irX7n7bowUX+TRyNF3ac"
    "hOmbNXPmfpBDECYdOwQU2wfjGRsbA+Ub4PyzZ3zA6mF2p6Wl7T975sw+Zrh8D1iehQEVsDJgB5lpad9MjY2/Kxkb"
    "b443Ng7Wv3LmzBeQZ5WAhgAFJucDBX6ABGDhBnfqpTNnPiydOfMkO7J5NqV52XYMNsV2DIlJDDb6QDopEYiSGQBK"
    "fV/F"
)
WITHOUT_WORDS = (
    "eNrLzU0sUMjJVcgoKSmw0tfPzkhNTMtMzUnRS87P1U/OT0lVSMsvyk0sUShLLSrOzM9TMOViQIAGeyCxnxFI/AcC"
    "kAgjVIYZTB6wZ4LyQeJsUDYrlGZCMgkmVlCnuNeyrZThx8Xgf5ta9yVx5Xz/WFv8IPt+FWv3P23Rg4v8mzgaL+w4"
    "CdM3a+bM/SCHIEw6dggotg/GMzY2Bso3wPlnz/iA1cPsTktL23/2zJl9zHD5HrA8CwMqYGXADjLT0r6ZGht/VzI2"
    "3hxvbBysf+XMmS8gzyoBDQEKTM4HCvwACcDCDe7US2fOfFg6c+ZJdmTzADgrWUc="
)


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "model.arpa"
    path.write_text(ARPA)
    return path


def unpack(tmp_path: Path, packed: str) -> Path:
    path = tmp_path / "model.kenlm"
    path.write_bytes(zlib.decompress(base64.b64decode(packed)))
    return path


def assert_same_scores(ours: NgramModel, theirs: KenlmModel) -> None:
    rng = random.Random(0)
    for _ in range(300):
        state, kenlm_state = ours.start(), theirs.start()
        for word in rng.choices(["ab", "ba", "bac", "zz", "<unk>"], k=rng.randint(0, 6)):
            log_prob, state = ours.score(state, word)
            kenlm_log_prob, kenlm_state = theirs.score(kenlm_state, word)
            assert log_prob == pytest.approx(kenlm_log_prob, abs=1e-4)
        expected = theirs.score_end(kenlm_state)
        assert ours.score_end(state) == pytest.approx(expected, abs=1e-4)


def test_both_readers_give_the_same_scores(arpa: Path) -> None:
    model = load_language_model(arpa)
    assert isinstance(model, KenlmModel)
    assert model.order == 3
    assert_same_scores(read_arpa(arpa), model)


@pytest.mark.parametrize("packed", [PROBING, TRIE, WITHOUT_WORDS])
def test_a_binary_gives_the_scores_of_its_arpa_file(
    arpa: Path, tmp_path: Path, packed: str
) -> None:
    binary = unpack(tmp_path, packed)
    assert is_kenlm_binary(binary)
    model = load_language_model(binary)
    assert isinstance(model, KenlmModel)
    assert_same_scores(read_arpa(arpa), model)


def test_a_model_without_unknown_words_has_the_same_scores(arpa: Path) -> None:
    arpa.write_text(ARPA.replace("-1.2\t<unk>\n", "").replace("1=6", "1=5"))
    assert_same_scores(read_arpa(arpa), KenlmModel(arpa))


def test_a_pruned_model_has_the_same_scores(arpa: Path) -> None:
    text = ARPA.replace("-0.5\tab ba\t-0.2\n", "").replace("-0.15\tab ba </s>\n", "")
    arpa.write_text(text.replace("2=5", "2=4").replace("3=2", "3=1"))
    assert_same_scores(read_arpa(arpa), KenlmModel(arpa))


@pytest.mark.parametrize("packed", [PROBING, TRIE])
def test_the_words_of_a_binary_are_read(tmp_path: Path, packed: str) -> None:
    binary = unpack(tmp_path, packed)
    assert sorted(read_binary_words(binary) or ()) == ["</s>", "<s>", "<unk>", "ab", "ba", "bac"]
    model = load_language_model(binary)
    assert model.has_prefix("ba")
    assert not model.has_prefix("bb")


def test_a_binary_without_words_takes_every_beginning_as_possible(tmp_path: Path) -> None:
    binary = unpack(tmp_path, WITHOUT_WORDS)
    assert read_binary_words(binary) is None
    model = load_language_model(binary)
    assert model.has_prefix("zz")
    assert "ab" in model
    assert "zz" not in model


def test_words_beside_a_binary_are_its_words(tmp_path: Path) -> None:
    binary = unpack(tmp_path, WITHOUT_WORDS)
    (tmp_path / "model.kenlm.words").write_text("ab\nba\nbac\n")
    model = load_language_model(binary)
    assert model.has_prefix("ba")
    assert not model.has_prefix("zz")


def test_markers_are_no_words(arpa: Path) -> None:
    for model in (load_language_model(arpa), read_arpa(arpa)):
        assert [word for word in ("<s>", "</s>", "<unk>", "ab", "zz") if word in model] == ["ab"]
        assert not model.has_prefix("<")


def test_states_are_equal_where_the_same_words_count(arpa: Path) -> None:
    model = KenlmModel(arpa)
    _, state = model.score(model.start(), "ab")
    _, same = model.score(model.start(), "ab")
    _, other = model.score(model.start(), "ba")
    assert state == same
    assert hash(state) == hash(same)
    assert state != other


def test_a_damaged_file_is_told_with_the_line(arpa: Path) -> None:
    arpa.write_text(ARPA.replace("-0.6\tba bac", "-0.6\tba xyz"))
    with pytest.raises(InputError, match="line 17: the word 'xyz' is no unigram"):
        load_language_model(arpa)


def test_a_damaged_binary_is_told(tmp_path: Path) -> None:
    binary = unpack(tmp_path, PROBING)
    content = binary.read_bytes()
    binary.write_bytes(content[:150])
    with pytest.raises(InputError, match="KenLM cannot read"):
        load_language_model(binary)


def test_longer_ngrams_than_kenlm_reads_are_read_by_our_reader(arpa: Path) -> None:
    lengths = range(1, 9)
    sections = [f"\\{n}-grams:\n-0.5\t{' '.join(['a'] * n)}\t-0.1\n" for n in lengths]
    sections[0] += "-1\t<unk>\n-99\t<s>\n-1\t</s>\n"
    counts = [f"ngram {n}={4 if n == 1 else 1}" for n in lengths]
    arpa.write_text("\n".join(["\\data\\", *counts, "", *sections, "\\end\\", ""]))
    model = load_language_model(arpa)
    assert isinstance(model, NgramModel)
    assert model.order == 8


def test_without_kenlm_arpa_files_are_read_and_binaries_refused(
    arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kenlm_model, "find_spec", lambda _name: None)
    assert isinstance(load_language_model(arpa), NgramModel)
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[lm\]"):
        load_language_model(unpack(tmp_path, TRIE))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such language model"):
        load_language_model(tmp_path / "none.arpa")
