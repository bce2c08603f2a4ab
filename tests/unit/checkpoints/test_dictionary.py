"""Dictionaries: their lines, the two names that change places, and which one makes sense."""

from pathlib import Path

import pytest

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path, bundled_clips
from wav2vec2_conformer.checkpoints.dictionary import (
    find_dictionary,
    known_vocabularies,
    read_dictionary,
    to_symbols,
    to_vocabulary,
)
from wav2vec2_conformer.checkpoints.dictionary_trial import choose_dictionary, try_dictionaries
from wav2vec2_conformer.checkpoints.plausibility import english_letter_pairs, letter_pairs_of
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY

from .fairseq_layout import dictionary_text, pre_trained, save


def test_the_released_order_is_known() -> None:
    known = known_vocabularies()
    assert LIBRISPEECH_VOCABULARY in known.values()
    assert all(len(v) == 32 and sorted(v) == sorted(LIBRISPEECH_VOCABULARY) for v in known.values())


def test_blank_and_padding_change_names_and_nothing_else() -> None:
    symbols = ["<s>", "<pad>", "</s>", "<unk>", "|", "A"]
    vocabulary = to_vocabulary(symbols)
    assert vocabulary == {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 5}
    assert to_symbols(vocabulary) == symbols


def test_lines_as_they_occur(tmp_path: Path) -> None:
    path = tmp_path / "dict.ltr.txt"
    path.write_text("| 94802\nE 51860 \nb c 3\nш 1\n", encoding="utf-8")
    assert list(read_dictionary(path)) == ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "b c", "ш"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("| 3\nE\n", r"line 2: expected a symbol and a count.*got 'E'"),
        ("| 3\nE x\n", "line 2: expected"),
        ("| 3\nE 1\nE 2\n", "line 3: 'E' stands there twice"),
        ("| 3\n<s> 2\n", "line 2: '<s>' stands there twice"),
    ],
)
def test_faults_are_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dict.ltr.txt").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_dictionary(tmp_path / "dict.ltr.txt")


def test_a_vocabulary_of_transformers_is_taken_too(tmp_path: Path) -> None:
    path = tmp_path / "vocab.json"
    path.write_text('{"<pad>": 0, "<unk>": 1, "|": 2}')
    assert read_dictionary(path) == {"<pad>": 0, "<unk>": 1, "|": 2}
    path.write_text("[]")
    with pytest.raises(CheckpointError, match=r"vocab\.json: expected a JSON object"):
        read_dictionary(path)
    with pytest.raises(CheckpointError, match=r"none\.txt: cannot be read"):
        read_dictionary(tmp_path / "none.txt")


def test_the_name_follows_the_kind_of_transcript(tmp_path: Path) -> None:
    assert find_dictionary(tmp_path, "ltr") is None
    (tmp_path / "dict.ltr.txt").touch()
    (tmp_path / "dict.ltr_100.txt").touch()
    assert find_dictionary(tmp_path, "ltr_100") == tmp_path / "dict.ltr_100.txt"
    assert find_dictionary(tmp_path, "../../etc") == tmp_path / "dict.ltr.txt"
    assert find_dictionary(tmp_path, None) == tmp_path / "dict.ltr.txt"


def test_a_model_without_a_head_takes_none(tmp_path: Path) -> None:
    path = save(pre_trained(), tmp_path / "a.pt")
    (tmp_path / "dict.ltr.txt").write_text(dictionary_text())
    assert read_checkpoint(path).vocabulary is None
    with pytest.raises(CheckpointError, match="is not fine-tuned with CTC"):
        read_checkpoint(path, dictionary=tmp_path / "dict.ltr.txt")


def test_english_is_more_plausible_than_exchanged_letters() -> None:
    language = english_letter_pairs()
    text = "HE HOPED THERE WOULD BE STEW FOR DINNER TURNIPS AND CARROTS"
    first, second = ("".join(v)[17:] for v in known_vocabularies().values())
    exchanged = text.translate(str.maketrans(first, second))
    assert language.score(text) > language.score(exchanged) + 0.3
    assert language.score("") == float("-inf")
    other = letter_pairs_of(["kaksi kolme viisi", "yksi kaksi"])
    assert other.score("kaksi") > other.score("stew")


def test_the_bundled_model_tells_its_own_dictionary() -> None:
    checkpoint = read_checkpoint(bundled_checkpoint_path())
    clip = next(path for path in bundled_clips() if "synthetic_letter" in path.name)
    trials = try_dictionaries(checkpoint, known_vocabularies(), clip, english_letter_pairs())
    assert choose_dictionary(trials).vocabulary == checkpoint.vocabulary
    with pytest.raises(CheckpointError, match="about equally much sense"):
        choose_dictionary([trials[0], trials[1]._replace(score=trials[0].score - 0.01)])
    twice = [trials[0]._replace(name="the same"), *trials]
    assert choose_dictionary(twice).name == "the same"
    with pytest.raises(CheckpointError, match=r"32 outputs, which fits no dictionary \(a: 5\)"):
        try_dictionaries(checkpoint, {"a": dict.fromkeys("abcde", 0)}, clip, english_letter_pairs())
