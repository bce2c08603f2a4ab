"""Cut training utterances into pieces of one to four words, as commands and answers are.

    python recipes/tiny-en/short_pieces.py TRAIN_MANIFEST OUTPUT.jsonl [--model MODEL]

A model that hears sentences alone says long words where somebody says a digit. Words are found by
aligning each utterance with its transcript; a piece begins and ends halfway to the words beside
it. The manifest names parts of the files, so no audio is written.
"""

import argparse
import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.errors import AudioError, InputError
from wav2vec2_conformer.inference.aligner import Aligner

SHARE_USED = 0.4
LONGEST_WORDS = 4
EDGE_S = 0.2
SHORTEST_S = 0.2
SHORTEST_S_PER_LETTER = 0.05  # less: the words are not where the alignment says


def cut(words: list, duration_s: float, rng: np.random.Generator) -> list[tuple[float, float, str]]:
    """Return begin and end in seconds and the text of neighbouring pieces."""
    middles = [(a.end_s + b.start_s) / 2 for a, b in pairwise(words)]
    first, last = max(0.0, words[0].start_s - EDGE_S), min(duration_s, words[-1].end_s + EDGE_S)
    edges = [first, *middles, last]
    pieces, position = [], 0
    while position < len(words):
        after = min(len(words), position + int(rng.integers(1, LONGEST_WORDS + 1)))
        text = " ".join(word.text for word in words[position:after])
        pieces.append((edges[position], edges[after], text))
        position = after
    return pieces


def main() -> None:
    """Align, cut, and write the manifest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", help="CTC checkpoint; bundled:tiny-en by default")
    args = parser.parse_args()
    aligner = Aligner.from_pretrained(args.model)
    rng = np.random.default_rng(0)
    utterances = read_manifest(args.manifest)
    rows, start_s = [], time.monotonic()
    for number, utterance in enumerate(utterances, 1):
        try:
            found = aligner.align(utterance.audio_path, utterance.text, star="none")
        except (AudioError, InputError) as error:
            sys.stderr.write(f"{utterance.audio_path}: left out: {error}\n")
            continue
        for begin_s, end_s, text in cut(list(found.words), found.duration_s, rng):
            shortest_s = max(SHORTEST_S, SHORTEST_S_PER_LETTER * len(text))
            if rng.random() < SHARE_USED and end_s - begin_s >= shortest_s:
                row = {
                    "audio_filepath": str(utterance.audio_path.resolve()),
                    "offset": round(begin_s, 3),
                    "duration": round(end_s - begin_s, 3),
                    "text": text,
                    "speaker": utterance.speaker,
                }
                rows.append(json.dumps(row) + "\n")
        if number % 100 == 0:
            left_s = (time.monotonic() - start_s) / number * (len(utterances) - number)
            sys.stderr.write(f"{number} of {len(utterances)}, {left_s / 60:.0f} minutes left\n")
    args.output.write_text("".join(rows), encoding="utf-8")
    sys.stderr.write(f"{len(rows)} pieces\n")


if __name__ == "__main__":
    main()
