"""A checkpoint that cannot be gone back to changes nothing and is explained."""

import pytest
import torch
from safetensors.torch import save_file

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.training.adaptation.lora import add_lora
from wav2vec2_conformer.training.health.rollback import roll_back


@pytest.fixture
def parts(tmp_path):
    """Return model, optimizer, schedule and a checkpoint of zeros made at half the rate."""
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    save_file(
        {n: torch.zeros_like(p) for n, p in model.state_dict().items()},
        tmp_path / "model.safetensors",
    )
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    return model, optimizer, schedule, tmp_path


def test_weights_optimizer_and_rate_are_those_wanted(parts):
    model, optimizer, schedule, checkpoint = parts
    for _ in range(3):
        optimizer.step()
        schedule.step()
    roll_back(model, optimizer, schedule, checkpoint, learning_rate_factor=0.25)
    assert not model.weight.any()
    assert optimizer.state[model.weight]["step"] == 1
    assert optimizer.param_groups[0]["lr"] == 0.25
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.25]


def test_without_an_optimizer_nothing_changes(parts):
    model, optimizer, schedule, checkpoint = parts
    (checkpoint / "optimizer.pt").unlink()
    with pytest.raises(CheckpointError, match=r"holds no optimizer\.pt"):
        roll_back(model, optimizer, schedule, checkpoint, learning_rate_factor=0.5)
    assert model.weight.any()
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_without_all_weights_nothing_changes(parts):
    model, optimizer, schedule, checkpoint = parts
    save_file({"bias": torch.zeros(1)}, checkpoint / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lacks 1 weights of the model \(weight"):
        roll_back(model, optimizer, schedule, checkpoint, learning_rate_factor=0.5)
    assert model.bias.any()


def test_a_schedule_without_base_rates_is_explained(parts):
    model, optimizer, _, checkpoint = parts
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(CheckpointError, match="ReduceLROnPlateau has no base learning rates"):
        roll_back(model, optimizer, plateau, checkpoint, learning_rate_factor=0.5)
    assert model.weight.any()


def test_lora_goes_back_too(tmp_path, ctc_model):
    base = tmp_path / "base"
    ctc_model.save_pretrained(base)
    adapted = add_lora(type(ctc_model).from_pretrained(base))
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    with pytest.raises(CheckpointError, match="adapter_model"):
        roll_back(adapted, optimizer, schedule, tmp_path, learning_rate_factor=0.5)
    adapted.save_pretrained(tmp_path)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    before = {name: value.clone() for name, value in adapted.state_dict().items()}
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.fill_(float("nan"))
    roll_back(adapted, optimizer, schedule, tmp_path, learning_rate_factor=0.5)
    for name, value in adapted.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
