"""How well measures of confidence tell right words from wrong ones.

    python benchmarks/confidence.py MANIFEST [--model MODEL] [--language-model]

Transcribes the recordings of a manifest (`audio_filepath`, `text`; see the guide on data) with
the best token of each frame, or with the language model in the model's folder, marks each word
as right or wrong by an alignment with the text, and ranks the words by confidence: ours, and the
measures of Laptev and Ginsburg 2022 ("Fast Entropy-Based Methods of Word-Level Confidence
Estimation for End-to-End Automatic Speech Recognition", https://arxiv.org/abs/2212.08703) over
the frames of a word.

Prints, for each, the share of wrong words in the half that it is surer of and in the other, and
the area under the ROC curve; then how often words of a given confidence of ours are right; and a
line of JSON.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import torch
from numpy.typing import NDArray

import wav2vec2_conformer
from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.inference.decoding_options import DecodingOptions
from wav2vec2_conformer.inference.loading import load_decoding
from wav2vec2_conformer.inference.transcript import Word

Floats = NDArray[np.float64]

OURS = "alignments of the word"
_TSALLIS_ORDER = 1 / 3  # the best one of the paper


def likeliest_token(log_probs: Floats) -> Floats:
    """Return the probability of each frame's best token, scaled to 0 for pure chance."""
    chance = 1 / log_probs.shape[1]
    return (np.exp(log_probs.max(axis=1)) - chance) / (1 - chance)


def gibbs_entropy(log_probs: Floats) -> Floats:
    """Return one minus the share of the largest possible entropy (linear normalization)."""
    entropy = -(np.exp(log_probs) * log_probs).sum(axis=1)
    return 1 - entropy / np.log(log_probs.shape[1])


def tsallis_entropy(log_probs: Floats) -> Floats:
    """Return Tsallis entropy, normalized exponentially."""
    power = 1 - _TSALLIS_ORDER
    entropy = (np.exp(_TSALLIS_ORDER * log_probs).sum(axis=1) - 1) / power
    most = (log_probs.shape[1] ** power - 1) / power
    return (np.exp(-entropy) - np.exp(-most)) / (1 - np.exp(-most))


def product(values: Floats) -> float:
    """Return the product, without underflow to nothing."""
    return float(np.exp(np.log(np.maximum(values, 1e-12)).sum()))


FRAME_MEASURES: dict[str, Callable[[Floats], Floats]] = {
    "likeliest token": likeliest_token,
    "Gibbs entropy": gibbs_entropy,
    "Tsallis entropy": tsallis_entropy,
}
AGGREGATIONS: dict[str, Callable[[Floats], Any]] = {
    "mean": np.mean,
    "least": np.min,
    "product": product,
}


def judge_words(words: tuple[Word, ...], reference: str) -> list[bool]:
    """Return which words of a transcript are right."""
    is_right = np.zeros(len(words), dtype=bool)
    if words:
        hypothesis = " ".join(word.text for word in words)
        (chunks,) = jiwer.process_words(reference, hypothesis).alignments
        for chunk in chunks:
            if chunk.type == "equal":
                is_right[chunk.hyp_start_idx : chunk.hyp_end_idx] = True
    return is_right.tolist()


def measure(words: tuple[Word, ...], log_probs: Floats, frame_s: float) -> list[dict[str, float]]:
    """Return all measures of each word."""
    frames = {name: function(log_probs) for name, function in FRAME_MEASURES.items()}
    results = []
    for word in words:
        span = slice(round(word.start_s / frame_s), round(word.end_s / frame_s))
        values = {
            f"{name}, {how}": float(aggregate(frames[name][span]))
            for name in frames
            for how, aggregate in AGGREGATIONS.items()
        }
        results.append({OURS: word.confidence, **values})
    return results


def area_under_curve(scores: Floats, is_right: NDArray[np.bool_]) -> float:
    """Return how often a right word is ranked above a wrong one."""
    wrong = np.sort(scores[~is_right])
    below = np.searchsorted(wrong, scores[is_right], side="left")
    upto = np.searchsorted(wrong, scores[is_right], side="right")
    return float((below + upto).mean() / 2 / len(wrong))


def collect(
    manifest: Path, model: str | None, decoding: DecodingOptions
) -> tuple[list[dict[str, float]], list[bool]]:
    """Transcribe everything; return the measures of each word and whether it is right."""
    torch.set_num_threads(1)
    transcriber = wav2vec2_conformer.Transcriber.from_pretrained(model, decoding=decoding)
    decoder = transcriber.decoder
    rate = transcriber.sample_rate_hz
    frame_s = transcriber.model.config.inputs_to_logits_ratio / rate
    measures: list[dict[str, float]] = []
    is_right: list[bool] = []
    for utterance in read_manifest(manifest):
        waveform = load_audio(utterance.audio_path, target_rate_hz=rate)
        inputs = transcriber.processor(waveform, sampling_rate=rate, return_tensors="pt")
        with torch.inference_mode():
            logits = transcriber.model(**inputs).logits[0]
        log_probs = torch.log_softmax(logits.float(), dim=-1).numpy()
        session = decoder.start()
        session.feed(log_probs)
        words = session.finish(len(waveform) / rate).words
        measures += measure(words, log_probs.astype(np.float64), frame_s)
        is_right += judge_words(words, utterance.text)
    return measures, is_right


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", help="folder or name on the hub; the bundled one by default")
    parser.add_argument("--language-model", action="store_true", help="use the model's own")
    args = parser.parse_args()
    decoding = load_decoding(args.model) if args.language_model else DecodingOptions()
    measures, right = collect(args.manifest, args.model, decoding)
    is_right = np.array(right)
    num_sure = len(measures) // 2
    rows = []
    for name in measures[0]:
        scores = np.array([each[name] for each in measures])
        order = np.argsort(-scores, kind="stable")
        wrong = 1 - is_right[order]
        rows.append(
            {
                "measure": name,
                "sure": float(wrong[:num_sure].mean()),
                "unsure": float(wrong[num_sure:].mean()),
                "auc": area_under_curve(scores, is_right),
            }
        )
    print(f"{len(measures)} words, {1 - is_right.mean():.1%} wrong")
    print(f"{'':28}{'surer half':>11}{'other half':>12}{'ratio':>8}{'AUC':>8}")
    for row in sorted(rows, key=lambda each: -each["auc"]):
        print(
            f"{row['measure']:28}{row['sure']:>10.1%}{row['unsure']:>12.1%}"
            f"{row['sure'] / row['unsure']:>9.2f}{row['auc']:>8.3f}"
        )
    scores = np.array([each[OURS] for each in measures])
    print("\nconfidence     words   right")
    calibration = []
    for low in np.arange(10) / 10:
        here = (scores >= low) & ((scores < low + 0.1) | (low > 0.85))  # noqa: PLR2004  1.0 too
        if here.any():
            share = float(is_right[here].mean())
            calibration.append({"from": float(low), "words": int(here.sum()), "right": share})
            print(f"{low:.1f} to {low + 0.1:.1f}{here.sum():>10}{share:>8.0%}")
    print(json.dumps({"words": len(measures), "measures": rows, "calibration": calibration}))


if __name__ == "__main__":
    main()
