"""Manifests of the speech that the bundled heads are trained and tested on.

The speech folder holds one JSON Lines manifest per set, named as below, with its audio beside
it: parts of LibriSpeech and the Free Spoken Digit Dataset (recipes/heads/README.md).
"""

import json
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.mixture_files import MANIFEST_NAME, write_mixtures
from wav2vec2_conformer.data.mixtures import MixtureRecipe, group_by_speaker

Row = dict[str, Any]

TRAIN_SETS = ("librispeech_mini5", "librispeech_train")
# Its speakers are held out: they have recordings of several chapters, and thresholds are theirs.
HELD_OUT_SET = "librispeech_tc100_extra"
TEST_SET = "librispeech_test_other"
DIGITS_SET = "fsdd"
# Of the digits; the other four speakers are trained on.
TEST_DIGIT_SPEAKERS = frozenset({"theo", "yweweler"})
PIECE_S = 3.0
MAX_PIECES = 60  # of a speaker: a few speakers hold most of the speech


def read_rows(speech: Path, names: Iterable[str]) -> list[Row]:
    """Return the lines of manifests, with absolute paths."""
    rows = []
    for name in names:
        for line in (speech / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            row["audio_filepath"] = str((speech / row["audio_filepath"]).resolve())
            rows.append(row)
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    """Write a manifest and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def split_digits(speech: Path, work: Path) -> tuple[Path, Path]:
    """Write the manifests of spoken digits: four speakers to train on, two to test on."""
    rows = [row | {"label": row["text"]} for row in read_rows(speech, [DIGITS_SET])]
    is_test = [row["speaker"] in TEST_DIGIT_SPEAKERS for row in rows]
    train = [row for row, held_out in zip(rows, is_test, strict=True) if not held_out]
    test = [row for row, held_out in zip(rows, is_test, strict=True) if held_out]
    return write_rows(work / "train.jsonl", train), write_rows(work / "test.jsonl", test)


def split_voices(speech: Path) -> tuple[list[Row], list[Row]]:
    """Return the utterances of training speakers and of held-out ones."""
    held_out = read_rows(speech, [HELD_OUT_SET])
    names = {row["speaker"] for row in held_out}
    rows = [row for row in read_rows(speech, TRAIN_SETS) if row["speaker"] not in names]
    return rows, held_out


def cut_voices(speech: Path, work: Path) -> Path:
    """Write the manifest of short pieces of many speakers, of each not too many."""
    pieces: dict[str, list[Row]] = {}
    for row in split_voices(speech)[0]:
        own = pieces.setdefault(row["speaker"], [])
        for number in range(int(row["duration"] // PIECE_S)):
            own.append(row | {"offset": number * PIECE_S, "duration": PIECE_S})
    rng = np.random.default_rng(0)
    chosen = []
    for own in pieces.values():
        chosen += [own[i] for i in rng.permutation(len(own))[:MAX_PIECES]]
    return write_rows(work / "train.jsonl", chosen)


def write_trials(
    path: Path, rows: Iterable[Row], *, num_clips: int, other_recordings: bool = False
) -> Path:
    """Write all pairs of some clips of each speaker as a list of trials.

    Args:
        path: The list.
        rows: Utterances, named as LibriSpeech's (speaker-chapter-number).
        num_clips: Of each speaker, evenly chosen.
        other_recordings: Leaves out pairs of one chapter: they share room and microphone, which
            tell speakers apart as well as voices do.
    """
    by_speaker: dict[str, list[Row]] = {}
    for row in rows:
        by_speaker.setdefault(row["speaker"], []).append(row)
    clips = []
    for own in by_speaker.values():
        positions = np.linspace(0, len(own) - 1, min(num_clips, len(own)))
        clips += [own[round(position)]["audio_filepath"] for position in positions]
    lines = []
    for first, second in combinations(clips, 2):
        (speaker, chapter), (other, other_chapter) = map(_read_name, (first, second))
        if not (other_recordings and (speaker, chapter) == (other, other_chapter)):
            lines.append(f"{int(speaker == other)} {first} {second}\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _read_name(path: str) -> tuple[str, str]:
    """Return speaker and chapter of a file of LibriSpeech."""
    speaker, chapter, _ = Path(path).stem.split("-")
    return speaker, chapter


def mix(
    rows: Iterable[Row], folder: Path, recipe: MixtureRecipe, *, num_mixtures: int, seed: int
) -> Path:
    """Write simulated conversations; return their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    utterances = [
        Utterance(Path(row["audio_filepath"]), row["duration"], "", row["speaker"]) for row in rows
    ]
    voices = group_by_speaker(utterances)
    write_mixtures(voices, recipe, folder, num_mixtures=num_mixtures, seed=seed)
    return folder / MANIFEST_NAME
