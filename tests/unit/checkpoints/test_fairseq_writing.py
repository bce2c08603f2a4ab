"""What is written is what fairseq reads: its names, its settings, its dictionary class."""

from pathlib import Path
from typing import Any

import pytest
import torch

import wav2vec2_conformer as package
from wav2vec2_conformer.checkpoints.fairseq_writing import write_fairseq
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.errors import CheckpointError

from .fairseq_layout import FakeFairseq, Size, dictionary_text, fine_tuned, pre_trained, save


def write(tmp_path: Path, contents: dict[str, Any]) -> Path:
    (tmp_path / "dict.ltr.txt").write_text(dictionary_text())
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    write_fairseq(checkpoint, tmp_path / "b.pt")
    return tmp_path / "b.pt"


def test_fairseq_unpickles_its_own_dictionary(tmp_path: Path) -> None:
    path = write(tmp_path, fine_tuned())
    with FakeFairseq() as fairseq:
        contents = torch.load(path, weights_only=False)
        dictionary = contents["task_state"]["target_dictionary"]
        assert type(dictionary) is fairseq.dictionary.Dictionary  # type: ignore[attr-defined]
        expected = vars(fairseq.make_dictionary())
        assert {name: vars(dictionary)[name] for name in expected} == expected
        assert dictionary.bos_index == 0


def test_a_pre_trained_file_needs_no_class_at_all(tmp_path: Path) -> None:
    contents = torch.load(write(tmp_path, pre_trained()), weights_only=True)
    assert contents["cfg"]["model"]["layer_type"] == "conformer"
    assert contents["cfg"]["task"]["normalize"] is True
    assert contents["optimizer_history"] == [{"num_updates": 400_000}]


def test_settings_are_those_that_fairseq_knows(tmp_path: Path) -> None:
    size = Size(pos_enc_type="rope", layer_norm_first=False, extractor_mode="default")
    source = fine_tuned(size)
    model = torch.load(write(tmp_path, pre_trained(size)), weights_only=True)["cfg"]["model"]
    theirs = source["cfg"]["model"]["w2v_args"]["model"]
    for name in theirs.keys() - {"unknown_to_everyone", "activation_fn", "conv_feature_layers"}:
        assert model[name] == theirs[name], name
    assert eval(model["conv_feature_layers"]) == list(size.conv)  # noqa: S307 - as fairseq does


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"hidden_act": "swish", "feat_extract_activation": "relu"}, "feat_extract_activation"),
        ({"hidden_act": "swish", "position_embeddings_type": None}, "position_embeddings_type"),
    ],
)
def test_what_fairseq_cannot_compute_is_refused(
    tmp_path: Path, tiny_config_kwargs: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    config = package.Wav2Vec2ConformerConfig(**{**tiny_config_kwargs, **changes})
    package.Wav2Vec2ConformerModel(config).save_pretrained(tmp_path / "in")
    with pytest.raises(CheckpointError, match=message):
        write_fairseq(read_checkpoint(tmp_path / "in"), tmp_path / "a.pt")
    assert not (tmp_path / "a.pt").exists()


def test_the_head_of_a_classifier_is_left_out_on_demand(
    tmp_path: Path, tiny_config_kwargs: dict[str, Any]
) -> None:
    config = package.Wav2Vec2ConformerConfig(**tiny_config_kwargs, hidden_act="swish")
    package.Wav2Vec2ConformerForSequenceClassification(config).save_pretrained(tmp_path / "in")
    checkpoint = read_checkpoint(tmp_path / "in")
    with pytest.raises(CheckpointError, match=r"nothing for .*classifier"):
        write_fairseq(checkpoint, tmp_path / "a.pt")
    write_fairseq(checkpoint, tmp_path / "a.pt", strict=False)
    body = read_checkpoint(tmp_path / "a.pt")
    assert body.model_class is package.Wav2Vec2ConformerModel
    assert body.problems() == []
