"""Models of log-mel features: what they hear in windows, streams and batches."""

import re

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertProcessor

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.checkpoints.processor import load_feature_extractor, load_processor
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.log_mel_statistics import LogMelStatistics
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.model_inputs import num_mel_bands, to_model_inputs
from wav2vec2_conformer.inference.preparation import prepare
from wav2vec2_conformer.inference.stream_session import StreamSession
from wav2vec2_conformer.inference.windows import iter_windows
from wav2vec2_conformer.models.wav2vec2_bert import Wav2Vec2BertForCTC
from wav2vec2_conformer.nn.log_mel import LogMelFrontEnd, band_moments, log_mel
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random checkpoint, whose files are those that transformers writes."""
    place = tmp_path_factory.mktemp("log-mel")
    tokenizer = build_processor(LIBRISPEECH_VOCABULARY).tokenizer
    Wav2Vec2BertProcessor(SeamlessM4TFeatureExtractor(), tokenizer).save_pretrained(place)
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(
        vocab_size=32,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        conv_depthwise_kernel_size=5,
    )
    model = Wav2Vec2BertForCTC(config)
    torch.nn.init.normal_(model.lm_head.weight)
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def model(folder):
    return Wav2Vec2BertForCTC.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def processor(folder):
    return load_processor(folder)


@pytest.fixture
def recording():
    """Five seconds of noise whose loudness and colour change."""
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * RATE_HZ)
    noise[RATE_HZ:] = 0.3 * (noise[RATE_HZ:] + noise[RATE_HZ - 1 : -1])
    return noise.astype(np.float32)


@pytest.mark.parametrize("block_samples", [1, 7, 399, 401, 20_000])
def test_statistics_do_not_depend_on_the_blocks(recording, block_samples):
    recording = recording[: 2_000 if block_samples == 1 else None]
    statistics = LogMelStatistics(80)
    for start in range(0, len(recording), block_samples):
        statistics.add(recording[start : start + block_samples])
    expected = band_moments(log_mel(torch.from_numpy(recording)[None], 80))
    torch.testing.assert_close(statistics.moments, expected, atol=1e-5, rtol=1e-5)


def test_each_region_has_its_own_moments(recording, monkeypatch):
    regions = [(0, 16_000), (32_000, 64_000)]
    monkeypatch.setattr(
        "wav2vec2_conformer.inference.preparation.find_speech", lambda *_, **__: regions
    )
    found = prepare(
        [recording[:30_000], recording[30_000:]],
        normalizes=False,
        num_mel_bands=80,
        speech_detection="energy",
        sample_rate_hz=RATE_HZ,
        frame_samples=320,
    )
    assert found.statistics is None
    for (start, end), moments in zip(regions, found.moments, strict=True):
        part = torch.from_numpy(recording[start:end])[None]
        expected = band_moments(log_mel(part, 80))
        torch.testing.assert_close(moments, expected, atol=1e-5, rtol=1e-5)


def test_windows_hear_what_the_whole_recording_has(model, processor, recording):
    reader = LogProbReader(model, processor, window_s=1.0, context_s=0.2)
    assert reader.frame_s == 0.02
    preparation = reader.prepare([recording])
    windows = list(
        iter_windows(SampleReader([recording]), reader.windowing, moments=preparation.moments)
    )
    assert len(windows) > 5
    whole = LogMelFrontEnd(160)(torch.from_numpy(recording)[None])[0]
    position = 0
    for window in windows:
        samples = torch.from_numpy(window.samples)[None]
        given = torch.ones_like(samples).long()
        features, mask = to_model_inputs(model, samples, given, [window.moments])
        assert mask.all()
        kept = features[0, window.first_frame : window.end_frame]
        assert window.start_frame == position
        expected = whole[position : position + len(kept)]
        torch.testing.assert_close(kept, expected, atol=1e-4, rtol=1e-4)
        position += len(kept)
    assert position == len(whole) == reader.count_frames(len(recording))


def test_one_window_is_transformers_own_result(model, processor, recording):
    given = processor(recording, sampling_rate=RATE_HZ, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**given).logits
    tokens = logits[:, : int(given.attention_mask.sum())].argmax(-1)
    expected = re.sub("<.*?>", "", processor.batch_decode(tokens)[0])  # special tokens
    transcript = Transcriber(model, processor).transcribe(recording, RATE_HZ)
    assert len(expected) > 20
    assert transcript.text == expected


def test_half_precision_hears_precise_features(model, recording):
    samples = torch.from_numpy(recording)[None]
    mask = torch.ones_like(samples).long()
    precise, _ = to_model_inputs(model, samples, mask)
    half = Wav2Vec2BertForCTC(model.config).to(torch.bfloat16)
    rounded, _ = to_model_inputs(half, samples, mask)
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(rounded, precise.to(torch.bfloat16))
    assert num_mel_bands(model) == 80


@pytest.mark.parametrize("block_samples", [511, 16_000])
def test_a_stream_does_not_depend_on_its_blocks(model, processor, recording, block_samples):
    def listen(size):
        decoder = Transcriber(model, processor).decoder
        session = StreamSession(model, processor, decoder)
        events = []
        for start in range(0, len(recording), size):
            events += session.feed(recording[start : start + size])
        return [str(event) for event in events + session.finish()]

    told = listen(block_samples)
    assert len(told) > 3
    assert told[-1] == listen(len(recording))[-1]


def test_processor_says_that_samples_stay_as_they_are(folder, processor):
    assert type(processor) is Wav2Vec2BertProcessor
    assert processor.feature_extractor.do_normalize is False
    assert load_feature_extractor(folder).num_mel_bins == 80


def test_other_features_are_refused(tmp_path):
    SeamlessM4TFeatureExtractor(stride=3).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"stride=3 are not supported, only with stride=2"):
        load_feature_extractor(tmp_path)
