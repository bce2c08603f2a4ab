"""fairseq's and S3PRL's files: every variant is read, and every fault is named."""

import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import torch

from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.errors import CheckpointError

from .fairseq_layout import (
    LARGE,
    LETTERS,
    FakeFairseq,
    Size,
    dictionary_text,
    fine_tuned,
    fine_tuned_shapes,
    pre_trained,
    pre_training_shapes,
    save,
)

VARIANTS = [
    Size(),
    Size(layer_norm_first=False, extractor_mode="default", conv_bias=False),
    Size(pos_enc_type="rope"),
    Size(pos_enc_type="rope", layer_norm_first=False, extractor_mode="default"),
    Size(pos_enc_type="abs"),
    Size(pos_enc_type="abs", attn_type="", layer_norm_first=False),
]
POSITIONS = {"rel_pos": "relative", "rope": "rotary", "abs": "convolutional"}


@pytest.mark.parametrize("size", VARIANTS, ids=lambda size: f"{size.pos_enc_type}")
@pytest.mark.parametrize("style", ["cfg", "args", "s3prl"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_pre_trained_files_of_every_kind(
    tmp_path: Path, size: Size, style: str, is_zip: bool
) -> None:
    contents = pre_trained(size, style)
    checkpoint = read_checkpoint(save(contents, tmp_path / "LL_PT_no_FT", is_zip=is_zip))
    assert checkpoint.problems() == []
    assert checkpoint.model_class.__name__ == "Wav2Vec2ConformerForPreTraining"
    config = checkpoint.config
    assert config.position_embeddings_type == POSITIONS[size.pos_enc_type]
    assert config.encoder_norm == ("after" if size.layer_norm_first else "before")
    assert config.feat_extract_norm == ("layer" if "norm" in size.extractor_mode else "group")
    assert (config.hidden_act, config.conv_bias) == ("swish", size.conv_bias)
    assert (config.conv_dim, config.conv_stride) == ([8] * 7, [5, 2, 2, 2, 2, 2, 2])
    assert (config.num_codevector_groups, config.num_codevectors_per_group) == (2, 6)
    assert (config.codevector_dim, config.proj_codevector_dim) == (8, 12)
    assert config.mask_time_prob == 0.65
    assert {config.hidden_dropout, config.activation_dropout, config.attention_dropout} == {0.0}
    assert checkpoint.do_normalize
    state = contents["model_weight" if style == "s3prl" else "model"]
    assert len(checkpoint.tensors) == len(state) - (size.pos_enc_type == "rope")
    if style == "cfg":
        assert checkpoint.training["num_updates"] == 400_000
        assert checkpoint.training["data_folder"] == "/data/ll60k"
        assert config.diversity_loss_weight == 0.2


def test_fine_tuned_settings_go_before_those_of_pre_training(tmp_path: Path) -> None:
    (tmp_path / "dict.ltr.txt").write_text(dictionary_text())
    for style in ("cfg", "args"):
        checkpoint = read_checkpoint(save(fine_tuned(style=style), tmp_path / "ft.pt"))
        assert checkpoint.problems() == []
        config = checkpoint.config
        assert (config.layerdrop, config.mask_time_prob, config.final_dropout) == (0.1, 0.5, 0.2)
        assert config.vocab_size == 4 + len(LETTERS)
        assert "dict.ltr.txt" in " ".join(checkpoint.notes)


def test_the_dictionary_in_the_file_goes_before_one_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ft.pt"
    with FakeFairseq() as fairseq:
        task_state = {"target_dictionary": fairseq.make_dictionary()}
        save({**fine_tuned(), "task_state": task_state}, path)
    (tmp_path / "dict.ltr.txt").write_text(dictionary_text(LETTERS[::-1]))
    vocabulary = read_checkpoint(path).vocabulary
    assert vocabulary is not None
    assert list(vocabulary)[:6] == ["<pad>", "<s>", "</s>", "<unk>", "|", "E"]
    assert list(vocabulary.values()) == list(range(16))
    (tmp_path / "mine.txt").write_text(dictionary_text(LETTERS[::-1]))
    checkpoint = read_checkpoint(path, dictionary=tmp_path / "mine.txt")
    assert checkpoint.vocabulary is not None
    assert list(checkpoint.vocabulary)[4] == "L"
    with pytest.raises(CheckpointError, match=r"its own dictionary is not that of .*mine\.txt"):
        checkpoint.require_complete(strict=True)


def test_a_dictionary_of_another_size_is_refused(tmp_path: Path) -> None:
    path = save(fine_tuned(), tmp_path / "ft.pt")
    dictionary = tmp_path / "dict.ltr.txt"
    dictionary.write_text(dictionary_text("|AB"))
    message = r"has 7 symbols .* head of .* has 16 outputs"
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path, dictionary=dictionary)
    checkpoint = read_checkpoint(path)  # beside the file it may be another model's
    assert checkpoint.vocabulary is None
    assert re.search(message, checkpoint.notes[0])


@pytest.mark.parametrize(
    "reduce",
    [
        lambda member, _: (type(member), (member.value,)),
        lambda member, _: (getattr, (type(member), member.name)),  # Python 3.11.2
    ],
    ids=["by value", "by name"],
)
def test_enumerations_in_the_configuration_count_by_their_value(
    tmp_path: Path, reduce: Callable[[Enum, int], object]
) -> None:
    contents = pre_trained()
    with FakeFairseq() as fairseq:
        members = {"layer_norm": "layer_norm", "default": "default"}
        choice = Enum("ExtractorMode", members, module=fairseq.constants.__name__)
        choice.__reduce_ex__ = reduce  # type: ignore[assignment,method-assign]
        fairseq.constants.ExtractorMode = choice  # type: ignore[attr-defined]
        contents["cfg"]["model"]["extractor_mode"] = choice.layer_norm  # type: ignore[attr-defined]
        path = save(contents, tmp_path / "a.pt")
    assert read_checkpoint(path).problems() == []


def test_missing_and_unknown_tensors_are_listed(tmp_path: Path) -> None:
    contents = pre_trained()
    del contents["model"]["encoder.layers.1.ffn2.w_1.bias"]
    contents["model"]["target_glu.0.weight"] = torch.zeros(2)
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    for strict in (True, False):
        with pytest.raises(CheckpointError, match=r"layers\.1\.ffn2\.intermediate_dense\.bias"):
            checkpoint.require_complete(strict=strict)
    contents = pre_trained()
    contents["model"]["target_glu.0.weight"] = torch.zeros(2)
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    assert checkpoint.unmapped == ["target_glu.0.weight"]
    with pytest.raises(
        CheckpointError, match=r"that stand for nothing in this model \(1\): target_glu\.0\.weight"
    ):
        checkpoint.require_complete(strict=True)
    checkpoint.require_complete(strict=False)


def test_a_missing_dead_tensor_matters_in_strict_mode_only(tmp_path: Path) -> None:
    contents = pre_trained()
    del contents["model"]["encoder.pos_conv.0.bias"]
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    checkpoint.require_complete(strict=False)
    with pytest.raises(
        CheckpointError, match=r"missing tensors \(1\): .*pos_conv_embed\.conv\.bias"
    ):
        checkpoint.require_complete(strict=True)


def test_a_tensor_of_the_wrong_shape_is_named(tmp_path: Path) -> None:
    contents = pre_trained()
    contents["model"]["encoder.layers.1.ffn2.w_1.bias"] = torch.zeros(3)
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match=r"intermediate_dense\.bias \(3,\), expected \(20,\)"):
        checkpoint.require_complete(strict=False)


def test_whole_numbers_for_weights_are_named(tmp_path: Path) -> None:
    contents = pre_trained()
    contents["model"]["final_proj.bias"] = torch.zeros(12, dtype=torch.int64)
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match=r"shape or type \(1\): project_hid\.bias of int64"):
        checkpoint.require_complete(strict=False)


def test_the_convolution_is_needed_where_it_gives_the_positions(tmp_path: Path) -> None:
    contents = pre_trained(Size(pos_enc_type="abs"))
    del contents["model"]["encoder.pos_conv.0.bias"]
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match=r"missing tensors \(1\)"):
        checkpoint.require_complete(strict=False)


def test_settings_that_the_tensors_contradict_are_listed(tmp_path: Path) -> None:
    contents = pre_trained()
    contents["cfg"]["model"] |= {"encoder_layers": 12, "pos_enc_type": "rope"}
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match=r"num_hidden_layers is 12 .* 2 by the tensors"):
        checkpoint.require_complete(strict=True)
    assert len(checkpoint.disagreements) == 2
    checkpoint.require_complete(strict=False)
    assert checkpoint.config.num_hidden_layers == 2


def test_a_file_without_settings_needs_a_configuration(tmp_path: Path) -> None:
    contents = pre_trained()
    path = save(contents["model"], tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match=r"conv_stride, encoder_norm.*--config config\.json"):
        read_checkpoint(path)
    complete = read_checkpoint(save(contents, tmp_path / "a.pt"))
    complete.config.save_pretrained(tmp_path / "config")
    checkpoint = read_checkpoint(path, config=tmp_path / "config" / "config.json")
    assert checkpoint.problems() == []
    assert checkpoint.config.conv_stride == complete.config.conv_stride


def test_rotary_frequencies_come_from_the_file_and_are_compared(tmp_path: Path) -> None:
    size = Size(pos_enc_type="rope", dim=32)
    contents = pre_trained(size)
    assert read_checkpoint(save(contents, tmp_path / "a.pt")).notes == []
    names = [f"encoder.layers.{i}.self_attn.rotary_emb.inv_freq" for i in range(2)]
    exact = contents["model"][names[0]]
    for changed, message in (
        (exact.half().float(), "rounded to float16"),
        (exact * 1.01, r"differ from the formula by up to 0\.01"),
    ):
        contents["model"] |= dict.fromkeys(names, changed)
        checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
        name = "wav2vec2_conformer.encoder.embed_positions.inv_freq"
        assert torch.equal(checkpoint.tensors[name], changed)
        assert checkpoint.problems() == []
        assert re.search(message, checkpoint.notes[0])
    contents["model"][names[1]] = exact * 2
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match=r"layers\.1\..*inv_freq differs from that"):
        checkpoint.require_complete(strict=True)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"model": {"encoder.layers.0.fc1.weight": torch.zeros(2, 2)}}, "plain transformer blocks"),
        ({"model": {}}, "holds no weights"),
        ({"model": {"a": 3}}, "holds no weights of a model, but: a"),
        ({"epoch": 3}, "holds no weights of a model, but: epoch"),
        ([1, 2], "holds a list"),
    ],
)
def test_what_is_no_conformer_is_named(tmp_path: Path, contents: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(save(contents, tmp_path / "a.pt"))


def test_half_precision_stays_as_it_is(tmp_path: Path) -> None:
    contents = pre_trained()
    contents["model"] = {
        n: t.half() if t.is_floating_point() else t for n, t in contents["model"].items()
    }
    checkpoint = read_checkpoint(save(contents, tmp_path / "a.pt"))
    assert {t.dtype for t in checkpoint.tensors.values()} == {torch.float16, torch.int64}


@pytest.mark.parametrize(
    ("positions", "num_fine_tuned", "num_pre_trained"),
    [("rel_pos", 618_591_904, 620_510_976), ("rope", 593_376_928, 595_296_000)],
)
def test_the_released_large_size_fits(
    positions: str, num_fine_tuned: int, num_pre_trained: int
) -> None:
    """Names and shapes only. The numbers of parameters are the published ones."""
    from wav2vec2_conformer.checkpoints.architecture import compare_with_model, infer_architecture
    from wav2vec2_conformer.checkpoints.key_map import to_fairseq_names, to_our_names
    from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig

    size = LARGE._replace(pos_enc_type=positions)
    for theirs, expected in (
        (fine_tuned_shapes(size, 32), num_fine_tuned),
        (pre_training_shapes(size), num_pre_trained),
    ):
        names, unmapped = to_our_names(theirs)
        assert unmapped == []
        shapes = {ours: theirs[name] for name, ours in names.items()}
        fields = infer_architecture(shapes)
        assert (fields["num_attention_heads"], fields["num_hidden_layers"]) == (16, 24)
        config = Wav2Vec2ConformerConfig(hidden_act="swish", **fields)
        _, difference = compare_with_model(shapes, config)
        assert difference == ([], [], [])
        count = sum(
            torch.Size(shape).numel()
            for name, shape in shapes.items()
            if not name.endswith(("running_mean", "running_var", "tracked", "inv_freq"))
        )
        assert count == expected
        back, lost = to_fairseq_names(shapes, feat_extract_norm="layer", num_layers=24)
        assert lost == []
        assert back == names
