"""The loss of an update is per masked frame, however the audio is cut; measures are logged."""

import json
import math

import pytest
import torch

from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.training.pretraining.run import (
    build_trainer,
    quantizer_learning_rate,
    set_up_feature_encoder,
)
from wav2vec2_conformer.training.schedule import TrainingClock
from wav2vec2_conformer.training.starting_model import (
    read_feature_extractor,
    read_starting_config,
)


@pytest.fixture
def trainer_for(build_settings):
    """Return the trainer of settings with changes; its model is the same each time."""

    def build(**changes):
        settings = build_settings(**changes)
        torch.manual_seed(0)
        config = read_starting_config(None, settings.config, settings.model_config)
        model = Wav2Vec2ConformerForPreTraining(config)
        return build_trainer(settings, model, read_feature_extractor(None), TrainingClock())

    return build


def gradients(trainer, batches):
    """Return what an update that accumulates the batches would apply.

    In evaluation mode: no noise, and batch norms that do not look at the batch.
    """
    model = trainer.model.eval()
    model.zero_grad()
    num_masked = trainer._get_num_items_in_batch(batches, torch.device("cpu"))
    total = 0.0
    for batch in batches:
        loss = trainer.compute_loss(model, batch, num_items_in_batch=num_masked)
        loss.backward()
        total += loss.item()
    return total, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_accumulation_changes_nothing(trainer_for):
    """The contrastive part: diversity and penalty are taken over a batch, as in the paper."""
    trainer = trainer_for(feature_penalty_weight=0.0, model_config={"diversity_loss_weight": 0.0})
    collate = trainer.data_collator
    examples = [trainer.train_dataset[k] for k in range(6)]
    whole = gradients(trainer, [collate(examples)])
    pieces = gradients(
        trainer, [collate(examples[:1]), collate(examples[1:4]), collate(examples[4:])]
    )
    assert whole[0] == pytest.approx(pieces[0], rel=1e-5)
    assert len(whole[1]) > 20
    torch.testing.assert_close(whole[1], pieces[1], atol=1e-5, rtol=1e-4)


def test_masked_frames_of_all_batches_are_counted(trainer_for):
    trainer = trainer_for()
    batches = [trainer.data_collator([trainer.train_dataset[k]]) for k in range(3)]
    counted = trainer._get_num_items_in_batch(batches, torch.device("cpu"))
    assert int(counted) == sum(int(b["mask_time_indices"].sum()) for b in batches) > 30


def test_without_their_number_the_loss_is_per_masked_frame_of_the_batch(trainer_for):
    trainer = trainer_for()
    trainer.model.eval()
    batch = trainer.data_collator([trainer.train_dataset[k] for k in range(3)])
    loss, outputs = trainer.compute_loss(trainer.model, batch, return_outputs=True)
    torch.testing.assert_close(loss, outputs.loss / batch["mask_time_indices"].sum())
    assert int(outputs.counts.num_masked) == int(batch["mask_time_indices"].sum())


def test_evaluation_does_not_depend_on_batches(trainer_for):
    small, large = (trainer_for(batch_seconds=s).evaluate() for s in (2.0, 30.0))
    expected = {
        "eval_contrastive_loss",
        "eval_accuracy",
        "eval_equal_distractors",
        "eval_code_perplexity_1",
        "eval_code_perplexity_2",
        "eval_masked_share",
    }
    assert expected <= set(small)
    for name in expected:
        assert small[name] == pytest.approx(large[name], rel=1e-4), name
    assert 0 < small["eval_accuracy"] < 1
    assert 0.3 < small["eval_masked_share"] < 0.8


def test_evaluation_repeats_and_draws_nothing(trainer_for):
    trainer = trainer_for()
    state = torch.get_rng_state()
    first, second = trainer.evaluate(), trainer.evaluate()
    assert torch.equal(torch.get_rng_state(), state)
    measured = ("eval_loss", "eval_contrastive_loss", "eval_accuracy", "eval_code_perplexity_1")
    assert [first[name] for name in measured] == [second[name] for name in measured]


def test_what_is_logged(trainer_for, tmp_path):
    trainer = trainer_for(gumbel_temperature_decay=0.9, gradient_accumulation_steps=2)
    trainer.train()
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert [entry["step"] for entry in log] == [2, 4]
    # The temperature of the update before the line: updates count, not batches.
    assert [e["gumbel_temperature"] for e in log] == pytest.approx([2 * 0.9, 2 * 0.9**3])
    for entry in log:
        weighted = 0.1 * entry["diversity_loss"] + 10 * entry["feature_penalty"]
        # The loss is a mean over updates, the others over their masked frames.
        assert entry["loss"] == pytest.approx(entry["contrastive_loss"] + weighted, rel=0.05)
        assert 1 < entry["code_perplexity_1"] <= 6
        assert entry["grad_norm"] > 0
        assert 0.3 < entry["masked_share"] < 0.8
    state = json.loads((tmp_path / "out" / "checkpoint-4" / "trainer_state.json").read_text())
    assert state["log_history"][-1].keys() >= {"eval_accuracy", "eval_contrastive_loss"}


@pytest.mark.parametrize(("norm", "scale", "weight"), [("group", 0.1, 10.0), ("layer", 1.0, 0.0)])
def test_feature_encoders_learn_as_in_fairseq(tiny_config_kwargs, norm, scale, weight):
    from wav2vec2_conformer import Wav2Vec2ConformerConfig

    model = Wav2Vec2ConformerForPreTraining(
        Wav2Vec2ConformerConfig(**tiny_config_kwargs, feat_extract_norm=norm)
    )
    set_up_feature_encoder(model, None, None)
    assert (model.feature_gradient_scale, model.feature_penalty_weight) == (scale, weight)
    set_up_feature_encoder(model, 0.5, 3.0)
    assert (model.feature_gradient_scale, model.feature_penalty_weight) == (0.5, 3.0)
    encoder = model.wav2vec2_conformer.feature_extractor
    assert all(p.requires_grad for p in encoder.parameters())
    set_up_feature_encoder(model, 0.0, None)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_a_choice_of_codes_that_is_kept(trainer_for):
    trainer = trainer_for(quantizer_learning_rate_scale=0.0)
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    trainer.train()
    changed = {n for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
    assert {n for n in before if n.startswith("quantizer.")} - changed == {
        "quantizer.weight_proj.weight",
        "quantizer.weight_proj.bias",
    }
    assert "project_q.weight" in changed
    log = [entry["learning_rate"] for entry in trainer.state.log_history if "loss" in entry]
    assert log[0] > 0


@pytest.mark.parametrize(("scale", "factor"), [(0.1, 0.1), (0.0, 0.0)])
def test_only_the_choice_of_codes_learns_more_slowly(scale, factor):
    rate = quantizer_learning_rate(scale)
    assert rate("quantizer.weight_proj.bias") == factor
    assert rate("quantizer.codevectors") == 1.0
    assert rate("wav2vec2_conformer.encoder.layers.0.ffn1.output_dense.weight") == 1.0
    assert quantizer_learning_rate(1.0) is None


def test_the_first_loss_is_near_chance(trainer_for):
    """Of 6 candidates; cosines over a temperature of 0.1 are far from even at first."""
    loss = trainer_for().evaluate()["eval_contrastive_loss"]
    assert 0.5 * math.log(6) < loss < 2.5 * math.log(6)
