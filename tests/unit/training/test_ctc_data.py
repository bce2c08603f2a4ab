"""Only utterances that CTC can learn from are kept, and what is left out is said."""

import json
import logging
from pathlib import Path

import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor
from wav2vec2_conformer.training.ctc_data import (
    num_frames_needed,
    read_examples,
    select_trainable,
)
from wav2vec2_conformer.training.examples import Examples, check_has_frames


def count_frames(num_samples):
    return num_samples // 320


def examples(*pairs):
    return Examples(
        [Utterance(Path(f"{i}.wav"), duration, "") for i, (duration, _) in enumerate(pairs)],
        [target for _, target in pairs],
    )


@pytest.mark.parametrize(
    ("target", "frames"),
    [([], 0), ([5], 1), ([5, 6, 5], 3), ([5, 5, 5], 5), ([5, 5, 6, 6], 6)],
)
def test_repeated_tokens_need_a_blank_between(target, frames):
    assert num_frames_needed(target) == frames


def test_unusable_utterances_are_left_out_and_counted(caplog):
    caplog.set_level(logging.INFO, logger="wav2vec2_conformer")
    kept = select_trainable(
        examples((1.0, [5]), (1.0, []), (21.0, [5]), (0.1, [5] * 3), (0.08, [5] * 3)),
        count_frames,
        max_duration_s=20.0,
    )
    assert kept.durations_s == [1.0, 0.1]
    for reason in (
        "1 utterances left out: they have no text",
        "1 utterances left out: they are longer than max_duration_s, 20 s",
        "1 utterances left out: they have fewer frames than their text needs",
        "training: 2 utterances",
    ):
        assert reason in caplog.text


def test_fastest_speed_decides_whether_a_text_fits():
    tight = examples((1.0, [5]), (0.1, [5] * 3))
    assert len(select_trainable(tight, count_frames, max_speed=1.0).targets) == 2
    assert len(select_trainable(tight, count_frames, max_speed=1.1).targets) == 1


def test_nothing_left_is_an_error():
    with pytest.raises(ManifestError, match=r"none of the 2 .* 1 have no text, 1 are longer"):
        select_trainable(examples((1.0, []), (9.0, [5])), count_frames, max_duration_s=5.0)


def test_validation_clip_without_a_frame_is_named():
    check_has_frames(examples((0.02, [])), count_frames)
    with pytest.raises(ManifestError, match=r"1\.wav: 0\.01 s are too short"):
        check_has_frames(examples((1.0, [5]), (0.01, [5])), count_frames)


def test_texts_are_normalized_encoded_and_unknown_characters_reported(tmp_path, caplog):
    manifests = []
    for name, text in [("a", "It's!"), ("b", "É 3 é")]:
        (tmp_path / f"{name}.wav").touch()
        entry = {"audio_filepath": f"{name}.wav", "duration": 1, "text": text}
        manifests.append(tmp_path / f"{name}.jsonl")
        manifests[-1].write_text(json.dumps(entry))
    tokenizer = build_processor(LIBRISPEECH_VOCABULARY).tokenizer
    read = read_examples(manifests, tokenizer, "training")
    assert read.targets == [[10, 6, 27, 12], [3, 4, 3, 4, 3]]
    assert [utterance.audio_path.name for utterance in read.utterances] == ["a.wav", "b.wav"]
    assert "3 characters are not in the vocabulary and become <unk>: 'É' 2x, '3' 1x" in caplog.text
