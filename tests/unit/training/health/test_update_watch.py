"""Failures of gradients, learning rate and loss scale are provoked, and found."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer

from wav2vec2_conformer.training.health.update_watch import UpdateWatch, measure_norm


def backward(model, inputs, factor=1.0):
    taken = {name: value for name, value in inputs.items() if name != "utterance_ids"}
    model.zero_grad()
    (factor * model(**taken).loss).backward()


def test_the_norm_is_that_of_torch(ctc_model, ctc_inputs):
    backward(ctc_model, ctc_inputs)
    expected = torch.nn.utils.clip_grad_norm_(ctc_model.parameters(), 1e9)
    assert measure_norm(ctc_model.parameters()) == pytest.approx(float(expected), rel=1e-5)
    ctc_model.zero_grad()
    assert measure_norm(ctc_model.parameters()) is None


def test_a_gradient_with_nan_is_found(ctc_model, ctc_inputs):
    ctc_inputs["input_values"][0, 100] = float("nan")
    backward(ctc_model, ctc_inputs)
    found = UpdateWatch().look_at_gradient(ctc_model.parameters(), None)
    assert "nan" in found["gradient_not_finite"].what


def test_updates_that_several_processes_leave_out_are_found_when_they_do_not_end(
    ctc_model, ctc_inputs
):
    watch = UpdateWatch()

    def look(*culprits):
        found = watch.look_at_gradient(ctc_model.parameters(), None, culprits)
        return found["gradient_not_finite"]

    assert [look("a.wav") for _ in range(9)] == [None] * 9
    backward(ctc_model, ctc_inputs)
    assert look() is None  # and the count begins again
    ctc_model.zero_grad()
    assert [look("b.wav", "c.wav") for _ in range(9)] == [None] * 9
    found = look("b.wav", "d.wav")
    assert "the last 10 updates were left out" in found.what
    assert found.utterances == ("b.wav", "c.wav", "d.wav")


def test_a_frozen_model_has_no_gradient(ctc_model, ctc_inputs):
    """Texts that do not fit count as zero: the loss no longer depends on the weights."""
    ctc_inputs["labels"] = torch.arange(60).view(2, 30) % 5 + 1
    watch = UpdateWatch()
    with pytest.warns(UserWarning, match="more frames"):
        backward(ctc_model, ctc_inputs)
    found = [watch.look_at_gradient(ctc_model.parameters(), None) for _ in range(20)]
    assert found[18]["gradient_zero"] is None
    assert "zero for 20 updates" in found[19]["gradient_zero"].what


def test_a_spike_is_found_and_usual_gradients_are_not(ctc_model, ctc_inputs):
    watch = UpdateWatch()
    norms = []
    for _ in range(12):
        ctc_inputs["input_values"] = torch.randn(2, 8_000)
        backward(ctc_model, ctc_inputs)
        norms.append(measure_norm(ctc_model.parameters()))
    found = [watch.look_at_norm(norm, 1.0)["gradient_spike"] for norm in norms]
    assert not any(found)
    backward(ctc_model, ctc_inputs, factor=1e3)  # a batch that counts a thousandfold
    spike = watch.look_at_norm(measure_norm(ctc_model.parameters()), 1.0)["gradient_spike"]
    assert "clipped to 1" in spike.what
    usual = watch.look_at_norm(norms[0], 1.0)["gradient_spike"]
    assert usual is None


def test_fp16_that_overflows_at_every_update_is_found(ctc_model, ctc_inputs):
    """A real loss scaler halves its scale at each overflow."""
    Accelerator(cpu=True)  # makes the state that its optimizer asks for
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    optimizer = AcceleratedOptimizer(
        torch.optim.SGD(ctc_model.parameters(), lr=1e-3), scaler=scaler
    )
    taken = {name: value for name, value in ctc_inputs.items() if name != "utterance_ids"}
    watch = UpdateWatch()
    found = []
    for _ in range(16):
        optimizer.zero_grad()
        loss = ctc_model(**taken).loss * 1e30
        scaler.scale(loss * 1e20).backward()  # beyond float32
        gradient = watch.look_at_gradient(ctc_model.parameters(), optimizer)
        assert "gradient_not_finite" not in gradient  # the scaler leaves these updates out
        optimizer.step()
        found.append(watch.look_at_update(optimizer)["loss_scale_floor"])
    assert found[3] is None
    assert "bf16" in found[-1].remedy


def test_a_learning_rate_of_zero_is_found(ctc_model):
    watch = UpdateWatch()
    optimizer = torch.optim.SGD(ctc_model.parameters(), lr=0.0)
    found = [watch.look_at_update(optimizer)["learning_rate_zero"] for _ in range(10)]
    assert found[8] is None
    assert "0 for 10 updates" in found[9].what
    optimizer.param_groups[0]["lr"] = 1e-4
    assert watch.look_at_update(optimizer)["learning_rate_zero"] is None
