"""Failures of CTC training are provoked on a tiny model, and found."""

import pytest
import torch

from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.ctc_watch import CtcWatch


@pytest.fixture
def make_watch(ctc_model):
    def make(*, unknown_id=11, after_updates=None, **limits):
        batches = BatchWatch(ctc_model._get_feat_extract_output_lengths, **limits)
        return CtcWatch(
            blank_id=0, unknown_id=unknown_id, batches=batches, after_updates=after_updates
        )

    return make


def test_a_healthy_batch_gives_no_finding(make_watch, ctc_model, ctc_inputs, watch_batches):
    found = watch_batches(make_watch(max_frames=100), ctc_model, ctc_inputs)
    assert set(found) >= {"infinite_loss", "text_too_long", "length_ceiling", "all_blank"}
    assert not any(found.values())


def test_a_model_that_trains_to_silence_is_found(make_watch, ctc_model, ctc_inputs):
    """On noise with few tokens for many frames, CTC goes to its plateau within 40 updates."""
    optimizer = torch.optim.AdamW(ctc_model.parameters(), lr=1e-2)
    watch = make_watch(after_updates=20)
    labels = ctc_inputs["labels"][:, :2]
    findings = []
    for step in range(60):
        inputs = {"input_values": torch.randn(2, 8_000), "labels": labels}
        outputs = ctc_model(**inputs)
        outputs.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        findings.append(watch.look(step, inputs, outputs)["all_blank"])
    assert not any(findings[:20])
    assert findings[-1] is not None
    assert "says nothing" in findings[-1].what
    assert "warm up" in findings[-1].remedy


def test_a_model_that_says_one_token_is_found(make_watch, ctc_model, ctc_inputs, watch_batches):
    torch.nn.init.zeros_(ctc_model.lm_head.weight)
    ctc_model.lm_head.bias.data = torch.nn.functional.one_hot(torch.tensor(7), 12).float()
    found = watch_batches(make_watch(after_updates=3), ctc_model, ctc_inputs, times=4)
    assert "one token only (id 7)" in found["all_blank"].what


def test_texts_that_do_not_fit_are_named(make_watch, ctc_model, ctc_inputs, watch_batches):
    ctc_inputs["labels"] = torch.full((2, 30), -100)
    ctc_inputs["labels"][0, :3] = 2  # equal neighbours: five frames
    ctc_inputs["labels"][1] = torch.arange(30) % 5 + 1
    with pytest.warns(UserWarning, match="more frames"):
        found = watch_batches(make_watch(), ctc_model, ctc_inputs)
    assert found["infinite_loss"] is None  # ctc_zero_infinity
    assert found["text_too_long"].utterances == ("b.wav (25 frames, 30 needed)",)


def test_infinite_loss_names_the_texts_that_do_not_fit(
    make_watch, ctc_model, ctc_inputs, watch_batches
):
    ctc_model.config.ctc_zero_infinity = False
    ctc_inputs["labels"] = torch.full((2, 30), -100)
    ctc_inputs["labels"][0, :3] = 2
    ctc_inputs["labels"][1] = torch.arange(30) % 5 + 1
    with pytest.warns(UserWarning, match="more frames"):
        found = watch_batches(make_watch(), ctc_model, ctc_inputs)
    assert found["infinite_loss"].utterances == ("b.wav",)
    assert "frames" in found["infinite_loss"].cause


def test_infinite_loss_names_audio_that_is_not_finite(
    make_watch, ctc_model, ctc_inputs, watch_batches
):
    ctc_inputs["input_values"][0, 100] = float("nan")
    found = watch_batches(make_watch(), ctc_model, ctc_inputs)
    assert found["infinite_loss"].utterances == ("a.wav",)
    assert "audio files" in found["infinite_loss"].cause


def test_infinite_loss_of_broken_weights_blames_the_weights(
    make_watch, ctc_model, ctc_inputs, watch_batches
):
    ctc_model.lm_head.weight.data[0, 0] = float("nan")
    found = watch_batches(make_watch(), ctc_model, ctc_inputs)
    assert found["infinite_loss"].utterances == ("a.wav", "b.wav")
    assert "weights" in found["infinite_loss"].cause


def test_utterances_beyond_positions_and_limits_are_named(
    make_watch, ctc_model, ctc_inputs, watch_batches
):
    ctc_inputs["attention_mask"][0, 4_000:] = 0
    found = watch_batches(make_watch(max_frames=20), ctc_model, ctc_inputs)
    assert found["length_ceiling"].utterances == ("b.wav (25 frames)",)
    found = watch_batches(make_watch(max_duration_s=0.3), ctc_model, ctc_inputs)
    assert found["length_ceiling"].utterances == ("b.wav (0.5 s)",)
    assert "max_duration_s" in found["length_ceiling"].what


def test_texts_of_another_alphabet_are_found(make_watch, ctc_model, ctc_inputs, watch_batches):
    ctc_inputs["labels"] = torch.tensor([[11, 2, 11, 4, 11]] * 2)
    watch = make_watch()
    found = watch_batches(watch, ctc_model, ctc_inputs, times=99)
    assert found["unknown_tokens"] is None
    found = watch_batches(watch, ctc_model, ctc_inputs)
    assert "60 % of 1000 labels" in found["unknown_tokens"].what


def test_utterances_without_names_are_told_by_place(
    make_watch, ctc_model, ctc_inputs, watch_batches
):
    del ctc_inputs["utterance_ids"]
    found = watch_batches(make_watch(max_frames=20), ctc_model, ctc_inputs)
    assert found["length_ceiling"].utterances[1] == "number 2 of its batch (0.5 s) (25 frames)"
