"""The recipe of the bundled heads: nobody is tested on who was trained on."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from wav2vec2_conformer.data.trials import read_trials

RECIPE = Path(__file__).parents[2] / "recipes" / "heads" / "prepare.py"


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    specification = importlib.util.spec_from_file_location("prepare", RECIPE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def speech(tmp_path: Path, prepare: ModuleType) -> Path:
    """Manifests of sets that share speakers, without their audio."""
    speakers = {
        "librispeech_mini5": ["10", "11", "20"],
        "librispeech_train": ["10", "12", "20", "21"],
        prepare.HELD_OUT_SET: ["20", "21"],
        prepare.TEST_SET: ["30", "31"],
    }
    for name, own in speakers.items():
        rows = [
            {
                "audio_filepath": f"{name}/{speaker}-{chapter}-{number:04d}.opus",
                "duration": 10.0,
                "speaker": speaker,
            }
            for speaker in own
            for chapter in (1, 2)
            for number in range(2)
        ]
        prepare.write_rows(tmp_path / f"{name}.jsonl", rows)
    names = ["jackson", "lucas", *sorted(prepare.TEST_DIGIT_SPEAKERS)]
    digits = [
        {"audio_filepath": f"{name}-{digit}.opus", "duration": 0.4, "text": digit, "speaker": name}
        for name in names
        for digit in ("one", "two")
    ]
    prepare.write_rows(tmp_path / "fsdd.jsonl", digits)
    return tmp_path


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_digits_are_tested_on_other_speakers(
    prepare: ModuleType, speech: Path, tmp_path: Path
) -> None:
    train, test = map(read, prepare.split_digits(speech, tmp_path / "digits"))
    assert {row["speaker"] for row in train} == {"jackson", "lucas"}
    assert {row["speaker"] for row in test} == prepare.TEST_DIGIT_SPEAKERS
    assert all(row["label"] == row["text"] for row in train + test)


def test_held_out_voices_are_in_no_piece(prepare: ModuleType, speech: Path, tmp_path: Path) -> None:
    pieces = read(prepare.cut_voices(speech, tmp_path / "voices"))
    assert {row["speaker"] for row in pieces} == {"10", "11", "12"}
    assert all(row["offset"] + row["duration"] <= 10.0 for row in pieces)
    assert len({(row["audio_filepath"], row["offset"]) for row in pieces}) == len(pieces)
    train, held_out = prepare.split_voices(speech)
    assert not {row["speaker"] for row in train} & {row["speaker"] for row in held_out}


def test_trials_of_one_recording_can_be_left_out(
    prepare: ModuleType, speech: Path, tmp_path: Path
) -> None:
    rows = prepare.split_voices(speech)[1]
    every = read_trials(prepare.write_trials(tmp_path / "all.txt", rows, num_clips=4), None)
    apart = read_trials(
        prepare.write_trials(tmp_path / "apart.txt", rows, num_clips=4, other_recordings=True),
        None,
    )
    assert len(every) == 8 * 7 // 2
    assert sum(trial.is_target for trial in every) == 2 * 6
    assert sum(trial.is_target for trial in apart) == 2 * 4  # between two chapters
    assert len(apart) == len(every) - 2 * 2
    for trial in every:
        same = trial.first.name.split("-")[0] == trial.second.name.split("-")[0]
        assert trial.is_target == same
