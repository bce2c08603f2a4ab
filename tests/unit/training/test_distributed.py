"""What several processes need, as far as one process can see it."""

import copy
from types import SimpleNamespace

import pytest
import torch

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.training.adaptation.lora import add_lora
from wav2vec2_conformer.training.distributed import prepare_processes
from wav2vec2_conformer.training.distributed_batch_norm import SynchronizedBatchNorm1d
from wav2vec2_conformer.training.distributed_model import whole_model
from wav2vec2_conformer.training.distributed_optimizer import complete_state
from wav2vec2_conformer.training.distributed_skipping import SkippedUpdates
from wav2vec2_conformer.training.distributed_statistics import average_statistics


@pytest.fixture
def model(tiny_config_kwargs):
    config = {"ctc_loss_reduction": "mean", "apply_spec_augment": False, "layerdrop": 0.9}
    return Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs | config))


def arguments(**more):
    return SimpleNamespace(process_index=0, device=torch.device("cpu"), **more)


def loss_of(model, labels=((3, 4),)):
    torch.manual_seed(0)
    return model(torch.randn(1, 6000), labels=torch.tensor(labels)).loss


def test_every_trained_parameter_is_in_the_graph_without_masks(model):
    model.requires_grad_(requires_grad=True)  # as loading leaves it
    before = loss_of(model.train())
    prepare_processes(model, arguments())
    after = loss_of(model)
    assert torch.equal(before, after)
    after.backward()
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_arguments_do_without_a_search_for_unused_parameters(model):
    given = arguments()
    prepare_processes(model, given, sync_batch_norm=True)
    assert given.ddp_find_unused_parameters is False
    assert model._no_split_modules == ["ConformerLayer"]
    assert sum(isinstance(m, SynchronizedBatchNorm1d) for m in model.modules()) == 2
    loss_of(model.train()).backward()  # alone it is an ordinary batch norm


def test_lora_is_prepared_too_but_not_for_sharding(model):
    adapted = add_lora(model)
    prepare_processes(adapted, arguments())
    with pytest.raises(InputError, match="LoRA is not trained with FSDP"):
        prepare_processes(adapted, arguments(fsdp=True))


def take_step(model, skipped, optimizer, labels):
    hooks = {"model": model, "optimizer": optimizer}
    state = SimpleNamespace(global_step=7)
    skipped.on_step_begin(arguments(), state, None, **hooks)
    loss = loss_of(model.train(), labels)
    skipped({}, {"loss": loss})
    loss.backward()
    skipped.on_pre_optimizer_step(arguments(), state, None, **hooks)
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.filterwarnings("ignore:1 of 1 targets need more frames")
def test_skipped_update_changes_nothing_at_all(model, caplog):
    skipped = SkippedUpdates()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    take_step(model, skipped, optimizer, ((3, 4),))
    before = {n: v.clone() for n, v in model.state_dict().items()}
    steps = [entry["step"].item() for entry in optimizer.state.values()]
    take_step(model, skipped, optimizer, ((3,) * 60,))
    assert skipped.num_skipped == 1
    assert "update 8: left out in all processes" in caplog.text
    assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())
    assert [entry["step"].item() for entry in optimizer.state.values()] == steps
    take_step(model, skipped, optimizer, ((3, 4),))
    assert skipped.num_skipped == 1
    assert not torch.equal(model.lm_head.weight, before["lm_head.weight"])


def test_completed_state_changes_no_update(model):
    """The vector of masks has no gradient at first, as nothing is masked."""
    other = copy.deepcopy(model)
    for trained in (model, other):
        optimizer = torch.optim.AdamW(trained.parameters(), lr=0.1)
        for step in range(2):
            loss_of(trained.train()).backward()
            if step == 1:
                trained.wav2vec2_conformer.masked_spec_embed.grad = torch.ones(16)
            optimizer.step()
            optimizer.zero_grad()
            if trained is other:
                complete_state(optimizer)
                num_parameters = sum(1 for _ in trained.parameters())
                assert len(optimizer.state_dict()["state"]) == num_parameters
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_one_process_keeps_its_statistics_and_its_model(model):
    loss_of(model.train())
    before = {n: v.clone() for n, v in model.state_dict().items()}
    average_statistics(model)
    assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())
    assert whole_model(model) is model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_the_loss_in_single_precision(model, dtype):
    model.eval()
    with torch.autocast("cpu", dtype=dtype):
        out = model(torch.randn(1, 6000), labels=torch.tensor([[3, 4, 5]]))
    assert out.logits.dtype == dtype
    assert out.loss.dtype == torch.float32
    log_probs = out.logits.float().log_softmax(-1).transpose(0, 1)
    frames = torch.tensor([log_probs.shape[0]])
    expected = torch.nn.functional.ctc_loss(
        log_probs, torch.tensor([[3, 4, 5]]), frames, torch.tensor([3])
    )
    torch.testing.assert_close(out.loss, expected)
    out.loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
