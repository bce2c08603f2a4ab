"""The beam search against pyctcdecode: the same best text with the same settings.

pyctcdecode has one fault that matters here: where a text with a space at its end is ahead of the
same text without, it ends with an empty word, which the language model scores as an unknown one.
`Corrected` does not. Its weights of unknown words are logarithms to the base of ten; that of a
word counts times alpha, that of the beginning of a word as it is.

It is installed without its requirements (`pip install --no-deps pyctcdecode pygtrie`): they
hold back numpy, with which it runs all the same.
"""

import itertools
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer import Transcriber
from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.decoding.prefix_beam import PrefixBeamSearch
from wav2vec2_conformer.language_models.language_model_file import load_language_model

logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # it warns of small vocabularies
pyctcdecode = pytest.importorskip("pyctcdecode")
kenlm = pytest.importorskip("kenlm")

LETTERS = ["<pad>", "|", *"ABDEGINORST"]
WORDS = ["A", "AN", "AND", "BED", "DOG", "GO", "I", "IN", "NOT", "ON", "RED", "SAID", "TEN", "TOAD"]
HOT_WORDS = {"TOAD": 8.0, "BED": 8.0, "SAID": 8.0}
SETTINGS = {"alpha": 0.6, "beta": 1.0, "unknown_word_score": -9.0}
NUM_UTTERANCES = 200
BEAM_WIDTH = 40
ALLOWED_DIFFERENCES = 2  # 1 %


class Corrected(pyctcdecode.LanguageModel):
    """Adds nothing for an empty word but the end of the utterance."""

    def score(self, prev_state: Any, word: str, is_last_word: bool = False) -> tuple[float, Any]:
        if word:
            return super().score(prev_state, word, is_last_word)
        end = self._get_raw_end_score(prev_state) if is_last_word else 0.0
        return self.alpha * end * math.log(10), prev_state


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bigram model with probabilities drawn once."""
    rng = np.random.default_rng(0)
    pairs = list(itertools.product(["<s>", *WORDS], [*WORDS, "</s>"]))
    pairs = [pairs[i] for i in sorted(rng.choice(len(pairs), size=60, replace=False))]
    words = ["<unk>", "</s>", *WORDS]
    lines = ["\\data\\", f"ngram 1={len(words) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines += ["-99\t<s>\t-0.3"]
    lines += [
        f"{rng.uniform(-4.0, -2.5):.4f}\t{word}\t{rng.uniform(-0.6, 0):.4f}" for word in words
    ]
    lines += ["", "\\2-grams:"]
    lines += [f"{rng.uniform(-3.0, -1.5):.4f}\t{' '.join(pair)}" for pair in pairs]
    path = tmp_path_factory.mktemp("lm") / "bigram.arpa"
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path


def draw_emissions(number: int) -> np.ndarray:
    """Return log-probabilities of a few words as a trained model gives them: peaks and doubts."""
    rng = np.random.default_rng([7, number])
    text = "|".join(rng.choice(WORDS, size=rng.integers(1, 5)))
    path = [0]
    for letter in text:
        path += [LETTERS.index(letter)] * rng.integers(1, 3) + [0] * rng.integers(1, 4)
    logits = rng.normal(size=(len(path), len(LETTERS))) * 1.3
    logits[np.arange(len(path)), path] += rng.gamma(3.0, 1.5, size=len(path))
    return log_softmax(logits)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(np.float32)


def count_differences(
    tokens: list[str],
    emissions: list[np.ndarray],
    arpa: Path | None,
    hot_words: dict[str, float],
) -> int:
    """Decode with both and count the texts that differ; check the scores of those that do not."""
    settings: dict[str, Any] = dict(SETTINGS) if arpa else {}
    model = None
    if arpa:
        offset = settings["unknown_word_score"] / (settings["alpha"] * math.log(10))
        settings["unknown_part_score"] = offset
        model = Corrected(
            kenlm.Model(str(arpa)),
            WORDS,
            alpha=settings["alpha"],
            beta=settings["beta"],
            unk_score_offset=offset,
        )
    alphabet = pyctcdecode.Alphabet.build_alphabet(["", *tokens[1:]])
    theirs = pyctcdecode.BeamSearchDecoderCTC(alphabet, model)
    ours = PrefixBeamSearch(
        tokens,
        language_model=load_language_model(arpa) if arpa else None,
        hot_words=hot_words,
        beam_width=BEAM_WIDTH,
        **settings,
    )
    num_different = 0
    for log_probs in emissions:
        (found,) = ours.decode(log_probs)
        text = "".join(tokens[token] for token in found.spans.token_ids).replace("|", " ")
        best = theirs.decode_beams(
            log_probs,
            beam_width=BEAM_WIDTH,
            prune_history=True,
            hotwords=list(hot_words),
            hotword_weight=8.0,
        )[0]
        if best[0] == text:
            assert found.score == pytest.approx(best[-1], abs=0.02)
        num_different += best[0] != text
    return num_different


@pytest.mark.parametrize("hot_words", [{}, HOT_WORDS], ids=["plain", "hot words"])
@pytest.mark.parametrize("with_model", [False, True], ids=["no model", "bigrams"])
def test_same_text_on_drawn_emissions(
    arpa: Path, with_model: bool, hot_words: dict[str, float]
) -> None:
    emissions = [draw_emissions(number) for number in range(NUM_UTTERANCES)]
    assert len({len(each) for each in emissions}) > 20
    model = arpa if with_model else None
    assert count_differences(LETTERS, emissions, model, hot_words) <= ALLOWED_DIFFERENCES


@pytest.mark.parametrize("hot_words", [{}, {"LETTER": 8.0, "SERVICE": 8.0}])
def test_same_text_on_the_bundled_clips(hot_words: dict[str, float]) -> None:
    import torch

    transcriber = Transcriber.from_pretrained()
    tokenizer = transcriber.processor.tokenizer
    tokens = tokenizer.convert_ids_to_tokens(list(range(transcriber.model.lm_head.out_features)))
    emissions = []
    for clip in bundled_clips():
        waveform = load_audio(clip, target_rate_hz=transcriber.sample_rate_hz)
        inputs = transcriber.processor(
            waveform, sampling_rate=transcriber.sample_rate_hz, return_tensors="pt"
        )
        with torch.inference_mode():
            emissions.append(log_softmax(transcriber.model(**inputs).logits[0].numpy()))
    assert count_differences(tokens, emissions, None, hot_words) == 0
