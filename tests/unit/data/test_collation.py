"""Batches are padded, masked and normalized as transformers' feature extractor does."""

import numpy as np
import torch
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.data.collation import SpeechCollator, pad_tokens


def examples():
    rng = np.random.default_rng(0)
    return [
        {
            "input_values": (3 * rng.standard_normal(n) + 1).astype(np.float32),
            "labels": np.arange(5, 5 + u),
            "utterance_id": f"{n}.wav",
        }
        for n, u in [(400, 3), (700, 1), (650, 0)]
    ]


def test_batch_equals_the_feature_extractor():
    batch = SpeechCollator()(examples())
    expected = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)(
        [example["input_values"] for example in examples()],
        sampling_rate=16_000,
        padding=True,
        return_tensors="pt",
    )
    torch.testing.assert_close(batch["input_values"], expected["input_values"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"].long())


def test_labels_are_padded_with_minus_100():
    labels = SpeechCollator()(examples())["labels"]
    assert labels.dtype == torch.int64
    assert labels.tolist() == [[5, 6, 7], [5, -100, -100], [-100, -100, -100]]


def test_without_normalization_samples_stay():
    batch = SpeechCollator(normalize=False)(examples())
    np.testing.assert_array_equal(batch["input_values"][1], examples()[1]["input_values"])


def test_silence_stays_finite():
    silent = [
        {
            "input_values": np.zeros(400, np.float32),
            "labels": np.array([5]),
            "utterance_id": "a.wav",
        }
    ]
    assert torch.equal(SpeechCollator()(silent)["input_values"], torch.zeros(1, 400))


def test_padding_is_to_a_multiple_and_known_to_the_labels():
    told = []

    def collate_labels(targets, num_samples, num_padded):
        told.append((num_samples, num_padded))
        return pad_tokens(targets, num_samples, num_padded)

    batch = SpeechCollator(collate_labels=collate_labels, pad_to_multiple_of=512)(examples())
    plain = SpeechCollator()(examples())
    assert told == [([400, 700, 650], 1024)]
    for name in ("input_values", "attention_mask"):
        assert batch[name].shape == (3, 1024)
        assert torch.equal(batch[name][:, :700], plain[name])
        assert not batch[name][:, 700:].any()
