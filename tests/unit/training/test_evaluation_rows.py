"""Rows of all utterances become one array, whatever their lengths and precision."""

import numpy as np
import torch

from wav2vec2_conformer.training.evaluation_rows import pad_rows, to_numpy


def test_rows_are_padded_with_minus_100():
    assert pad_rows([np.array([1, 2]), np.array([3])]).tolist() == [[1, 2], [3, -100]]
    padded = pad_rows([np.zeros((1, 2)), np.ones((2, 2))])
    assert padded.tolist() == [[[0, 0], [-100, -100]], [[1, 1], [1, 1]]]


def test_plain_numbers_are_put_together():
    assert pad_rows(list(np.array([3, 4]))).tolist() == [3, 4]


def test_half_precision_is_widened_and_whole_numbers_stay():
    assert to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert to_numpy(torch.ones(2, dtype=torch.int64)).dtype == np.int64
