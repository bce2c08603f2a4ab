"""Measure a model on the sets of its card, clean and noisy, and print the card's table.

    python recipes/tiny-en/measure.py MODEL SPEECH_FOLDER VALID_MANIFEST WORK_FOLDER [--card CARD]

VALID_MANIFEST is what `prepare.py` writes. WORK_FOLDER gets the noisy clips and, for each row of
the table, the folder that `wav2vec2-conformer evaluate -o` writes: figures, transcripts, a page.
Where the model's folder has a language model, each set is decoded with it and without. `--card`
puts the table into a card in place of the one that is there.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.data.noise import add_noise, draw_pink_noise

SAMPLE_RATE_HZ = 16_000
NOISE_SNR_DB = 10.0
TABLE_HEAD = """\
| set | speech | decoding | word error rate | character error rate |
|---|---|---|---|---|
"""


def main() -> None:
    """Measure all sets in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("model", "speech", "valid", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--card", type=Path, help="card whose table is put anew")
    args = parser.parse_args()
    table = TABLE_HEAD
    if args.card is not None:
        replace_table(args.card.read_text(encoding="utf-8"), table)  # before the work: is there one
    sys.stdout.write(table)
    for row in iter_rows(args.model, args.speech, args.valid, args.work):
        sys.stdout.write(row)
        sys.stdout.flush()
        table += row
    if args.card is not None:
        card = replace_table(args.card.read_text(encoding="utf-8"), table)
        args.card.write_text(card, encoding="utf-8")


def iter_rows(model: Path, speech: Path, valid: Path, work: Path) -> Iterator[str]:
    """Yield a row of the table for each set, condition and decoding."""
    sets = {
        "LibriSpeech test-other": speech / "librispeech_test_other.jsonl",
        "held-out speakers of LibriSpeech's training sets": valid,
        "spoken digits (FSDD)": speech / "fsdd.jsonl",
    }
    decodings = {"greedy": ["--greedy"]}
    if (model / "language_model.json").exists():
        decodings["language model"] = []
    for name, clean in sets.items():
        noisy = add_noise_to_set(clean, work / "noisy" / clean.stem)
        for condition, manifest in (("clean", clean), ("noise at 10 dB", noisy)):
            for decoding, flags in decodings.items():
                folder = work / f"{clean.stem}-{condition}-{decoding}".replace(" ", "-")
                figures = evaluate(manifest, model, folder, flags)
                row = [name, describe(figures, condition), decoding, *rates(figures)]
                yield f"| {' | '.join(row)} |\n"


def replace_table(card: str, table: str) -> str:
    """Return a card with another table of figures.

    Raises:
        ValueError: When the card has none, or several.
    """
    before, *after = card.split(TABLE_HEAD)
    if len(after) != 1:
        raise ValueError(f"the card has {len(after)} tables that begin as follows:\n{TABLE_HEAD}")
    rest = after[0].splitlines(keepends=True)
    num_rows = next((i for i, line in enumerate(rest) if not line.startswith("|")), len(rest))
    return "".join([before, table, *rest[num_rows:]])


def add_noise_to_set(manifest: Path, output: Path) -> Path:
    """Write each clip with pink noise of its own, drawn from the clip's place in the manifest."""
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for position, line in enumerate(manifest.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        waveform = load_audio(manifest.parent / row["audio_filepath"])
        rng = np.random.default_rng(position)
        noisy = add_noise(waveform, draw_pink_noise(len(waveform), rng), NOISE_SNR_DB)
        # Samples beyond 1 would be cut off by the file: the whole clip is made quieter.
        row["audio_filepath"] = str((output / f"{position}.flac").resolve())
        peak = max(1.0, float(np.abs(noisy).max()))
        soundfile.write(row["audio_filepath"], noisy / peak, SAMPLE_RATE_HZ)
        rows.append(row)
    noisy_manifest = output / "manifest.jsonl"
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    noisy_manifest.write_text(text, encoding="utf-8")
    return noisy_manifest


def evaluate(manifest: Path, model: Path, folder: Path, flags: list[str]) -> dict[str, object]:
    """Run the command that a user would run, and return what its report.json holds."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["wav2vec2-conformer", "evaluate", manifest, "-m", model, "-o", folder, *flags]
    subprocess.run([*map(str, command), "-q", "-f", "json"], check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def describe(figures: dict, condition: str) -> str:
    """Say how much speech there is, and how it sounds."""
    hours = figures["systems"][0]["speed"]["audio_s"] / 3600
    rows = Path(figures["manifest"]).read_text(encoding="utf-8").splitlines()
    speakers = len({json.loads(row)["speaker"] for row in rows})
    return f"{figures['num_utterances']} clips, {speakers} speakers, {hours:.1f} h, {condition}"


def rates(figures: dict) -> list[str]:
    """Return both error rates with their intervals (speakers are drawn; of few, utterances)."""
    system = figures["systems"][0]
    return [
        f"{rate['rate']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
        for rate in (system["wer"], system["cer"])
    ]


if __name__ == "__main__":
    main()
