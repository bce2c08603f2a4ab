"""Equal error rates of every layer's mean, and of MFCC statistics beside them.

    python benchmarks/speaker_baseline.py speech.jsonl [--model FOLDER] [--clips 10] [--sessions]

The manifest's lines need `audio_filepath` and `speaker`. All pairs of clips are trials. With
`--sessions`, pairs of one speaker count only when their recordings differ, for manifests whose
files are named as LibriSpeech's (speaker-chapter-number): clips of one recording share a room and
a microphone, which tells speakers apart as well as their voices do. Prints a table and a line of
JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.audio.cepstra import summarize_cepstra
from wav2vec2_conformer.evaluation.verification import (
    compute_eer,
    compute_error_curve,
    compute_min_dcf,
)
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.transcript import Failure


def standardize(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors whose every number has mean 0 and variance 1 over all clips."""
    return (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--clips", type=int, default=10, help="of each speaker, evenly chosen")
    parser.add_argument("--sessions", action="store_true")
    args = parser.parse_args()
    by_speaker: dict[str, list[dict[str, Any]]] = {}
    for line in args.manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        by_speaker.setdefault(str(row["speaker"]), []).append(row)
    rows = [
        speaker_rows[round(position)]
        for speaker_rows in by_speaker.values()
        for position in np.linspace(0, len(speaker_rows) - 1, min(args.clips, len(speaker_rows)))
    ]
    paths = [args.manifest.parent / row["audio_filepath"] for row in rows]
    speakers = np.array([str(row["speaker"]) for row in rows])
    first, second = np.triu_indices(len(rows), 1)
    is_target = speakers[first] == speakers[second]
    if args.sessions:
        sessions = np.array([path.name.rsplit("-", 1)[0] for path in paths])
        kept = ~(is_target & (sessions[first] == sessions[second]))
        first, second, is_target = first[kept], second[kept], is_target[kept]
    embedder = Embedder.from_pretrained(args.model, layer="all")
    layers = []
    for result in embedder.embed_many(paths):
        if isinstance(result, Failure):
            raise result.error
        layers.append(result.vector)
    systems = {f"layer {i}": np.array(layers)[:, i] for i in range(embedder.num_layers + 1)}
    mfccs = np.array([summarize_cepstra(load_audio(path)) for path in paths])
    systems["MFCC"] = mfccs
    # Cosines of raw cepstra hear little but loudness: the fairer rival.
    systems["MFCC, standardized over the test"] = standardize(mfccs)
    table = {}
    print(f"{len(rows)} clips, {is_target.sum()} pairs of one speaker, {(~is_target).sum()} of two")
    for name, vectors in systems.items():
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        curve = compute_error_curve((unit[first] * unit[second]).sum(axis=1), is_target.tolist())
        eer, threshold = compute_eer(curve)
        min_dcf = compute_min_dcf(curve)
        table[name] = {"eer": eer, "threshold": threshold, "min_dcf": min_dcf}
        print(f"{name:34}EER {eer:7.2%}   minDCF {min_dcf:.3f}   threshold {threshold:.4f}")
    print(json.dumps({"manifest": args.manifest.name, "clips": len(rows), "systems": table}))


if __name__ == "__main__":
    main()
