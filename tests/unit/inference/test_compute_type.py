"""Names of types, what `auto` makes of them, and models that are loaded in them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from wav2vec2_conformer.cli.model_flags import ComputeTypeName
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference import Transcriber, compute_type
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.compute_type import ComputeType, choose_compute_type
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.models import int8
from wav2vec2_conformer.models.int8 import is_int8
from wav2vec2_conformer.nn.int8_linear import has_int8_products
from wav2vec2_conformer.server.settings import ServerSettings

CPU = torch.device("cpu")
needs_int8 = pytest.mark.skipif(not has_int8_products(), reason="no int8 products here")


def noise(duration_s: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, round(duration_s * 16_000)).astype(np.float32)


@pytest.mark.parametrize(
    ("has_amx", "has_vnni", "expected"),
    [
        (True, True, "bfloat16"),
        (False, True, "int8"),
        (False, False, "float32"),
    ],
)
def test_auto_is_what_the_processor_is_best_at(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    has_amx: bool,
    has_vnni: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    monkeypatch.setattr(compute_type, "has_int8_products", lambda: has_vnni)
    with caplog.at_level(logging.INFO, logger=compute_type.__name__):
        assert choose_compute_type("auto", CPU) == expected
    assert f"compute type: {expected} (this processor has" in caplog.text


@pytest.mark.parametrize(("has_bfloat16", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_on_a_gpu(monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bfloat16)
    assert choose_compute_type("auto", torch.device("cuda")) == expected


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"must be one of auto, float32, .* but is 'int3'"):
        choose_compute_type("int3", CPU)
    with pytest.raises(InputError, match="on the CPU only, and the device is cuda"):
        choose_compute_type("int8", torch.device("cuda"))
    monkeypatch.setattr(int8, "has_int8_products", lambda: False)
    with pytest.raises(InputError, match=r"VNNI.*Use float32"):
        choose_compute_type("int8", CPU)


def test_flags_and_the_server_know_the_same_names() -> None:
    assert get_args(ComputeTypeName) == get_args(ComputeType)
    for name in get_args(ComputeType):
        assert ServerSettings(compute_type=name).compute_type == name


@pytest.mark.may_skip
@needs_int8
def test_every_task_runs_in_int8(
    tiny_checkpoint: Path, tmp_path: Path, save_classifier: Callable[..., Path]
) -> None:
    options: dict[str, Any] = {"device": "cpu", "compute_type": "int8"}
    transcriber = Transcriber.from_pretrained(tiny_checkpoint, **options)
    assert is_int8(transcriber.model)
    assert transcriber.transcribe(noise(1.0), 16_000).text
    classifier = Classifier.from_pretrained(save_classifier(tmp_path), **options)
    embedder = Embedder.from_pretrained(tiny_checkpoint, **options)
    for task, other in (
        (classifier, Classifier.from_pretrained(tmp_path, device="cpu")),
        (embedder, Embedder.from_pretrained(tiny_checkpoint, device="cpu")),
    ):
        found, expected = (_values(t, noise(1.0)) for t in (task, other))
        assert not np.array_equal(found, expected)
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def _values(task: Any, clip: np.ndarray) -> np.ndarray:
    if isinstance(task, Classifier):
        result = task.classify(clip, 16_000)
        return np.array([score for _, score in sorted(result.scores.items())])
    vector: np.ndarray = task.embed(clip, 16_000).vector
    return vector
