"""Batch norms that lag behind are found; those that follow are not."""

import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.audio import load_audio, normalize_waveform
from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path, bundled_clips
from wav2vec2_conformer.nn.normalization import MaskedBatchNorm1d
from wav2vec2_conformer.training.health.batch_norm import BatchNormDrift, Drift, measured_drifts


def measure(model, waveforms, times=3):
    drift = BatchNormDrift()
    finding = None
    for _ in range(times):
        with measured_drifts(model) as drifts:
            model(waveforms)
        assert len(drifts) == 1
        finding = drift.update(drifts)
    return finding


def test_statistics_that_do_not_follow_are_found(ctc_model):
    """With too small a momentum the statistics stay those of the first weights."""
    (norm,) = [m for m in ctc_model.modules() if isinstance(m, MaskedBatchNorm1d)]
    norm.momentum = 1e-6
    optimizer = torch.optim.AdamW(ctc_model.parameters(), lr=0.3)
    for _ in range(5):
        ctc_model(torch.randn(2, 8_000), labels=torch.tensor([[1], [2]])).loss.backward()
        optimizer.step()
    finding = measure(ctc_model, torch.randn(2, 8_000))
    assert finding is not None
    assert "conv_module.batch_norm" in finding.what
    assert "factor of" in finding.what


def test_statistics_that_follow_are_fine(ctc_model):
    (norm,) = [m for m in ctc_model.modules() if isinstance(m, MaskedBatchNorm1d)]
    norm.momentum = 0.5
    for _ in range(15):
        ctc_model(torch.randn(2, 8_000))
    assert measure(ctc_model, torch.randn(2, 8_000)) is None


def test_audio_unlike_that_of_a_checkpoint_is_found():
    model = Wav2Vec2ConformerForCTC.from_pretrained(bundled_checkpoint_path()).train()
    speech = torch.from_numpy(normalize_waveform(load_audio(bundled_clips()[0])[:32_000]))
    found = {}
    for name, waveform in (("speech", speech), ("noise", torch.randn(32_000))):
        drift = BatchNormDrift(measurements=1)
        with measured_drifts(model) as drifts:
            model(waveform[None])
        found[name] = drift.update(drifts)
    assert found["speech"] is None
    assert "layers.0." in found["noise"].what


def test_a_batch_with_nan_is_no_measurement():
    drift = BatchNormDrift(measurements=2)
    usual, far = Drift("norm", 0.1, 1.1), Drift("norm", 2.0, 1.1)
    nan = float("nan")
    assert [drift.update([d]) for d in (usual, Drift("norm", nan, nan), usual)] == [None] * 3
    assert [drift.update([far]) is None for _ in range(2)] == [True, False]


def test_a_single_strange_batch_is_no_drift(ctc_model):
    drift = BatchNormDrift()
    findings = []
    (norm,) = [m for m in ctc_model.modules() if isinstance(m, MaskedBatchNorm1d)]
    for momentum in (0.5, 1e-6, 0.5):
        norm.momentum = momentum
        if momentum == 0.5:
            for _ in range(15):
                ctc_model(torch.randn(2, 8_000))
        else:
            norm.running_var.fill_(1e3)
        with measured_drifts(ctc_model) as drifts:
            ctc_model(torch.randn(2, 8_000))
        findings.append(drift.update(drifts))
    assert findings == [None, None, None]


def test_padding_and_evaluation_are_left_out():
    norm = MaskedBatchNorm1d(3)
    x = torch.randn(2, 3, 10)
    x[1, :, 5:] = 1e6
    padding_mask = torch.zeros(2, 10, dtype=torch.bool)
    padding_mask[1, 5:] = True
    with measured_drifts(norm) as drifts:
        norm(x, padding_mask)
        norm.eval()
        norm(x, padding_mask)
    (drift,) = drifts
    valid = torch.cat([x[0], x[1, :, :5]], dim=1)
    assert drift.mean_shift == pytest.approx(float(valid.mean(dim=1).abs().mean()), rel=1e-3)
    assert drift.variance_ratio < 10


def test_hooks_are_gone_afterwards():
    norm = MaskedBatchNorm1d(3)
    with measured_drifts(norm) as drifts:
        pass
    norm(torch.randn(2, 3, 10))
    assert drifts == []
