"""A server in this process, with the bundled recognizer and clips of a second or two."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import soundfile
import torch
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.server.model_set import ModelSet, load_models
from wav2vec2_conformer.server.running import serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings

RATE_HZ = 16_000


@pytest.fixture(scope="session")
def models() -> ModelSet:
    """All tasks: the bundled recognizer, its encoder for voices, a random model for turns."""
    settings = ServerSettings(
        device="cpu", models="whisper-1=,second=", speaker_model="bundled:tiny-en"
    )
    torch.manual_seed(0)
    model = Wav2Vec2ConformerForAudioFrameClassification(
        Wav2Vec2ConformerConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=20,
            conv_dim=(8,) * 7,
            feat_extract_norm="layer",
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
            id2label={0: "speech"},
            label2id={"speech": 0},
            problem_type="multi_label_classification",
        )
    ).eval()
    loaded = load_models(settings)
    diarizer = Diarizer(model, Wav2Vec2FeatureExtractor(), loaded.verifier)
    return replace(loaded, diarizer=diarizer)


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """The samples of a bundled clip."""
    [clip] = [path for path in bundled_clips() if path.stem == "weasels"]
    return load_audio(clip)


def as_wav(samples: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def wav(speech: np.ndarray) -> bytes:
    """About two seconds of speech, as a file."""
    return as_wav(speech[: round(2.2 * RATE_HZ)])


@pytest.fixture(scope="module")
def address(models: ModelSet) -> Iterator[str]:
    """A running server."""
    settings = ServerSettings(port=0, max_audio_s=60, max_upload_mb=8, num_decoders=1)
    with serve_in_thread(settings, load=lambda _: models) as address:
        yield address


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    """The official client, unchanged but for its address."""
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def clip(tmp_path: Path, wav: bytes) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav)
    return path
