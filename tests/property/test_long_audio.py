"""However a recording is cut, read or padded with silence, its transcript is the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wav2vec2_conformer.audio import AudioBlocks, load_audio
from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.inference import Transcriber, Transcript
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.windows import iter_windows

RATE_HZ = 16_000
PAUSE_S = 0.4


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Two minutes of the clips in the package, with pauses between them."""
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    clips = [np.concatenate([load_audio(clip), pause]) for clip in bundled_clips()]
    return np.concatenate(clips * 3)[: 120 * RATE_HZ]


def log_probs_of(transcriber: Transcriber, audio: np.ndarray, **options: float) -> np.ndarray:
    reader = LogProbReader(transcriber.model, transcriber.processor, **options)
    return np.concatenate(list(reader.read(AudioBlocks(audio, RATE_HZ))))


def words_of(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [(word.text, word.start_s, word.end_s) for word in transcript.words]


def test_joints_are_not_to_be_seen(transcriber: Transcriber, speech: np.ndarray) -> None:
    """Frames beside a joint differ from the whole's no more than frames far from any.

    Every frame attends to the whole window, so all differ a little; the tolerance is that of
    docs/guides/long-audio.md.
    """
    reader = LogProbReader(transcriber.model, transcriber.processor, window_s=15.0, context_s=3.0)
    prepared = reader.prepare([speech]).normalize([speech])
    windows = list(iter_windows(SampleReader(prepared), reader.windowing))
    whole = log_probs_of(transcriber, speech, window_s=1_000.0, context_s=3.0)
    chunked = log_probs_of(transcriber, speech, window_s=15.0, context_s=3.0)
    assert chunked.shape == whole.shape
    changed = chunked.argmax(axis=1) != whole.argmax(axis=1)
    is_near = np.zeros(len(whole), bool)
    reach = round(0.3 / reader.frame_s)
    for window in windows[1:]:
        is_near[window.start_frame - reach : window.start_frame + reach] = True
    assert is_near.sum() > 200
    assert changed.mean() < 0.2
    assert changed[is_near].mean() < changed[~is_near].mean() + 0.05


def test_inserted_silence_moves_words_and_changes_none(transcriber: Transcriber) -> None:
    listener = Transcriber(transcriber.model, transcriber.processor, speech_detection="energy")
    frame_samples = transcriber.model.config.inputs_to_logits_ratio
    silence = np.zeros(60 * RATE_HZ // frame_samples * frame_samples, np.float32)
    pieces: list[np.ndarray] = []
    expected: list[tuple[str, float, float]] = []
    num_samples = 0
    for path in bundled_clips():
        clip = load_audio(path)
        # Half a second of silence at both ends, and a whole number of frames.
        clip = np.pad(clip, (8_160, 8_160 + -len(clip) % frame_samples))
        start_s = num_samples / RATE_HZ
        for text, first_s, last_s in words_of(listener.transcribe(clip, RATE_HZ)):
            expected.append((text, start_s + first_s, start_s + last_s))
        pieces += [clip, silence]
        num_samples += len(clip) + len(silence)
    joined = words_of(listener.transcribe(np.concatenate(pieces), RATE_HZ))
    assert [text for text, *_ in joined] == [text for text, *_ in expected]
    for (_, *times_s), (_, *expected_s) in zip(joined, expected, strict=True):
        np.testing.assert_allclose(times_s, expected_s, atol=0.002)
    assert len(joined) > 50


def test_hiss_without_speech_has_no_words(transcriber: Transcriber) -> None:
    listener = Transcriber(transcriber.model, transcriber.processor, speech_detection="silero")
    hiss = np.random.default_rng(0).normal(0, 1e-3, 100 * RATE_HZ).astype(np.float32)
    clip = load_audio(bundled_clips()[0])
    hiss[60 * RATE_HZ : 60 * RATE_HZ + len(clip)] += clip
    words = words_of(listener.transcribe(hiss, RATE_HZ))
    assert len(words) > 3
    assert words[0][1] > 59.5
    assert words[-1][2] < 60.5 + len(clip) / RATE_HZ


def test_a_long_file_in_blocks_equals_its_samples_in_memory(
    transcriber: Transcriber, speech: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "speech.wav"
    soundfile.write(path, speech, RATE_HZ, "FLOAT")
    assert words_of(transcriber.transcribe(path)) == words_of(
        transcriber.transcribe(speech, RATE_HZ)
    )


# From here on with a tiny model, for many lengths.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Transcriber:
    """A random model with a short reach, so that any cut must give the same frames."""
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
    from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

    vocabulary = tmp_path_factory.mktemp("tiny") / "vocab.json"
    vocabulary.write_text('{"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 5, "B": 6}')
    processor = Wav2Vec2Processor(
        feature_extractor=Wav2Vec2FeatureExtractor(return_attention_mask=True),
        tokenizer=Wav2Vec2CTCTokenizer(str(vocabulary)),
    )
    torch.manual_seed(0)
    model = Wav2Vec2ConformerForCTC(
        Wav2Vec2ConformerConfig(
            vocab_size=7,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            hidden_act="swish",
            feat_extract_norm="layer",
            conv_dim=(4,) * 7,
            conv_depthwise_kernel_size=3,
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
        )
    ).eval()
    for layer in model.wav2vec2_conformer.encoder.layers:
        torch.nn.init.zeros_(layer.self_attn.linear_out.weight)  # attention sees everything
        torch.nn.init.zeros_(layer.self_attn.linear_out.bias)
    torch.nn.init.normal_(model.lm_head.weight)
    return Transcriber(model, processor, window_s=0.7, context_s=0.1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    num_samples=st.integers(0, 60_000),
    window_ms=st.integers(300, 2_000),
    context_ms=st.integers(80, 140),
    batch_seconds=st.floats(0.1, 5.0),
)
def test_with_a_short_reach_every_cut_is_exact(
    tiny: Transcriber, num_samples: int, window_ms: int, context_ms: int, batch_seconds: float
) -> None:
    rng = np.random.default_rng(num_samples)
    audio = rng.normal(0, 0.1, num_samples).astype(np.float32)
    whole = LogProbReader(tiny.model, tiny.processor, window_s=10.0, context_s=1.0)
    cut = LogProbReader(
        tiny.model, tiny.processor, window_s=window_ms / 1_000, context_s=context_ms / 1_000
    )

    def read(reader: LogProbReader) -> Iterator[np.ndarray]:
        yield np.empty((0, 7), np.float32)
        if num_samples:
            yield from reader.read(AudioBlocks(audio, RATE_HZ), batch_seconds=batch_seconds)

    np.testing.assert_allclose(
        np.concatenate(list(read(cut))), np.concatenate(list(read(whole))), atol=1e-4
    )
