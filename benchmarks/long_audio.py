"""Time and memory of transcribing recordings of growing length.

    python benchmarks/long_audio.py [--minutes 0.2 1 5 10 60] [--speech-detection energy]

The clips in the package are joined to one recording of each length, with a pause after each
clip. Each measurement is a process of its own that loads the model, transcribes the file and
tells its peak memory. Prints a table and a line of JSON. Ends with 1 when the longest recording
needs more than 100 MB beyond what five minutes need.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAMPLE_RATE_HZ = 16_000
PAUSE_S = 0.5
REFERENCE_MINUTES = 5.0
ALLOWED_GROWTH_MB = 100.0


def resident_mb() -> float:
    """Return the memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def write_recording(path: Path, duration_s: float, pause_s: float) -> None:
    """Write a FLAC file of so many seconds: the clips of the package, again and again."""
    import numpy as np
    import soundfile

    from wav2vec2_conformer.audio import load_audio
    from wav2vec2_conformer.checkpoints.bundled import bundled_clips

    pause = np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.float32)
    clips = [np.concatenate([load_audio(clip), pause]) for clip in bundled_clips()]
    missing = round(duration_s * SAMPLE_RATE_HZ)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        while missing:
            for clip in clips:
                file.write(clip[:missing])
                missing -= len(clip[:missing])


def measure(args: argparse.Namespace) -> None:
    """Transcribe one file and print time and memory as JSON."""
    from wav2vec2_conformer import Transcriber

    transcriber = Transcriber.from_pretrained(
        args.model,
        device="cpu",
        compute_type=args.compute_type,
        speech_detection=args.speech_detection,
    )
    loaded_mb = resident_mb()
    start, cpu_start = time.perf_counter(), time.process_time()
    transcript = transcriber.transcribe(args.only)
    print(
        json.dumps(
            {
                "duration_s": transcript.duration_s,
                "num_words": len(transcript.words),
                "time_s": time.perf_counter() - start,
                "processor_s": time.process_time() - cpu_start,
                "loaded_mb": loaded_mb,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1e3,
            }
        )
    )


def run(args: argparse.Namespace, recording: Path) -> dict[str, Any]:
    """Measure one file in a process of its own."""
    command = [sys.executable, __file__, "--only", str(recording)]
    command += ["--compute-type", args.compute_type]
    if args.model:
        command += ["--model", args.model]
    if args.speech_detection:
        command += ["--speech-detection", args.speech_detection]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> int:
    """Measure each length and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.2, 1.0, 5.0, 10.0, 60.0])
    parser.add_argument("--pause-s", type=float, default=PAUSE_S)
    parser.add_argument("--model", help="checkpoint folder; the one in the package by default")
    parser.add_argument("--compute-type", default="float32")
    parser.add_argument("--speech-detection", choices=("energy", "silero"))
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        measure(args)
        return 0
    import torch

    import wav2vec2_conformer

    print(f"{args.compute_type}, {torch.get_num_threads()} threads")
    print(f"{'audio':>10}{'time':>10}{'processor':>11}{'x real time':>13}{'peak memory':>13}")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in args.minutes:
            recording = Path(folder) / f"{minutes:g}.flac"
            write_recording(recording, minutes * 60, args.pause_s)
            result = run(args, recording)
            recording.unlink()
            results.append({"minutes": minutes, **result})
            print(
                f"{minutes:>6g} min{result['time_s']:>8.1f} s{result['processor_s']:>9.1f} s"
                f"{result['duration_s'] / result['time_s']:>13.1f}{result['peak_mb']:>10.0f} MB",
                flush=True,
            )
    print(
        json.dumps(
            {
                "results": results,
                "pause_s": args.pause_s,
                "compute_type": args.compute_type,
                "speech_detection": args.speech_detection,
                "threads": torch.get_num_threads(),
                "machine": platform.processor() or platform.machine(),
                "torch": torch.__version__,
                "wav2vec2_conformer": wav2vec2_conformer.__version__,
            }
        )
    )
    reference = [row["peak_mb"] for row in results if row["minutes"] == REFERENCE_MINUTES]
    growth_mb = max(row["peak_mb"] for row in results) - min(reference, default=float("inf"))
    return int(growth_mb > ALLOWED_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
