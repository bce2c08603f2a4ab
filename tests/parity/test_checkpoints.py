"""Rung: files of one read by the other."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2ConformerForCTC as ReferenceForCTC

from wav2vec2_conformer import Wav2Vec2ConformerForCTC, Wav2Vec2ConformerModel


def legacy_names(state_dict):
    """Name the weight-normed weight as torch did before its parametrizations."""
    renamed = {}
    for name, value in state_dict.items():
        for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
            name = name.replace(f"parametrizations.weight.{new}", old)  # noqa: PLW2901
        renamed[name] = value.contiguous()
    assert sum("conv.weight_" in name for name in renamed) == 2
    return renamed


def test_ours_reads_theirs(
    build_pair, assert_equal_outputs, assert_equal, waveforms, tmp_path, head, positions
):
    ours, theirs = build_pair(head, position_embeddings_type=positions)
    theirs.save_pretrained(tmp_path)
    loaded, info = type(ours).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert not loaded.training
    assert_equal(loaded.state_dict(), theirs.state_dict(), tolerance=0.0)
    values = waveforms()
    assert_equal_outputs(loaded(values), theirs(values))


def test_theirs_reads_ours(
    build_pair, assert_equal_outputs, assert_equal, waveforms, tmp_path, head, positions
):
    ours, theirs = build_pair(head, position_embeddings_type=positions)
    ours.save_pretrained(tmp_path)
    loaded, info = type(theirs).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert_equal(loaded.state_dict(), ours.state_dict(), tolerance=0.0)
    values = waveforms()
    assert_equal_outputs(ours(values), loaded(values))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_ours_reads_half_precision(
    build_pair, assert_equal_outputs, waveforms, tmp_path, positions, dtype
):
    ours, theirs = build_pair("ForCTC", position_embeddings_type=positions)
    theirs.to(dtype).save_pretrained(tmp_path)
    assert type(ours).from_pretrained(tmp_path).dtype == dtype
    ours, theirs = (
        type(model).from_pretrained(tmp_path, dtype=torch.float32) for model in (ours, theirs)
    )
    assert ours.dtype == torch.float32
    if positions == "rotary":
        # The reference rounds its frequencies with the weights; ours follow their definition.
        rotary = ours.wav2vec2_conformer.encoder.embed_positions
        theirs.wav2vec2_conformer.encoder.embed_positions.inv_freq = rotary.frequencies()
    values = waveforms()
    assert_equal_outputs(ours(values), theirs(values))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_theirs_reads_half_precision(
    build_pair, assert_equal_outputs, waveforms, tmp_path, positions, dtype
):
    ours, theirs = build_pair("ForCTC", position_embeddings_type=positions)
    ours.to(dtype).save_pretrained(tmp_path)
    ours, theirs = (
        type(model).from_pretrained(tmp_path, dtype=torch.float32) for model in (ours, theirs)
    )
    values = waveforms()
    assert_equal_outputs(ours(values), theirs(values))


def test_sharded_files(build_pair, assert_equal_outputs, waveforms, tmp_path, head):
    ours, theirs = build_pair(head)
    for saving, loading in ((ours, theirs), (theirs, ours)):
        folder = tmp_path / type(saving).__module__
        saving.save_pretrained(folder, max_shard_size="40KB")
        assert len(list(folder.glob("model-*.safetensors"))) > 2
        loaded = type(loading).from_pretrained(folder)
        values = waveforms()
        assert_equal_outputs(loaded(values), saving(values))


@pytest.mark.parametrize("is_pickle", [True, False])
def test_legacy_names(build_pair, assert_equal, waveforms, tmp_path, positions, is_pickle):
    """As in the released files."""
    ours, theirs = build_pair("ForCTC", position_embeddings_type=positions)
    theirs.config.save_pretrained(tmp_path)
    weights = legacy_names(theirs.state_dict())
    if is_pickle:
        torch.save(weights, tmp_path / "pytorch_model.bin")
    else:
        save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded, info = type(ours).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert_equal(loaded.state_dict(), theirs.state_dict(), tolerance=0.0)
    values = waveforms()
    assert_equal(loaded(values).logits, theirs(values).logits)

    # and on from there to both
    again = tmp_path / "again"
    loaded.save_pretrained(again)
    for model_class in (Wav2Vec2ConformerForCTC, ReferenceForCTC):
        reloaded, info = model_class.from_pretrained(again, output_loading_info=True)
        assert not any(info.values())
        assert_equal(reloaded.state_dict(), theirs.state_dict(), tolerance=0.0)


def test_legacy_names_in_shards(build_pair, assert_equal, tmp_path):
    ours, theirs = build_pair("ForCTC")
    theirs.config.save_pretrained(tmp_path)
    weights = list(legacy_names(theirs.state_dict()).items())
    shards = {
        f"pytorch_model-0000{index + 1}-of-00002.bin": dict(weights[index::2]) for index in range(2)
    }
    weight_map = {}
    for file, shard in shards.items():
        torch.save(shard, tmp_path / file)
        weight_map |= dict.fromkeys(shard, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    loaded = type(ours).from_pretrained(tmp_path)
    assert_equal(loaded.state_dict(), theirs.state_dict(), tolerance=0.0)


def test_legacy_names_in_a_plain_state_dict(build_pair, assert_equal):
    ours, theirs = build_pair("ForCTC")
    ours.load_state_dict({name: torch.zeros_like(v) for name, v in ours.state_dict().items()})
    ours.load_state_dict(legacy_names(theirs.state_dict()))
    assert_equal(ours.state_dict(), theirs.state_dict(), tolerance=0.0)


def test_head_on_a_pretrained_body(build_pair, assert_equal, tmp_path, positions):
    """Fine-tuning begins so: the body's weights are read, the head's are new."""
    ours, theirs = build_pair("ForPreTraining", position_embeddings_type=positions)
    theirs.save_pretrained(tmp_path)
    loaded, info = Wav2Vec2ConformerForCTC.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == {"lm_head.weight", "lm_head.bias"}
    body = theirs.wav2vec2_conformer.state_dict()
    assert_equal(loaded.wav2vec2_conformer.state_dict(), body, tolerance=0.0)
    bare = Wav2Vec2ConformerModel.from_pretrained(tmp_path)
    assert_equal(bare.state_dict(), body, tolerance=0.0)

    bare.save_pretrained(tmp_path / "bare")
    loaded = type(ours).from_pretrained(tmp_path / "bare")
    assert_equal(loaded.wav2vec2_conformer.state_dict(), body, tolerance=0.0)


def test_names_on_disk(build_pair, tmp_path, head, positions):
    names = []
    for model in build_pair(head, position_embeddings_type=positions):
        model.save_pretrained(tmp_path / type(model).__module__)
        file = tmp_path / type(model).__module__ / "model.safetensors"
        names.append({name: value.shape for name, value in load_file(file).items()})
    assert names[0] == names[1]
