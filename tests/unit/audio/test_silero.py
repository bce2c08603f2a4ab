"""The network in numpy against the vendor's own file of it."""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from wav2vec2_conformer.audio import load_audio, silero
from wav2vec2_conformer.audio.speech_detection import check_speech_detection
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.errors import InputError, MissingExtraError


def their_weights(model: torch.nn.Module) -> silero.Weights:
    """Return the weights of the TorchScript file under the names of the safetensors file."""
    names = {"_model.stft.forward_basis_buffer": "stft_conv.weight"}
    for number in range(4):
        for part in ("weight", "bias"):
            key = f"_model.encoder.{number}.reparam_conv.{part}"
            names[key] = f"conv{number + 1}.{part}"
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        names[f"_model.decoder.rnn.{part}"] = f"lstm_cell.{part}"
    for part in ("weight", "bias"):
        names[f"_model.decoder.decoder.2.{part}"] = f"final_conv.{part}"
    state = model.state_dict()
    return {name: state[key].numpy() for key, name in names.items()}


def test_equals_the_vendors_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        model = torch.jit.load(str(silero.find_weights().with_name("silero_vad.jit")))
    weights = their_weights(model)
    monkeypatch.setattr(silero, "_load_weights", lambda _: weights)
    waveform = np.concatenate([load_audio(clip) for clip in bundled_clips()])
    ours = np.concatenate(list(silero.iter_silero_scores([waveform], 16_000))) / 2
    frames = np.pad(waveform, (0, -len(waveform) % 512)).reshape(-1, 512)
    theirs = [model(torch.from_numpy(frame), 16_000).item() for frame in frames]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert min(theirs) < 0.1
    assert max(theirs) > 0.9


def test_nothing_of_the_package_is_imported() -> None:
    next(silero.iter_silero_scores([np.zeros(512, np.float32)], 16_000))
    assert "silero_vad" not in sys.modules


def test_another_rate_is_refused() -> None:
    with pytest.raises(InputError, match="energy"):
        check_speech_detection("silero", 8_000)
    with pytest.raises(InputError, match="energy"):
        next(silero.iter_silero_scores([np.zeros(512, np.float32)], 8_000))


@pytest.mark.parametrize("is_old", [False, True])
def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_old: bool
) -> None:
    spec = None
    if is_old:  # a package without the file
        spec = importlib.util.spec_from_file_location(
            "silero_vad", tmp_path / "__init__.py", submodule_search_locations=[str(tmp_path)]
        )
    monkeypatch.setattr(silero, "find_spec", lambda _: spec)
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[vad\]"):
        check_speech_detection("silero", 16_000)
