"""`evaluate_texts`: what a notebook asks for."""

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation import evaluate_texts, score
from wav2vec2_conformer.evaluation.word_alignment import Edit

REFERENCES = ["The boat came home.", "Good day", ""]
HYPOTHESES = ["the boat come home", "good", "hm"]


def test_rates_are_those_of_the_normalized_corpus():
    evaluation = evaluate_texts(REFERENCES, HYPOTHESES)
    expected = score(["the boat came home", "good day", ""], HYPOTHESES)
    assert (evaluation.wer, evaluation.cer) == (expected.wer, expected.cer) == (0.5, 7 / 26)
    assert evaluation.wer_interval.low < 0.5 < evaluation.wer_interval.high
    assert (evaluation.resampled, evaluation.num_resampled) == ("utterance", 3)


def test_utterances_keep_texts_and_show_errors():
    first, second, third = evaluate_texts(REFERENCES, HYPOTHESES, names=["x", "y", "z"]).utterances
    assert (first.name, first.reference, first.hypothesis) == ("x", REFERENCES[0], HYPOTHESES[0])
    assert first.edits == (Edit("the boat", "the boat"), Edit("came", "come"), Edit("home", "home"))
    assert second.edits == (Edit("good", "good"), Edit("day", None))
    assert third.words.rate == 1.0


def test_the_worst_come_first_and_the_faultless_not_at_all():
    evaluation = evaluate_texts(
        ["a b c d e f", "a b", "a", "a b c"], ["a b c d x y", "x y", "a", "x y z"]
    )
    assert [u.name for u in evaluation.worst(10)] == ["4", "2", "1"]
    assert [u.name for u in evaluation.worst(1)] == ["4"]


def test_speakers_and_labels_are_slices():
    evaluation = evaluate_texts(
        ["a", "b", "c"],
        ["a", "x", "c"],
        groups=["s1", "s2", "s1"],
        durations_s=[1.0, 3.0, 1.5],
        labels={"room": ["hall", "hall", None], "empty": [None, None, None]},
    )
    assert {key: [s.label for s in parts] for key, parts in evaluation.slices.items()} == {
        "duration": ["0-2 s", "2-5 s"],
        "speaker": ["s2", "s1"],
        "room": ["hall", "(none)"],
    }
    assert evaluation.utterances[0].labels == {"room": "hall", "empty": None}


def test_ten_speakers_are_what_intervals_draw():
    speakers = [str(i % 10) for i in range(30)]
    evaluation = evaluate_texts(["a b"] * 30, ["a x"] * 30, groups=speakers)
    assert (evaluation.resampled, evaluation.num_resampled) == ("speaker", 10)


@pytest.mark.parametrize(
    ("references", "unit"),
    [
        (["今天天气很好"], "character"),
        (["สวัสดีครับ"], "character"),
        (["ご飯を食べる"], "character"),
        (["안녕하세요 여러분"], "word"),
        (["السلام عليكم"], "word"),
        (["hello 世界 again"], "word"),
        ([""], "word"),
    ],
)
def test_scripts_without_spaces_are_counted_in_characters(references, unit):
    assert evaluate_texts(references, references).unit == unit


def test_the_unit_can_be_chosen():
    evaluation = evaluate_texts(["ab cd"], ["ab ce"], unit="character")
    assert evaluation.utterances[0].edits == (Edit("ab c", "ab c"), Edit("d", "e"))


def test_a_function_can_be_the_normalizer():
    def first_word(text: str) -> str:
        return text.split(maxsplit=1)[0]

    evaluation = evaluate_texts(["a b"], ["a c"], normalizer=first_word)
    assert (evaluation.wer, evaluation.normalizer) == (0.0, "first_word")


def test_the_vocabulary_is_what_the_vocabulary_normalizer_spells_with():
    evaluation = evaluate_texts(["Ab!"], ["AB"], normalizer="vocabulary", vocabulary={"A", "B"})
    assert evaluation.wer == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hypotheses": []}, "2 references but 0 hypotheses"),
        ({"groups": ["a"]}, "groups must have a value for each"),
        ({"durations_s": [1.0]}, "durations_s must have"),
        ({"names": ["a"]}, "names must have"),
        ({"labels": {"room": ["a"]}}, r"labels\['room'\] must have"),
        ({"normalizer": "klingon"}, "no normalizer named 'klingon'"),
        ({"normalizer": "vocabulary"}, "needs the vocabulary of a model"),
    ],
)
def test_what_cannot_be_scored_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        evaluate_texts(**{"references": ["a", "b"], "hypotheses": ["a", "b"], **arguments})
