"""Embeddings against the model's own hidden states, alone, in batches and by windows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.audio.normalization import normalize_waveform
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import AudioError, CheckpointError, InputError
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.embedding import Embedding
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector

RATE_HZ = 16_000
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def noise(duration_s: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, round(duration_s * RATE_HZ)).astype(np.float32)


@pytest.fixture
def xvector_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A random speaker model with learned layer weights that differ."""
    config = Wav2Vec2ConformerConfig.from_pretrained(
        tiny_checkpoint,
        use_weighted_layer_sum=True,
        num_labels=3,
        tdnn_dim=(8, 8, 12),
        tdnn_kernel=(5, 3, 1),
        tdnn_dilation=(1, 2, 1),
        xvector_output_dim=6,
    )
    model = Wav2Vec2ConformerForXVector(config)
    torch.nn.init.normal_(model.layer_weights)
    model.save_pretrained(tmp_path / "xvector")
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(tmp_path / "xvector")
    return tmp_path / "xvector"


@pytest.fixture
def states(tiny_checkpoint: Path) -> np.ndarray:
    """Hidden states (layers, T, D) of a second of noise."""
    model = Wav2Vec2ConformerModel.from_pretrained(tiny_checkpoint)
    waveform = torch.from_numpy(normalize_waveform(noise(1.0)))[None]
    with torch.inference_mode():
        return torch.stack(model(waveform, output_hidden_states=True).hidden_states)[:, 0].numpy()


@pytest.mark.parametrize(("layer", "number"), [(0, 0), (1, 1), (2, 2), (-1, 2), (-3, 0), (None, 2)])
def test_a_layer_is_the_models_hidden_state(
    tiny_checkpoint: Path, states: np.ndarray, layer: int | None, number: int
) -> None:
    embedder = Embedder.from_pretrained(tiny_checkpoint, layer=layer, device="cpu")
    result = embedder.embed(noise(1.0), RATE_HZ, level="frame")
    assert result.layer == embedder.layer == number
    assert result.frame_s == 0.02
    assert result.duration_s == 1.0
    np.testing.assert_allclose(result.frames, states[number], **TOLERANCE)
    np.testing.assert_allclose(result.vector, states[number].mean(axis=0), **TOLERANCE)


def test_all_layers_have_an_axis_of_their_own(tiny_checkpoint: Path, states: np.ndarray) -> None:
    embedder = Embedder.from_pretrained(tiny_checkpoint, layer="all", device="cpu")
    result = embedder.embed(noise(1.0), RATE_HZ, level="frame")
    np.testing.assert_allclose(result.frames, states, **TOLERANCE)
    np.testing.assert_allclose(result.vector, states.mean(axis=1), **TOLERANCE)
    assert embedder.embed(noise(1.0), RATE_HZ).frames is None


@pytest.mark.parametrize("layer", [1, "all"])
def test_a_batch_gives_what_single_recordings_give(tiny_checkpoint: Path, layer: int | str) -> None:
    embedder = Embedder.from_pretrained(tiny_checkpoint, layer=layer, device="cpu")
    clips = [noise(length_s, seed) for seed, length_s in enumerate([0.4, 1.1, 0.7, 0.03])]
    together = list(embedder.embed_many(clips, sample_rate_hz=RATE_HZ, level="frame"))
    for clip, result in zip(clips, together, strict=True):
        alone = embedder.embed(clip, RATE_HZ, level="frame")
        np.testing.assert_allclose(result.frames, alone.frames, **TOLERANCE)
        np.testing.assert_allclose(result.vector, alone.vector, **TOLERANCE)


def test_windows_join_to_as_many_frames_as_the_whole_has(tiny_checkpoint: Path) -> None:
    clip = noise(4.0)
    whole = Embedder.from_pretrained(tiny_checkpoint, device="cpu").embed(
        clip, RATE_HZ, level="frame"
    )
    for window_s in (2.5, 1.5):  # in memory, and in blocks
        embedder = Embedder.from_pretrained(
            tiny_checkpoint, device="cpu", window_s=window_s, context_s=0.5
        )
        progress: list[float] = []
        [result] = embedder.embed_many(
            [clip], sample_rate_hz=RATE_HZ, level="frame", on_progress=progress.append
        )
        assert result.frames.shape == whole.frames.shape
        assert result.duration_s == 4.0
        assert sum(progress) == pytest.approx(len(whole.frames) * 0.02)
        # The attention of a window ends with it; the frames stay nearly the same.
        cosines = (result.frames * whole.frames).sum(axis=1) / (
            np.linalg.norm(result.frames, axis=1) * np.linalg.norm(whole.frames, axis=1)
        )
        assert cosines.min() > 0.9
        np.testing.assert_allclose(result.vector, result.frames.mean(axis=0), **TOLERANCE)


def test_the_speaker_head_makes_the_vector(xvector_checkpoint: Path) -> None:
    model = Wav2Vec2ConformerForXVector.from_pretrained(xvector_checkpoint)
    embedder = Embedder.from_pretrained(xvector_checkpoint, device="cpu")
    assert embedder.layer == "xvector"
    for duration_s in (1.0, 0.06):  # the second is shorter than the head's field
        clip = noise(duration_s)
        with torch.inference_mode():
            expected = model(torch.from_numpy(normalize_waveform(clip))[None]).embeddings[0]
        result = embedder.embed(clip, RATE_HZ)
        np.testing.assert_allclose(result.vector, expected.numpy(), **TOLERANCE)
        assert result.vector.shape == (embedder.dim,)


def test_learned_weights_make_a_layer(xvector_checkpoint: Path) -> None:
    model = Wav2Vec2ConformerForXVector.from_pretrained(xvector_checkpoint)
    everything = Embedder.from_pretrained(xvector_checkpoint, layer="all", device="cpu")
    weighted = Embedder.from_pretrained(xvector_checkpoint, layer="weighted", device="cpu")
    layers = everything.embed(noise(0.5), RATE_HZ).vector
    expected = model.layer_weights.detach().softmax(0).numpy() @ layers
    result = weighted.embed(noise(0.5), RATE_HZ)
    assert result.layer == "weighted"
    np.testing.assert_allclose(result.vector, expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("layer", "message"),
    [(3, "from 0 to 2"), (-4, "from 0 to 2"), ("last", "from 0 to 2"), ("weighted", "no learned")],
)
def test_a_layer_that_is_not_there_is_refused(
    tiny_checkpoint: Path, layer: int | str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Embedder.from_pretrained(tiny_checkpoint, layer=layer, device="cpu")


def test_a_head_without_its_weights_is_refused(
    tiny_checkpoint: Path, xvector_checkpoint: Path
) -> None:
    weights = (tiny_checkpoint / "model.safetensors").read_bytes()
    (xvector_checkpoint / "model.safetensors").write_bytes(weights)
    with pytest.raises(CheckpointError, match="promises a head whose weights are missing"):
        Embedder.from_pretrained(xvector_checkpoint, device="cpu")


def test_failures_keep_their_place(tiny_checkpoint: Path) -> None:
    embedder = Embedder.from_pretrained(tiny_checkpoint, device="cpu")
    sources = ["missing.wav", noise(0.5), noise(0.01), noise(0.5, 1)]
    results = list(embedder.embed_many(sources, sample_rate_hz=RATE_HZ))
    assert [type(result) for result in results] == [Failure, Embedding, Failure, Embedding]
    with pytest.raises(AudioError, match=r"0\.010 s long, shorter than one frame"):
        embedder.embed(noise(0.01), RATE_HZ)


def test_fingerprints_tell_models_and_layers_apart_and_not_compute_types(
    tiny_checkpoint: Path, xvector_checkpoint: Path
) -> None:
    def fingerprint(place: Path, **options: object) -> str:
        return Embedder.from_pretrained(place, device="cpu", **options).fingerprint

    first = fingerprint(tiny_checkpoint, layer=1)
    assert fingerprint(tiny_checkpoint, layer=1, compute_type="bfloat16") == first
    assert fingerprint(tiny_checkpoint, layer=2) != first
    assert fingerprint(xvector_checkpoint, layer=1) != first
