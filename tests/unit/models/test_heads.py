"""Losses and rules of the heads."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from wav2vec2_conformer.models.ctc import count_frames_needed

from .conftest import Build


def test_ctc_ignores_every_label_below_zero_wherever_it_stands(build: Build) -> None:
    model = build("ForCTC")
    waveform = torch.randn(1, 8_000)
    plain = model(waveform, labels=torch.tensor([[3, 4, 4]])).loss
    for labels in ([[3, 4, 4, -100]], [[-1, 3, -100, 4, -7, 4]]):
        torch.testing.assert_close(model(waveform, labels=torch.tensor(labels)).loss, plain)


def test_ctc_loss_is_that_of_torch(build: Build) -> None:
    model = build("ForCTC")
    waveform, labels = torch.randn(2, 8_000), torch.tensor([[3, 4, 5], [6, 7, -100]])
    out = model(waveform, labels=labels)
    log_probs = out.logits.log_softmax(-1).transpose(0, 1)
    lengths = torch.tensor([24, 24]), torch.tensor([3, 2])
    expected = F.ctc_loss(log_probs, labels.clamp(min=0), *lengths, reduction="sum")
    torch.testing.assert_close(out.loss, expected)


def test_ctc_refuses_blank_and_unknown_labels(build: Build) -> None:
    model = build("ForCTC")
    waveform = torch.randn(1, 8_000)
    with pytest.raises(ValueError, match="the blank of CTC"):
        model(waveform, labels=torch.tensor([[3, 0, 4]]))
    with pytest.raises(ValueError, match="below vocab_size=12, got 12"):
        model(waveform, labels=torch.tensor([[3, 12]]))


def test_ctc_takes_empty_targets(build: Build) -> None:
    model = build("ForCTC")
    waveform = torch.randn(2, 8_000)
    empty = model(waveform, labels=torch.zeros(2, 0, dtype=torch.long)).loss
    blanks = -model(waveform).logits.log_softmax(-1)[:, :, 0].sum()
    torch.testing.assert_close(empty, blanks)


@pytest.mark.parametrize(("zero_infinity", "words"), [(False, "infinite"), (True, "as 0")])
def test_ctc_counts_targets_that_do_not_fit(build: Build, zero_infinity, words) -> None:
    model = build("ForCTC", ctc_zero_infinity=zero_infinity)
    labels = torch.tensor([[3] * 13 + [-100] * 7, [3, 4] * 10])  # 25 and 20 of 24 frames
    assert count_frames_needed(labels).tolist() == [25, 20]
    with pytest.warns(UserWarning, match=rf"1 of 2 targets need more frames.*{words}"):
        loss = model(torch.randn(2, 8_000), labels=labels).loss
    assert math.isinf(loss.item()) != zero_infinity


def test_ctc_loss_is_float32_under_autocast(build: Build) -> None:
    model = build("ForCTC")
    with torch.autocast("cpu", torch.bfloat16):
        out = model(torch.randn(1, 8_000), labels=torch.tensor([[3, 4]]))
    assert out.logits.dtype == torch.bfloat16
    assert out.loss.dtype == torch.float32


def test_ctc_needs_a_vocabulary_and_knows_no_adapters_of_languages(build: Build) -> None:
    with pytest.raises(ValueError, match=r"needs config\.vocab_size"):
        build("ForCTC", vocab_size=None)
    model = build("ForCTC")
    with pytest.raises(ValueError, match="target_lang='deu'"):
        type(model)(model.config, target_lang="deu")


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels"),
    [
        (None, 1, torch.tensor([0.5, -2.0])),
        ("regression", 3, torch.randn(2, 3)),
        (None, 3, torch.tensor([0, 2])),
        ("single_label_classification", 3, torch.tensor([0, 2])),
        (None, 3, torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])),
        ("multi_label_classification", 3, torch.tensor([[1, 1, 0], [0, 0, 0]])),
    ],
)
def test_sequence_classification_has_three_problem_types(
    build: Build, problem_type, num_labels, labels
) -> None:
    model = build("ForSequenceClassification", problem_type=problem_type, num_labels=num_labels)
    out = model(torch.randn(2, 8_000), labels=labels)
    if num_labels == 1 or problem_type == "regression":
        expected = F.mse_loss(out.logits, labels.reshape(out.logits.shape))
    elif labels.dim() == 1:
        expected = F.cross_entropy(out.logits, labels)
    else:
        expected = F.binary_cross_entropy_with_logits(out.logits, labels.float())
    torch.testing.assert_close(out.loss, expected)
    out.loss.backward()
    assert model.classifier.weight.grad.abs().sum() > 0


def test_sequence_classification_explains_labels_of_the_wrong_shape(build: Build) -> None:
    model = build("ForSequenceClassification", num_labels=3)
    with pytest.raises(ValueError, match="one class index per clip"):
        model(torch.randn(2, 8_000), labels=torch.tensor([0, 1, 2]))
    model = build("ForSequenceClassification", num_labels=3, problem_type="regression")
    with pytest.raises(ValueError, match="labels of the shape"):
        model(torch.randn(2, 8_000), labels=torch.tensor([0.0, 1.0]))


def test_frame_classification_learns_overlap_and_silence(build: Build) -> None:
    """Judged label by label, two speakers at once and none are not one speaker."""
    model = build("ForAudioFrameClassification", problem_type="multi_label_classification")
    waveform = torch.randn(1, 8_000)
    losses = [
        model(waveform, labels=torch.tensor(frame).expand(1, 24, 2)).loss.item()
        for frame in ([0, 0], [1, 0], [0, 1], [1, 1])
    ]
    assert len({round(loss, 4) for loss in losses}) == 4
    logits = model(waveform).logits
    expected = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)).item()
    assert losses[3] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_frame_classification_leaves_ignored_frames_out(build: Build, problem_type) -> None:
    model = build("ForAudioFrameClassification", problem_type=problem_type)
    waveform = torch.randn(1, 8_000)
    labels = F.one_hot(torch.randint(0, 2, (1, 24)), 2)
    ignored = labels.clone()
    ignored[0, 10:] = -100
    logits = model(waveform).logits[:, :10]
    if problem_type is None:
        expected = F.cross_entropy(logits.flatten(0, 1), labels[0, :10].argmax(-1))
    else:
        expected = F.binary_cross_entropy_with_logits(logits, labels[:, :10].float())
    torch.testing.assert_close(model(waveform, labels=ignored).loss, expected)
    with pytest.raises(ValueError, match="frames, num_labels"):
        model(waveform, labels=labels[:, :-1])


def test_xvector_lengths_respect_dilation(build: Build) -> None:
    shape = {"tdnn_dim": [8] * 5, "tdnn_kernel": [5, 3, 3, 1, 1]}
    model = build("ForXVector", **shape, tdnn_dilation=[1, 2, 3, 1, 1])
    frames = torch.randn(1, 100, 8)
    for layer in model.tdnn:
        frames = layer(frames)
    assert model._get_tdnn_output_lengths(100) == frames.shape[1] == 86


@pytest.mark.parametrize("num_samples", [400, 720, 1_500])
def test_xvector_embeds_clips_shorter_than_its_field(build: Build, num_samples) -> None:
    model = build("ForXVector")
    waveform = torch.randn(1, num_samples)
    batch = torch.nn.functional.pad(waveform, (0, 9_000))
    mask = (torch.arange(num_samples + 9_000) < num_samples).long()[None]
    with torch.no_grad():
        alone, together = model(waveform).embeddings, model(batch, mask).embeddings
    assert alone.isfinite().all()
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)


def test_xvector_takes_an_adapter_of_another_width(build: Build) -> None:
    model = build("ForXVector", add_adapter=True, output_hidden_size=24)
    assert model(torch.randn(1, 16_000)).embeddings.shape == (1, 8)


@pytest.mark.parametrize(
    "head", ["ForSequenceClassification", "ForAudioFrameClassification", "ForPreTraining"]
)
def test_heads_that_take_no_adapter_say_so(build: Build, head: str) -> None:
    with pytest.raises(ValueError, match="set add_adapter=False"):
        build(head, add_adapter=True)


def pretraining_batch(build: Build):
    from wav2vec2_conformer import _compute_mask_indices, _sample_negative_indices

    model = build("ForPreTraining")
    mask = _compute_mask_indices((2, 24), 0.5, 3)
    negatives = _sample_negative_indices((2, 24), 3, mask)
    return model, torch.randn(2, 8_000), torch.tensor(mask), torch.tensor(negatives).long()


def test_contrastive_loss_is_that_of_the_paper(build: Build) -> None:
    model, waveforms, mask, negatives = pretraining_batch(build)
    out = model(waveforms, mask_time_indices=mask, sampled_negative_indices=negatives)
    targets = out.projected_quantized_states
    drawn = targets.flatten(0, 1)[negatives].permute(2, 0, 1, 3)  # (K, B, T, D)
    logits = model.compute_contrastive_logits(targets[None], drawn, out.projected_states, 0.1)
    same = (drawn == targets).all(-1)
    logits[1:] = logits[1:].masked_fill(same, float("-inf"))
    expected = F.cross_entropy(
        logits.permute(1, 2, 0)[mask],
        torch.zeros(int(mask.sum()), dtype=torch.long),
        reduction="sum",
    )
    torch.testing.assert_close(out.contrastive_loss, expected)
    share = (12 - out.codevector_perplexity) / 12
    torch.testing.assert_close(out.diversity_loss, share * mask.sum())
    torch.testing.assert_close(out.loss, expected + 0.1 * out.diversity_loss)


def test_pretraining_explains_what_is_missing(build: Build) -> None:
    model, waveforms, mask, negatives = pretraining_batch(build)
    with pytest.raises(ValueError, match="need mask_time_indices"):
        model(waveforms, sampled_negative_indices=negatives)
    with pytest.raises(ValueError, match="same utterance"):
        model(waveforms, mask_time_indices=mask, sampled_negative_indices=negatives.flip(0))
    with pytest.raises(ValueError, match="above 0"):
        model.set_gumbel_temperature(0.0)
    assert model(waveforms, mask_time_indices=mask).loss is None


def test_gumbel_temperature_is_the_quantizers(build: Build) -> None:
    model = build("ForPreTraining")
    assert model.quantizer.temperature == 2.0
    model.set_gumbel_temperature(0.5)
    assert model.quantizer.temperature == 0.5


def test_pretraining_learns(build: Build) -> None:
    model, waveforms, mask, negatives = pretraining_batch(build)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(30):
        out = model(waveforms, mask_time_indices=mask, sampled_negative_indices=negatives)
        out.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(out.loss.item())
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_feasible_targets_do_not_warn(build: Build) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build("ForCTC")(torch.randn(1, 8_000), labels=torch.tensor([[3, 4]]))
