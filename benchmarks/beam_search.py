"""Time of the beam search, ours beside pyctcdecode's, and whether both find the same text.

    python benchmarks/beam_search.py [--rounds 3] [--beam-width 100]

Both decode the same log-probabilities with the same settings and take turns, in one process and
thread: those of the bundled model on the bundled clips, and made-up ones of sentences of
invented words, once like a well-trained model's (sure) and once like a poor one's (doubtful).
With a language model, a trigram model of such sentences is built first. One fault of pyctcdecode
is put right, so that both search for the same: it ends some texts with an empty word. Needs
pyctcdecode (`pip install --no-deps pyctcdecode pygtrie`) and kenlm-ex. Prints a table and a line
of JSON.
"""

import argparse
import json
import logging
import math
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import pyctcdecode
import torch
from numpy.typing import NDArray

import wav2vec2_conformer
from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.decoding.prefix_beam import PrefixBeamSearch
from wav2vec2_conformer.language_models.language_model_file import load_language_model
from wav2vec2_conformer.language_models.ngram_building import build_language_model

Emissions = list[NDArray[np.float32]]
Decode = Callable[[NDArray[np.float32]], str]

ALPHA, BETA, UNKNOWN_LOG10 = 0.5, 1.5, -10.0
HOT_WORD_WEIGHT = 10.0
NUM_SENTENCES, NUM_DECODED = 4000, 20
# Height of the peaks over the noise; the second is that of a model with many word errors.
HEIGHTS = {"sure": 9.0, "doubtful": 6.0}


class Corrected(pyctcdecode.LanguageModel):
    """Adds nothing for an empty word but the end of the utterance."""

    def score(self, prev_state: Any, word: str, is_last_word: bool = False) -> tuple[float, Any]:
        """Return what a word adds, and the state after it."""
        if word:
            return super().score(prev_state, word, is_last_word)
        end = self._get_raw_end_score(prev_state) if is_last_word else 0.0
        return self.alpha * end * math.log(10), prev_state


def draw_sentences(letters: list[str], rng: np.random.Generator) -> list[str]:
    """Return sentences of invented words, some frequent, most rare."""
    lengths = rng.integers(1, 9, size=2000)
    words = ["".join(rng.choice(letters, size=length)) for length in lengths]
    share = 1.0 / np.arange(1, len(words) + 1)
    share /= share.sum()
    return [
        " ".join(rng.choice(words, size=rng.integers(5, 25), p=share)) for _ in range(NUM_SENTENCES)
    ]


def make_emission(
    sentence: str, tokens: list[str], height: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return log-probabilities that peak at a sentence's letters, with blanks between."""
    path = [0] * 5
    for letter in sentence.replace(" ", "|"):
        path += [tokens.index(letter)] * rng.integers(1, 3) + [0] * rng.integers(1, 5)
    logits = 1.5 * rng.normal(size=(len(path), len(tokens)))
    logits[np.arange(len(path)), path] += rng.gamma(height, 1.0, size=len(path))
    # No model emits its special tokens, and the two spell them differently.
    logits[:, [i for i, token in enumerate(tokens) if i and len(token) > 1]] = -20.0
    return log_softmax(logits)


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Return natural log-probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(np.float32)


@torch.inference_mode()
def hear_clips(transcriber: wav2vec2_conformer.Transcriber) -> Emissions:
    """Return the log-probabilities of the bundled clips."""
    emissions = []
    for clip in bundled_clips():
        waveform = load_audio(clip, target_rate_hz=transcriber.sample_rate_hz)
        inputs = transcriber.processor(
            waveform, sampling_rate=transcriber.sample_rate_hz, return_tensors="pt"
        )
        emissions.append(log_softmax(transcriber.model(**inputs).logits[0].numpy()))
    return emissions


def build_theirs(
    tokens: list[str], arpa: Path | None, words: list[str], hot_words: list[str], width: int
) -> Decode:
    """Return pyctcdecode's search."""
    model = None
    if arpa is not None:
        model = Corrected(kenlm.Model(str(arpa)), words, ALPHA, BETA, UNKNOWN_LOG10)
    alphabet = pyctcdecode.Alphabet.build_alphabet(["", *tokens[1:]])
    decoder = pyctcdecode.BeamSearchDecoderCTC(alphabet, model)

    def decode(log_probs: NDArray[np.float32]) -> str:
        return decoder.decode(
            log_probs, beam_width=width, hotwords=hot_words, hotword_weight=HOT_WORD_WEIGHT
        )

    return decode


def build_ours(tokens: list[str], arpa: Path | None, hot_words: list[str], width: int) -> Decode:
    """Return our search with the same settings."""
    search = PrefixBeamSearch(
        tokens,
        beam_width=width,
        language_model=load_language_model(arpa) if arpa is not None else None,
        alpha=ALPHA,
        beta=BETA,
        unknown_word_score=ALPHA * math.log(10) * UNKNOWN_LOG10,
        unknown_part_score=UNKNOWN_LOG10,
        hot_words=dict.fromkeys(hot_words, HOT_WORD_WEIGHT),
    )

    def decode(log_probs: NDArray[np.float32]) -> str:
        (found,) = search.decode(log_probs)
        spelled = "".join(tokens[token] for token in found.spans.token_ids)
        return " ".join(spelled.replace("|", " ").split())

    return decode


def compare(emissions: Emissions, ours: Decode, theirs: Decode, rounds: int) -> dict[str, Any]:
    """Decode everything in turns and return microseconds a frame and how many texts agree."""
    num_frames = sum(map(len, emissions))
    times: dict[str, list[float]] = {"ours": [], "pyctcdecode": []}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, decode in (("pyctcdecode", theirs), ("ours", ours)):
            start = time.process_time()
            texts[name] = [decode(log_probs) for log_probs in emissions]
            times[name].append((time.process_time() - start) / num_frames * 1e6)
    same = sum(a == b for a, b in zip(*texts.values(), strict=True))
    return {
        "frames": num_frames,
        "same": same,
        "utterances": len(emissions),
        **{f"{name}_us": statistics.median(values) for name, values in times.items()},
    }


def main() -> None:
    """Compare all log-probabilities in all ways and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beam-width", type=int, default=100)
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # pyctcdecode warns of small vocabularies
    torch.set_num_threads(1)
    transcriber = wav2vec2_conformer.Transcriber.from_pretrained()
    tokenizer = transcriber.processor.tokenizer
    size = transcriber.model.lm_head.out_features
    tokens = tokenizer.convert_ids_to_tokens(list(range(size)))
    letters = [token for token in tokens if len(token) == 1 and token.isalpha()]
    rng = np.random.default_rng(0)
    sentences = draw_sentences(letters, rng)
    emissions = {"clips": hear_clips(transcriber)}
    for name, height in HEIGHTS.items():
        emissions[name] = [
            make_emission(sentence, tokens, height, rng) for sentence in sentences[:NUM_DECODED]
        ]
    words = sorted({word for sentence in sentences for word in sentence.split()})
    hot_words = [word for word in words if len(word) > 5][:10]  # noqa: PLR2004  not too short
    results = []
    with tempfile.TemporaryDirectory() as folder:
        arpa = Path(folder) / "trigrams.arpa"
        build_language_model(sentences, arpa)
        ways: dict[str, tuple[Path | None, list[str]]] = {
            "plain": (None, []),
            "language model": (arpa, []),
            "language model, hot words": (arpa, hot_words),
        }
        for source, log_probs in emissions.items():
            for way, (model, hot) in ways.items():
                result = compare(
                    log_probs,
                    build_ours(tokens, model, hot, args.beam_width),
                    build_theirs(tokens, model, words, hot, args.beam_width),
                    args.rounds,
                )
                results.append({"log_probs": source, "way": way, **result})
    report(args, results)


def report(args: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    """Print the table and the JSON line."""
    print(f"microseconds a frame, beam width {args.beam_width}, 1 thread")
    print(f"{'log-probs':11}{'':27}{'pyctcdecode':>12}{'ours':>8}{'faster':>9}  same text")
    for row in results:
        ratio = row["pyctcdecode_us"] / row["ours_us"]
        print(
            f"{row['log_probs']:11}{row['way']:27}{row['pyctcdecode_us']:>12.0f}"
            f"{row['ours_us']:>8.0f}{ratio:>8.1f}x  {row['same']} of {row['utterances']}"
        )
    print(
        json.dumps(
            {
                "beam_width": args.beam_width,
                "rounds": args.rounds,
                "results": results,
                "machine": platform.processor() or platform.machine(),
                "numpy": np.__version__,
                "pyctcdecode": version("pyctcdecode"),
                "wav2vec2_conformer": wav2vec2_conformer.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
