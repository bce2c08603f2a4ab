"""The modules that measure, in this process: both sides are the same model."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from wav2vec2_conformer.benchmark import (
    clip,
    finetuning_step,
    matrix_product,
    pretraining_step,
    recording,
    utterances,
)
from wav2vec2_conformer.benchmark.comparison import logits_path
from wav2vec2_conformer.benchmark.names import ONNX, OPENVINO, OURS, OURS_INT8, TRANSFORMERS
from wav2vec2_conformer.benchmark.sizes import TINY
from wav2vec2_conformer.benchmark.speech_file import write_recording
from wav2vec2_conformer.nn.int8_linear import has_int8_products

Ask = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a module's `main` with arguments, and answer requests in this process."""

    def run(
        module: ModuleType, arguments: dict[str, Any], *requests: dict[str, Any]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        told: dict[str, Any] = {}
        answers: list[dict[str, Any]] = []

        class Interview:
            def __init__(self) -> None:
                self.arguments = {"threads": 1, **arguments}

            def answer_requests(
                self, work: Callable[[dict[str, Any]], dict[str, Any]], about: Any = None
            ) -> None:
                told.update(about or {})
                answers.extend(work(request) for request in requests)

        monkeypatch.setattr(module, "Conversation", Interview)
        module.main()
        return told, answers

    return run


def settings(positions: str = "relative") -> dict[str, Any]:
    return {**TINY, "position_embeddings_type": positions}


@pytest.mark.parametrize("positions", ["relative", "rotary"])
def test_clips_have_the_same_logits_in_both(ask: Ask, tmp_path: Path, positions: str) -> None:
    for name in (OURS, TRANSFORMERS):
        arguments = {"implementation": name, "settings": settings(positions), "warm_up_s": 0.5}
        about, [answer] = ask(clip, {**arguments, "folder": str(tmp_path)}, {"duration_s": 1.0})
        assert about["weights_mb"] > 0.1
        assert answer["wall_s"] > 0
        assert answer["flops_as_transformers"] >= answer["flops"] > 1e6
    ours, theirs = (np.load(logits_path(tmp_path, n, 1.0)) for n in (OURS, TRANSFORMERS))
    assert ours.shape == (1, 49, 32)
    assert ours.std() > 0.1  # random weights, and not a constant
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.may_skip
@pytest.mark.parametrize(("name", "package"), [(ONNX, "onnxscript"), (OPENVINO, "openvino")])
def test_exports_have_the_same_logits(ask: Ask, tmp_path: Path, name: str, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is of an extra")
    for implementation in (OURS, name):
        arguments = {"implementation": implementation, "settings": settings(), "warm_up_s": 1.0}
        ask(clip, {**arguments, "folder": str(tmp_path)}, {"duration_s": 1.0})
    ours, exported = (np.load(logits_path(tmp_path, n, 1.0)) for n in (OURS, name))
    np.testing.assert_allclose(ours, exported, atol=1e-4)


@pytest.mark.may_skip
@pytest.mark.skipif(not has_int8_products(), reason="this processor has no products in 8 bits")
def test_int8_is_near_and_smaller(ask: Ask, tmp_path: Path) -> None:
    found = {}
    for name in (OURS, OURS_INT8):
        arguments = {"implementation": name, "settings": settings(), "warm_up_s": 0.5}
        about, _ = ask(clip, {**arguments, "folder": str(tmp_path)}, {"duration_s": 1.0})
        found[name] = (about["weights_mb"], np.load(logits_path(tmp_path, name, 1.0)))
    assert found[OURS_INT8][0] < found[OURS][0]
    distance = np.abs(found[OURS_INT8][1] - found[OURS][1]).max()
    assert 0 < distance < 0.5


def test_a_batch_of_ours_equals_single_runs(ask: Ask) -> None:
    arguments = {"settings": settings(), "count": 5, "longest_s": 2.0}
    about, answers = ask(utterances, {"implementation": OURS, **arguments}, {}, {"check": True})
    assert answers[0]["wall_s"] > 0
    assert answers[1]["distance"] < 1e-5
    assert 0.2 < about["padding"] < 0.8
    _, answers = ask(utterances, {"implementation": TRANSFORMERS, **arguments}, {}, {"check": True})
    assert answers[1]["distance"] > 1e-3  # its padding leaks


def test_lengths_are_unsorted_and_span_the_range() -> None:
    lengths_s = utterances.draw_lengths_s(32, 30.0)
    assert (min(lengths_s), max(lengths_s)) == (2.0, 30.0)
    assert lengths_s != sorted(lengths_s)
    assert 9.0 < sum(lengths_s) / 32 < 15.0


@pytest.mark.parametrize(
    ("module", "durations_s"), [(finetuning_step, (0.5, 1.0)), (pretraining_step, (1.0, 1.0))]
)
def test_training_starts_from_the_same_loss(
    ask: Ask, module: ModuleType, durations_s: tuple[float, ...]
) -> None:
    losses = []
    for name in (OURS, TRANSFORMERS):
        arguments = {"implementation": name, "settings": settings(), "durations_s": durations_s}
        about, [answer] = ask(module, arguments, {})
        assert answer["wall_s"] > 0
        losses.append(about["loss"])
    assert losses[0] > 0.1
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_file_has_the_same_words_in_both(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "speech.flac"
    write_recording(path, 6.0)
    texts = []
    for name in (OURS, TRANSFORMERS):
        arguments = {"implementation": name, "warm_up": str(path)}
        _, [answer] = ask(recording, arguments, {"path": str(path)})
        texts.append(answer["text"].upper())
    assert len(texts[0].split()) > 3
    assert texts[0] == texts[1]


def test_the_rate_of_the_machine_is_measured(ask: Ask) -> None:
    _, [answer] = ask(matrix_product, {"dim": 64}, {})
    assert 1e6 < answer["flops_per_s"] < 1e15
    assert torch.get_num_threads() == 1
