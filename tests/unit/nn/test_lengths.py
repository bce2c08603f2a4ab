"""Counts of frames are those that convolutions make."""

import pytest
import torch
from torch import nn

from wav2vec2_conformer.nn.lengths import conv_output_lengths, padding_mask_from_lengths


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 10])
def test_counts_are_those_of_a_convolution(kernel_size, stride, padding):
    conv = nn.Conv1d(1, 1, kernel_size, stride, padding=padding)
    shortest = max(1, kernel_size - 2 * padding)
    for num_frames in range(shortest, shortest + 25):
        made = conv(torch.zeros(1, 1, num_frames)).shape[2]
        counted = conv_output_lengths(
            torch.tensor(num_frames), kernel_size=kernel_size, stride=stride, padding=padding
        )
        assert int(counted) == made


def test_too_few_frames_make_none():
    lengths = torch.tensor([[0, 1, 4], [9, 10, 14]])
    counted = conv_output_lengths(lengths, kernel_size=10, stride=5)
    assert counted.tolist() == [[0, 0, 0], [0, 1, 1]]


def test_counts_keep_their_type():
    lengths = torch.tensor([400, 720], dtype=torch.int32)
    assert conv_output_lengths(lengths, kernel_size=10, stride=5).dtype == torch.int32


def test_padding_mask():
    mask = padding_mask_from_lengths(torch.tensor([3, 0, 1]), 3)
    assert mask.tolist() == [[False, False, False], [True, True, True], [False, True, True]]


def test_padding_mask_of_more_than_all_frames():
    assert not padding_mask_from_lengths(torch.tensor([9]), 3).any()
