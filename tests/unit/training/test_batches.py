"""Batches in 16 bits on a CPU come in few shapes."""

from pathlib import Path

import pytest

from wav2vec2_conformer.training.arguments import build_arguments
from wav2vec2_conformer.training.batches import padding_multiple
from wav2vec2_conformer.training.settings import FinetuneSettings


@pytest.mark.parametrize(("bf16", "expected"), [(False, 1), (True, 32 * 320)])
def test_samples_are_padded_to_whole_frames_where_shapes_cost_time(
    tmp_path: Path, bf16: bool, expected: int
) -> None:
    settings = FinetuneSettings(
        train=(tmp_path / "train.jsonl",),
        output_dir=tmp_path,
        use_cpu=True,
        bf16=bf16,
        report_to="none",
    )
    assert padding_multiple(build_arguments(settings), 320) == expected
