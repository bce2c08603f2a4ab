"""Word error rate of streaming against its latency, beside the offline result.

    python benchmarks/streaming_latency.py MANIFEST [--model FOLDER] [--latencies 0.5 1 2 4]
        [--context 6] [--limit N]

MANIFEST is a JSON Lines file with audio_filepath, duration and text. Each recording is fed
to a session of its own in blocks of 50 ms, on one thread. Prints a table and a line of JSON.

- wait: seconds of audio that had arrived when a word became final, beyond the word's end;
  mean and 95th percentile. The time for computing comes on top.
- real time: seconds of processor time for a second of audio.
- differs: word error rate of the streamed text against the offline text.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer import Transcriber
from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.evaluation.word_error import score
from wav2vec2_conformer.inference.decoding_options import DecodingOptions
from wav2vec2_conformer.inference.stream_events import FinalWords
from wav2vec2_conformer.inference.stream_session import StreamSession
from wav2vec2_conformer.text.normalization import normalize_text

BLOCK_S = 0.05


def stream(
    transcriber: Transcriber, waveform: NDArray[np.float32], latency_s: float, context_s: float
) -> tuple[str, list[float]]:
    """Return the final text of a recording and how long each word was waited for."""
    session = StreamSession(
        transcriber.model,
        transcriber.processor,
        transcriber.decoder,
        latency_s=latency_s,
        context_s=context_s,
    )
    block = round(BLOCK_S * session.sample_rate_hz)
    events = []
    for start in range(0, len(waveform), block):
        events += session.feed(waveform[start : start + block])
    events += session.finish()
    finals = [event for event in events if isinstance(event, FinalWords)]
    text = " ".join(word.text for event in finals for word in event.words)
    return text, [event.heard_s - word.end_s for event in finals for word in event.words]


def measure(
    transcriber: Transcriber,
    waveforms: Sequence[NDArray[np.float32]],
    references: Sequence[str],
    offline: Sequence[str],
    *,
    latency_s: float,
    context_s: float,
) -> dict[str, Any]:
    """Return a row of the table."""
    start_s = time.process_time()
    results = [stream(transcriber, waveform, latency_s, context_s) for waveform in waveforms]
    cpu_s = time.process_time() - start_s
    texts = [text for text, _ in results]
    waits = np.array([wait for _, waits in results for wait in waits])
    errors = score(references, texts)
    return {
        "latency_s": latency_s,
        "wer": errors.wer,
        "cer": errors.cer,
        "differs": score(offline, texts).wer,
        "mean_wait_s": float(waits.mean()),
        "wait_95_s": float(np.quantile(waits, 0.95)),
        "real_time_factor": cpu_s / duration_s(transcriber, waveforms),
    }


def measure_offline(
    transcriber: Transcriber, waveforms: Sequence[NDArray[np.float32]], references: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the row of the offline result, and its texts."""
    start_s = time.process_time()
    texts = [
        transcriber.transcribe(waveform, sample_rate_hz=transcriber.sample_rate_hz).text
        for waveform in waveforms
    ]
    cpu_s = time.process_time() - start_s
    errors = score(references, texts)
    return {
        "latency_s": None,
        "wer": errors.wer,
        "cer": errors.cer,
        "real_time_factor": cpu_s / duration_s(transcriber, waveforms),
    }, texts


def duration_s(transcriber: Transcriber, waveforms: Sequence[NDArray[np.float32]]) -> float:
    """Return the length of all recordings together."""
    return sum(map(len, waveforms)) / transcriber.sample_rate_hz


def print_row(row: dict[str, Any]) -> None:
    """Print a row as Markdown."""
    rates = f"{row['wer']:.1%} | {row['cer']:.1%}"
    if row["latency_s"] is None:
        print(f"| offline | {rates} | | | | {row['real_time_factor']:.2g} |", flush=True)
        return
    print(
        f"| {row['latency_s']:g} s | {rates} | {row['differs']:.1%} | {row['mean_wait_s']:.2f} s "
        f"| {row['wait_95_s']:.2f} s | {row['real_time_factor']:.2g} |",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", help="checkpoint folder or hub name (default: bundled)")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--context", type=float, default=6.0, help="seconds of left context")
    parser.add_argument("--limit", type=int, help="only so many recordings")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transcriber = Transcriber.from_pretrained(args.model, device="cpu", decoding=DecodingOptions())
    utterances = read_manifest(args.manifest)[: args.limit]
    waveforms = [
        load_audio(utterance.audio_path, target_rate_hz=transcriber.sample_rate_hz)
        for utterance in utterances
    ]
    references = [normalize_text(each.text, transcriber.vocabulary) for each in utterances]
    print("| latency | WER | CER | differs | mean wait | 95 % wait | real time |")
    print("|---|---|---|---|---|---|---|", flush=True)
    row, offline = measure_offline(transcriber, waveforms, references)
    rows = [row]
    print_row(row)
    for latency_s in args.latencies:
        row = measure(
            transcriber,
            waveforms,
            references,
            offline,
            latency_s=latency_s,
            context_s=args.context,
        )
        rows.append(row)
        print_row(row)
    print(
        json.dumps(
            {
                "manifest": str(args.manifest),
                "recordings": len(waveforms),
                "hours": duration_s(transcriber, waveforms) / 3600,
                "context_s": args.context,
                "rows": rows,
                "machine": platform.processor() or platform.machine(),
                "torch": torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
