"""Turns of speakers in manifests and as labels of frames."""

import pytest

from wav2vec2_conformer.data.speaker_turns import (
    SpeakerTurn,
    as_segments,
    join_turns,
    label_frames,
    parse_segments,
)
from wav2vec2_conformer.errors import InputError, ManifestError

TURNS = (SpeakerTurn(0.0, 1.5, "a"), SpeakerTurn(1.0, 2.25, "b"))


def test_segments_of_a_manifest_are_read_back_sorted() -> None:
    assert parse_segments(as_segments(reversed(TURNS)), "line 1") == TURNS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0 1 a", "must be a list"),
        ([{"start": 0, "end": 1}], "number 1: needs start, end and speaker"),
        ([{"start": -1, "end": 1, "speaker": "a"}], "start must be a number"),
        ([{"start": 2, "end": 1, "speaker": "a"}], "not after its start"),
        ([{"start": 0, "end": "1", "speaker": "a"}], "end must be a positive"),
    ],
)
def test_segments_that_are_none_are_refused_with_their_place(value: object, words: str) -> None:
    with pytest.raises(ManifestError, match=f"^line 7: .*{words}"):
        parse_segments(value, "line 7")


def test_a_frame_is_spoken_where_its_middle_is() -> None:
    labels = label_frames(TURNS, ["a", "b"], num_frames=9, frame_s=0.25)
    assert labels[:, 0].tolist() == [1] * 6 + [0] * 3
    assert labels[:, 1].tolist() == [0] * 4 + [1] * 5
    third = label_frames([SpeakerTurn(0.1, 0.4, "a")], ["a"], num_frames=3, frame_s=0.25)
    assert third[:, 0].tolist() == [1, 1, 0]  # middles at 0.125, 0.375 and 0.625


def test_labels_may_begin_within_the_recording() -> None:
    whole = label_frames(TURNS, ["b", "a"], num_frames=9, frame_s=0.25)
    part = label_frames(TURNS, ["b", "a"], num_frames=4, frame_s=0.25, start_s=0.75)
    assert part.tolist() == whole[3:7].tolist()


def test_a_speaker_without_a_column_is_refused() -> None:
    with pytest.raises(InputError, match="speaker 'b' is none of a"):
        label_frames(TURNS, ["a"], num_frames=3, frame_s=0.5)


def test_turns_of_one_speaker_are_joined_across_short_gaps_alone() -> None:
    turns = [
        SpeakerTurn(0, 1, "a"),
        SpeakerTurn(1.2, 2, "a"),
        SpeakerTurn(0.5, 1.1, "b"),
        SpeakerTurn(2.5, 3, "a"),
        SpeakerTurn(1.5, 1.8, "a"),
    ]
    joined = join_turns(turns, max_gap_s=0.3)
    assert joined == (SpeakerTurn(0, 2, "a"), SpeakerTurn(0.5, 1.1, "b"), SpeakerTurn(2.5, 3, "a"))
