"""The path is torchaudio's, where torchaudio can be loaded beside this torch."""

import numpy as np
import pytest
import torch

from wav2vec2_conformer.decoding.forced_alignment import align_tokens


@pytest.mark.may_skip
@pytest.mark.parametrize("seed", range(20))
def test_the_path_is_that_of_torchaudio(seed: int) -> None:
    try:
        functional = pytest.importorskip("torchaudio.functional")
    except OSError as error:  # a wheel for CUDA beside torch for the CPU
        pytest.skip(f"torchaudio cannot be loaded: {error}")
    rng = np.random.default_rng(seed)
    num_frames, vocab_size = int(rng.integers(20, 400)), int(rng.integers(2, 40))
    ids = rng.integers(1, vocab_size, int(rng.integers(1, num_frames // 2)))
    torch.manual_seed(seed)
    log_probs = torch.randn(1, num_frames, vocab_size).mul(3).log_softmax(dim=-1)
    expected, scores = functional.forced_align(
        log_probs, torch.from_numpy(ids)[None].int(), blank=0
    )
    path = align_tokens(log_probs[0].numpy(), ids)
    tokens = np.where(path.states % 2 == 1, np.append(ids, 0)[path.states // 2], 0)
    np.testing.assert_array_equal(tokens, expected[0].numpy())
    assert path.score == pytest.approx(scores.sum().item(), abs=1e-2)
