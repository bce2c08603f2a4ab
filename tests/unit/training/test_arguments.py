"""Arguments of the trainer: what is said about the machine."""

import logging
from pathlib import Path

import pytest

from wav2vec2_conformer.training import arguments
from wav2vec2_conformer.training.settings import FinetuneSettings


@pytest.mark.parametrize(("bf16", "is_fast"), [(True, False), (True, True), (False, False)])
def test_emulated_bfloat16_is_warned_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    bf16: bool,
    is_fast: bool,
) -> None:
    monkeypatch.setattr(arguments, "has_fast_bfloat16", lambda: is_fast)
    settings = FinetuneSettings(
        train=("train.jsonl",), output_dir=tmp_path, max_steps=1, bf16=bf16, use_cpu=True
    )
    with caplog.at_level(logging.WARNING):
        arguments.build_arguments(settings)
    assert ("train with bf16=false" in caplog.text) == (bf16 and not is_fast)


def test_what_torch_says_of_the_processor_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(arguments.has_fast_bfloat16(), bool)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    assert not arguments.has_fast_bfloat16()
