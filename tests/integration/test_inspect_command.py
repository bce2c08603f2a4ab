"""`wav2vec2-conformer inspect`: what it tells, as text and as JSON."""

import json
from pathlib import Path

import torch

from .conftest import Command


def test_the_bundled_checkpoint_by_default(run: Command) -> None:
    code, out, err = run("inspect")
    assert (code, err) == (0, "")
    assert "Wav2Vec2ConformerForCTC" in out
    assert "32 tokens: <pad> <s> </s> <unk> | E T A" in out
    assert "position_embeddings_type     rotary" in out


def test_json_tells_all(run: Command, checkpoint: Path) -> None:
    code, out, _ = run("inspect", checkpoint, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["model_class"] == "Wav2Vec2ConformerForCTC"
    assert report["architecture"]["num_hidden_layers"] == 2
    assert report["vocabulary"][:5] == ["<pad>", "<s>", "</s>", "<unk>", "|"]
    assert report["preprocessing"]["samples_per_frame"] == 320
    assert sum(report["parameters"].values()) == report["num_parameters"]
    assert report["problems"] == []
    assert set(report["health"]) == {"not_finite", "zero", "constant", "batch_norm", "codebooks"}


def test_a_harmful_file_is_refused_by_name(run: Command, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return eval, (f"open({str(tmp_path / 'harmed')!r}, 'w')",)

    path = tmp_path / "a.pt"
    torch.save({"model": {"a": torch.zeros(1)}, "cfg": Harm()}, path)
    code, out, err = run("inspect", path)
    assert (code, out) == (1, "")
    assert "asks for __builtin__.eval, which no checkpoint needs" in err
    assert not (tmp_path / "harmed").exists()


def test_a_missing_file_is_one_line(run: Command, tmp_path: Path) -> None:
    code, out, err = run("inspect", tmp_path / "none.pt")
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path / 'none.pt'}: no such file or folder.\n"
