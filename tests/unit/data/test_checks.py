"""Findings: what is wrong with clips and texts, duplicates, and overlap with validation data."""

from pathlib import Path

import pytest

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.checks import (
    Limits,
    build_frame_counter,
    find_duplicates,
    find_in_clip,
    find_in_text,
    find_overlap,
)
from wav2vec2_conformer.data.clip_check import ClipCheck
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

GOOD = {"sample_rate_hz": 16_000, "duration_s": 2.0, "silent_share": 0.1, "digest": "a"}
VOCABULARY = {t: i for i, t in enumerate(["<pad>", "<unk>", "|", *"ABCL"])}
LIMITS = Limits(max_duration_s=10.0)


def utterance(text="A", duration_s=2.0, **fields):
    return Utterance(Path("a.wav"), duration_s, text, **fields)


def kinds(findings):
    return [finding.kind for finding in findings]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"damage": "cut off"}, ["truncated"]),
        ({"duration_s": 1.5}, ["duration"]),
        ({"duration_s": 1.95}, []),
        ({"duration_s": 0.05}, ["duration", "too-short"]),
        ({"duration_s": 11.0}, ["duration", "too-long"]),
        ({"silent_share": 1.0}, ["silent"]),
        ({"silent_share": 0.9}, ["mostly-silent"]),
        ({"clipped_share": 0.01}, ["clipping"]),
        ({"offset": -0.1}, ["dc-offset"]),
        ({"sample_rate_hz": 8_000}, ["low-rate"]),
        ({"sample_rate_hz": None}, []),
    ],
)
def test_findings_in_a_clip(changes, expected):
    check = ClipCheck(problem=None, **(GOOD | changes))
    assert kinds(find_in_clip(utterance(), check, LIMITS)) == expected


def test_unreadable_clip_has_one_finding_and_a_segment_beyond_the_end_is_cut():
    assert kinds(find_in_clip(utterance(), ClipCheck(problem="a.wav: bad"), LIMITS)) == [
        "unreadable"
    ]
    check = ClipCheck(problem=None, **(GOOD | {"duration_s": 1.0}))
    assert kinds(find_in_clip(utterance(offset_s=3.0), check, LIMITS)) == ["truncated"]


@pytest.mark.parametrize(
    ("text", "num_frames", "expected"),
    [
        ("a, b", 3, []),
        ("a, b", 2, ["infeasible"]),
        ("ALL", 4, []),
        ("ALL", 3, ["infeasible"]),
        ("...", 9, ["no-text"]),
        ("", 9, ["no-text"]),
        ("AXYB", 9, ["unknown-symbols"]),
        # Two unknown characters are one token twice.
        ("AXYB", 5, ["unknown-symbols"]),
        ("AXYB", 4, ["unknown-symbols", "infeasible"]),
    ],
)
def test_findings_in_a_text(text, num_frames, expected):
    assert kinds(find_in_text(text, 1.0, VOCABULARY, lambda _: num_frames)) == expected


def test_unknown_characters_are_named():
    (finding,) = find_in_text("\u0651A", 1.0, VOCABULARY, lambda _: 9)
    assert "ARABIC SHADDA" in finding.detail


def test_frames_are_the_models(tiny_config_kwargs):
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs)
    model = Wav2Vec2ConformerForCTC(config)
    count_frames = build_frame_counter(config.conv_kernel, config.conv_stride)
    for num_samples in (0, 399, 400, 719, 720, 16_000, 159_999):
        expected = int(model._get_feat_extract_output_lengths(num_samples))
        assert count_frames(num_samples) == max(0, expected)


def checks(*digests, **changes):
    return [ClipCheck(problem=None, **(GOOD | changes | {"digest": d})) for d in digests]


def test_later_copies_are_duplicates_and_silence_is_none():
    utterances = [utterance(text) for text in "ABAC"]
    found = list(find_duplicates(utterances, checks("a", "b", "a", "b")))
    assert [position for position, _ in found] == [2, 3]
    assert [f.detail for _, f in found] == [
        "as a.wav, with the same text",
        "as a.wav, with another text",
    ]
    assert not list(find_duplicates(utterances, checks(*"aaaa", silent_share=1)))
    assert not list(find_duplicates(utterances, [ClipCheck(problem="bad")] * 4))


def test_overlap_by_audio_text_and_speaker():
    train = [
        utterance("Good day!", speaker="s1"),
        utterance("x", speaker="s2"),
        utterance("", speaker=None),
    ]
    valid = [utterance("good  day", speaker="s2"), utterance("", speaker=None)]
    found = list(find_overlap(train, checks("a", "b", "c"), valid, checks("d", "c")))
    assert [(position, finding.kind) for position, finding in found] == [
        (0, "valid-text"),
        (1, "valid-speaker"),
        (2, "valid-audio"),
    ]
