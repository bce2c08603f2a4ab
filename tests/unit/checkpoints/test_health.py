"""What looks wrong in a checkpoint is listed, and a trained one looks right."""

from pathlib import Path

import torch

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path
from wav2vec2_conformer.checkpoints.health import check_health, count_codebook_use
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.checkpoints.summary import describe, format_description

from .fairseq_layout import Size, pre_trained, save


def test_each_fault_is_listed() -> None:
    health = check_health(
        {
            "good": torch.randn(3),
            "nan": torch.tensor([1.0, float("nan")]),
            "inf": torch.tensor([1.0, float("inf")]),
            "zero": torch.zeros(3),
            "same": torch.full((3,), 2.0),
            "one": torch.ones(1),
            "a.batch_norm.running_var": torch.tensor([-1.0, 2.0]),
            "b.batch_norm.running_var": torch.tensor([1.0, 1e9]),
            "a.batch_norm.running_mean": torch.tensor([1e5, 2.0]),
            "a.batch_norm.num_batches_tracked": torch.tensor(0),
            "b.batch_norm.num_batches_tracked": torch.tensor(5),
        }
    )
    assert health.not_finite == ["nan", "inf"]
    assert (health.zero, health.constant) == (["zero"], ["same"])
    assert [fault.split()[0] for fault in health.batch_norm] == [
        "a.batch_norm.running_var",
        "b.batch_norm.running_var",
        "a.batch_norm.running_mean",
        "a.batch_norm.num_batches_tracked",
    ]


def test_the_bundled_checkpoint_is_healthy() -> None:
    health = check_health(read_checkpoint(bundled_checkpoint_path()).tensors)
    assert (health.not_finite, health.batch_norm) == ([], [])
    assert all("pos_conv" in n or "masked_spec" in n for n in [*health.zero, *health.constant])


def test_unused_codebook_entries_are_counted(tmp_path: Path) -> None:
    contents = pre_trained(Size(extractor_mode="default"))
    bias = contents["model"]["quantizer.weight_proj.bias"]
    bias[:6] = 0.0
    bias[6:] = torch.tensor([0.0, 0.0, 1e6, 0.0, 0.0, 0.0])  # the second codebook: one entry
    path = save(contents, tmp_path / "a.pt")
    use = count_codebook_use(read_checkpoint(path))
    assert use is not None
    assert use.num_entries == 6
    assert use.used[1] == 1
    assert use.used[0] > 1
    assert use.num_frames > 500
    description = describe(read_checkpoint(path))
    text = format_description(description)
    assert f"{use.used[0]} and 1 of 6 codebook entries are chosen in {use.num_frames}" in text
    assert description["provenance"]["num_updates"] == 400_000


def test_parts_add_up_to_all_parameters(tmp_path: Path) -> None:
    contents = pre_trained()
    description = describe(read_checkpoint(save(contents, tmp_path / "a.pt")))
    no_parameters = ("running_mean", "running_var", "tracked", "inv_freq")
    expected = sum(t.numel() for n, t in contents["model"].items() if not n.endswith(no_parameters))
    assert description["num_parameters"] == expected
    assert sum(description["parameters"].values()) == expected
    assert description["parameters"]["quantizer"] == 12 * 4 + 12 * 8 + 12
    assert description["parameters"]["mask embedding"] == 16
    assert description["parameters"]["head"] == 8 * 12 + 12 + 16 * 12 + 12


def test_a_damaged_checkpoint_is_described_all_the_same(tmp_path: Path) -> None:
    contents = pre_trained()
    del contents["model"]["post_extract_proj.bias"]
    contents["model"]["unknown"] = torch.zeros(1)
    description = describe(read_checkpoint(save(contents, tmp_path / "a.pt")))
    assert description["problems"] == [
        "missing tensors (1): wav2vec2_conformer.feature_projection.projection.bias",
        "tensors that stand for nothing in this model (1): unknown",
    ]
    assert description["health"]["codebooks"] is None
    assert "problem      missing tensors (1)" in format_description(description)
