"""Error rates are jiwer's whatever the texts, and alignments spell what they align."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2vec2_conformer.evaluation import evaluate_texts, score
from wav2vec2_conformer.text.normalizers import build_normalizer

words = st.lists(st.sampled_from(["a", "b", "ab", "é", "世"]), max_size=7).map(" ".join)
corpora = st.lists(st.tuples(words, words), min_size=1, max_size=6)


@given(corpora)
def test_rates_and_counts_are_those_of_jiwer(pairs):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    theirs = jiwer.process_words(references, hypotheses)
    ours = score(references, hypotheses)
    assert ours.wer == theirs.wer
    assert ours.cer == jiwer.cer(references, hypotheses)
    evaluation = evaluate_texts(references, hypotheses, normalizer="none", unit="word")
    assert (evaluation.wer, evaluation.cer) == (ours.wer, ours.cer)
    assert (
        evaluation.words.substitutions,
        evaluation.words.deletions,
        evaluation.words.insertions,
    ) == (theirs.substitutions, theirs.deletions, theirs.insertions)
    for utterance in evaluation.utterances:
        assert utterance.words.rate == jiwer.wer(utterance.reference, utterance.hypothesis)


@given(corpora, st.sampled_from(["word", "character"]))
def test_alignments_spell_both_texts(pairs, unit):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    evaluation = evaluate_texts(references, hypotheses, normalizer="none", unit=unit)
    joiner = " " if unit == "word" else ""
    for utterance in evaluation.utterances:
        for side in ("reference", "hypothesis"):
            pieces = [getattr(edit, side) for edit in utterance.edits]
            spelled = joiner.join(piece for piece in pieces if piece is not None)
            assert spelled == getattr(utterance, side)
        num_wrong = sum(not edit.is_equal for edit in utterance.edits)
        assert num_wrong == utterance.counts(unit).num_errors


@pytest.mark.parametrize("name", ["none", "librispeech", "unicode", "arabic"])
@given(text=st.text(max_size=20))
def test_normalizing_twice_changes_nothing(name, text):
    normalize = build_normalizer(name)
    once = normalize(text)
    assert normalize(once) == once
    assert once == " ".join(once.split())
