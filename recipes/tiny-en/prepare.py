"""Split transcribed speech into training and held-out speakers.

    python recipes/tiny-en/prepare.py SPEECH_FOLDER OUTPUT_FOLDER

SPEECH_FOLDER holds one manifest (JSON Lines) per set, as named in SETS. OUTPUT_FOLDER gets
`train.jsonl` and `valid.jsonl`, with absolute paths.
"""

import json
import sys
from pathlib import Path

SETS = (
    "librispeech_mini5",
    "librispeech_tc100_extra",
    "librispeech_train",
    "ljspeech_part",
    "arctic_cathy",
)
# LibriSpeech speakers of whom no utterance is trained on.
HELD_OUT_SPEAKERS = frozenset({"32", "669", "1737", "7312"})


def main(speech: Path, output: Path) -> None:
    """Write the two manifests and print their sizes."""
    rows: dict[str, list[dict[str, object]]] = {"train": [], "valid": []}
    for name in SETS:
        for line in (speech / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            row["audio_filepath"] = str((speech / row["audio_filepath"]).resolve())
            rows["valid" if row["speaker"] in HELD_OUT_SPEAKERS else "train"].append(row)
    output.mkdir(parents=True, exist_ok=True)
    for split, chosen in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen)
        (output / f"{split}.jsonl").write_text(text, encoding="utf-8")
        hours = sum(float(str(row["duration"])) for row in chosen) / 3600
        print(f"{split}: {len(chosen)} utterances, {hours:.2f} hours")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
