"""The adapter: counts, padding, and no layer that is ever left out."""

import pytest
import torch

from wav2vec2_conformer.nn.adapter import Adapter


@pytest.fixture(params=[(8, 3, 2), (5, 3, 2), (8, 2, 2), (8, 5, 3)], ids=str)
def adapter(randomize, request):
    output_dim, kernel_size, stride = request.param
    return randomize(Adapter(8, output_dim, 2, kernel_size=kernel_size, stride=stride))


def test_counts_are_those_of_the_output(adapter):
    for num_frames in range(12, 30):
        counted = adapter.output_lengths(torch.tensor(num_frames))
        assert adapter(torch.randn(1, num_frames, 8)).shape[1] == counted


def test_no_frames_come_of_none(adapter):
    assert adapter.output_lengths(torch.tensor([[0, 20]]))[0, 0] == 0


def test_padding_does_not_matter(adapter):
    lengths = torch.tensor([29, 14, 12])
    frames = torch.randn(3, 29, 8)
    garbage = torch.where((torch.arange(29) >= lengths[:, None])[:, :, None], 100.0, frames)
    found, disturbed = adapter(frames, lengths), adapter(garbage, lengths)
    counts = adapter.output_lengths(lengths).tolist()
    for index, (num_frames, count) in enumerate(zip(lengths.tolist(), counts, strict=True)):
        alone = adapter(frames[index : index + 1, :num_frames])[0]
        assert len(alone) == count
        for batched in (found, disturbed):
            torch.testing.assert_close(batched[index, :count], alone, atol=1e-5, rtol=1e-5)


def test_padding_would_leak_without_lengths(randomize):
    adapter = randomize(Adapter(8, 8, 2, kernel_size=3, stride=2))
    frames = torch.randn(1, 20, 8)
    short = adapter(frames[:, :10])
    assert not torch.allclose(adapter(frames)[:, : short.shape[1]], short, atol=1e-3)


def test_training_changes_nothing(adapter):
    frames = torch.randn(1, 29, 8)
    once = adapter.eval()(frames)
    adapter.train()
    for _ in range(20):
        torch.testing.assert_close(adapter(frames), once, atol=0.0, rtol=0.0)


def test_projection_is_there_when_widths_differ():
    assert Adapter(8, 8, 1, kernel_size=3, stride=2).proj is None
    assert Adapter(8, 5, 1, kernel_size=3, stride=2).proj is not None
