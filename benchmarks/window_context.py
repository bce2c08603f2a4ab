"""How long windows must be, and how much context they need, measured on real speech.

    python benchmarks/window_context.py --manifest speech.jsonl [--minutes 6] [--model FOLDER]

The utterances of a manifest (JSON Lines: audio_filepath, duration, text) are joined to one
recording, without pauses between them. Two tables:

- Each frame is heard by two windows: near the edge of one and deep inside the other. How often
  do they differ in the likeliest token, by the distance to the edge? Beyond some distance they
  differ no less than any two windows do: more context is of no use.
- Word and character error rates of the whole recording, cut into windows of several lengths, in
  one piece, and with the utterances apart.

Ends with a line of JSON.
"""

import argparse
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import torch
from numpy.typing import NDArray

import wav2vec2_conformer
from wav2vec2_conformer.audio import AudioBlocks, load_audio, normalize_waveform
from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.inference.loading import build_decoder, load_ctc
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.log_probs import run_windows
from wav2vec2_conformer.inference.windows import Window

EDGES_S = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
WINDOW_S = 30.0
WINDOWS_AND_CONTEXTS_S = ((10, 2), (15, 3), (20, 3), (30, 0.5), (30, 1), (30, 3), (30, 6), (60, 3))


class Measurement:
    """A model, a recording and what was said in it."""

    def __init__(self, model: str | None, manifest: Path, max_s: float) -> None:
        self.model, self.processor = load_ctc(model, device="cpu", compute_type="float32")
        self.decoder = build_decoder(self.model, self.processor)
        self.rate_hz = int(self.processor.feature_extractor.sampling_rate)
        self.utterances: list[NDArray[np.float32]] = []
        texts: list[str] = []
        for utterance in read_manifest(manifest):
            if sum(map(len, self.utterances)) >= max_s * self.rate_hz:
                break
            self.utterances.append(load_audio(utterance.audio_path, target_rate_hz=self.rate_hz))
            texts.append(utterance.text.upper())
        self.reference = " ".join(texts)
        self.recording = np.concatenate(self.utterances)

    def hear(self, audio: NDArray[np.float32], window_s: float, context_s: float) -> str:
        """Return the text of audio that is cut into windows."""
        reader = LogProbReader(self.model, self.processor, window_s=window_s, context_s=context_s)
        session = self.decoder.start()
        for log_probs in reader.read(AudioBlocks(audio, self.rate_hz)):
            session.feed(log_probs)
        return session.finish(len(audio) / self.rate_hz).text.upper()

    def rates(self, hypothesis: str) -> dict[str, float]:
        """Return the error rates of a text."""
        return {
            "wer": jiwer.wer(self.reference, hypothesis),
            "cer": jiwer.cer(self.reference, hypothesis),
        }

    def disagreement(self) -> dict[str, float]:
        """Return how often windows differ, by the distance to the nearer edge in seconds."""
        hop = self.model.config.inputs_to_logits_ratio
        num_frames = int(WINDOW_S * self.rate_hz / hop)
        shift = num_frames // 2
        waveform = normalize_waveform(self.recording)
        best = [
            log_probs.argmax(axis=1)
            for start in range(0, len(waveform) - num_frames * hop, shift * hop)
            for _, log_probs in run_windows(
                self.model,
                [Window(waveform[start : start + num_frames * hop], 0, 0, num_frames)],
                batch_samples=1,
            )
        ]
        differs: dict[str, list[float]] = defaultdict(list)
        for first, second in pairwise(best):
            overlap = len(first) - shift
            other = first[shift:] != second[:overlap]
            for low_s, high_s in pairwise(EDGES_S):
                low, high = (round(edge_s * self.rate_hz / hop) for edge_s in (low_s, high_s))
                name = f"{low_s:g} to {high_s:g} s"
                # near the start of the second window, near the end of the first
                differs[name] += [
                    other[low:high].mean(),
                    other[overlap - high : overlap - low].mean(),
                ]
        return {name: float(np.mean(shares)) for name, shares in differs.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0, help="of audio to use")
    parser.add_argument("--model", help="checkpoint folder; the one in the package by default")
    args = parser.parse_args()
    measurement = Measurement(args.model, args.manifest, args.minutes * 60)
    duration_s = len(measurement.recording) / measurement.rate_hz
    results: dict[str, Any] = {"duration_s": duration_s}

    print(f"{duration_s:.0f} s of speech, {len(measurement.utterances)} utterances")
    print(f"\nframes with another token in two windows of {WINDOW_S:g} s")
    results["disagreement"] = measurement.disagreement()
    for name, share in results["disagreement"].items():
        print(f"{name:>14} from an edge {share:>8.1%}")

    print(f"\n{'window':>12}{'context':>10}{'WER':>8}{'CER':>8}")
    rows = [
        (f"{window_s:g} s", window_s, context_s) for window_s, context_s in WINDOWS_AND_CONTEXTS_S
    ]
    rows.append(("whole", duration_s + 10, 3))
    results["windows"] = []
    for name, window_s, context_s in rows:
        text = measurement.hear(measurement.recording, window_s, context_s)
        rates = measurement.rates(text)
        results["windows"].append({"window": name, "context_s": context_s, **rates})
        print(f"{name:>12}{context_s:>8g} s{rates['wer']:>8.1%}{rates['cer']:>8.1%}", flush=True)
    apart = measurement.rates(
        " ".join(measurement.hear(audio, 1_000.0, 3.0) for audio in measurement.utterances)
    )
    results["apart"] = apart
    print(f"{'utterances':>12}{'-':>10}{apart['wer']:>8.1%}{apart['cer']:>8.1%}")
    print(
        json.dumps(
            {
                **results,
                "torch": torch.__version__,
                "wav2vec2_conformer": wav2vec2_conformer.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
