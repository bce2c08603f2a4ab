"""The neighbour Wav2Vec2-BERT: configuration, names, outputs, losses, gradients, files, sizes."""

import json

import numpy as np
import pytest
import torch
import transformers
from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert as reference

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForXVector
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig
from wav2vec2_conformer.models import wav2vec2_bert
from wav2vec2_conformer.nn.log_mel import LogMelFrontEnd

HEADS = [
    "Model",
    "ForCTC",
    "ForSequenceClassification",
    "ForAudioFrameClassification",
    "ForXVector",
]
NUM_FEATURES = 16
ADAPTER = {"add_adapter": True, "num_adapter_layers": 2, "output_hidden_size": 20}


@pytest.fixture(params=["relative_key", "relative", "rotary", None], ids=str)
def positions(request):
    return request.param


@pytest.fixture
def build_pair(tiny_config_kwargs, build_neighbours):
    def build(head="Model", **changes):
        own = {name: changes.pop(name) for name in ("exact_padding",) if name in changes}
        settings = {
            **tiny_config_kwargs,
            "feature_projection_input_dim": NUM_FEATURES,
            "left_max_position_embeddings": 7,
            "right_max_position_embeddings": 3,
            "hidden_act": "swish",
            **changes,
        }
        known = transformers.Wav2Vec2BertConfig()
        kwargs = {name: value for name, value in settings.items() if hasattr(known, name)}
        return build_neighbours(
            getattr(wav2vec2_bert, f"Wav2Vec2Bert{head}"),
            Wav2Vec2BertConfig(**kwargs, **own),
            getattr(reference, f"Wav2Vec2Bert{head}"),
            transformers.Wav2Vec2BertConfig(**kwargs),
        )

    return build


@pytest.fixture
def features():
    return torch.randn(3, 41, NUM_FEATURES)


@pytest.fixture
def mask():
    """Return the mask of 41, 25 and 14 frames."""
    return (torch.arange(41) < torch.tensor([41, 25, 14])[:, None]).long()


def labels_of(head):
    if head == "ForCTC":
        return {"labels": torch.randint(1, 12, (3, 6))}
    if head == "ForAudioFrameClassification":
        return {"labels": torch.nn.functional.one_hot(torch.randint(0, 4, (3, 41)), 4)}
    return {"labels": torch.tensor([3, 0, 2])} if "Class" in head or "XVector" in head else {}


def test_defaults_and_file_are_the_reference_s(tmp_path):
    for settings in ({}, ADAPTER, {"position_embeddings_type": "rotary"}):
        ours, theirs = Wav2Vec2BertConfig(**settings), transformers.Wav2Vec2BertConfig(**settings)
        ours.save_pretrained(tmp_path)
        written = json.loads((tmp_path / "config.json").read_text())
        assert written.pop("exact_padding") is True
        for ours_alone in (
            "max_simultaneous_speakers",
            "permutation_invariant_loss",
            "adapter_attn_dim",
        ):
            assert written.pop(ours_alone) is None
        theirs.save_pretrained(tmp_path)
        assert written == json.loads((tmp_path / "config.json").read_text())
        again = Wav2Vec2ConformerConfig.from_pretrained(tmp_path)
        assert type(again) is Wav2Vec2BertConfig
        assert again.to_diff_dict() == ours.to_diff_dict()


@pytest.mark.parametrize("head", HEADS)
def test_outputs_and_losses(build_pair, assert_equal_outputs, features, positions, head):
    pair = build_pair(head, position_embeddings_type=positions)
    assert list(pair.ours.state_dict()) == list(pair.theirs.state_dict())
    found = pair(features, **labels_of(head))
    assert_equal_outputs(*found)
    with torch.inference_mode():
        quick = pair.ours(features, **labels_of(head))
    for name in quick.keys() & {"last_hidden_state", "logits"}:
        torch.testing.assert_close(quick[name], found.theirs[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 5, 300])
def test_lengths(build_pair, assert_equal_outputs, positions, num_frames):
    """Beyond one block of queries, and within the limits of the clipped positions."""
    pair = build_pair(position_embeddings_type=positions)
    features = torch.randn(2, num_frames, NUM_FEATURES)
    assert_equal_outputs(*pair(features))
    with torch.inference_mode():
        assert_equal_outputs(*pair(features))


def test_positions_matter(build_pair, features, positions):
    """What the comparison rests on: other positions give other outputs."""
    ours = build_pair(position_embeddings_type=positions).ours
    out = ours(features).last_hidden_state
    for layer in ours.encoder.layers:
        layer.self_attn.distance_embedding = torch.nn.Embedding(11, 16)
    changed = ours(features).last_hidden_state
    assert ((out - changed).abs().max() > 1e-2) == (positions == "relative_key")


def test_hidden_states_and_attentions(build_pair, assert_equal, features, positions):
    ours, theirs = build_pair(position_embeddings_type=positions)
    theirs.set_attn_implementation("eager")
    kept = {"output_hidden_states": True, "output_attentions": True}
    ours, theirs = ours(features, **kept), theirs(features.clone(), **kept)
    assert_equal(ours.attentions, theirs.attentions)
    assert_equal(ours.hidden_states, theirs.hidden_states)


@pytest.mark.parametrize("head", ["Model", "ForCTC"])
def test_adapter(build_pair, assert_equal, assert_equal_outputs, features, mask, head):
    changes = {**ADAPTER, "use_intermediate_ffn_before_adapter": True, "exact_padding": False}
    pair = build_pair(head, **changes)
    assert list(pair.ours.state_dict()) == list(pair.theirs.state_dict())
    assert_equal_outputs(*pair(features, **labels_of(head)))
    ours, theirs = pair(features, mask)
    for row, num_frames in enumerate((11, 7, 4)):
        assert_equal(ours[0][row, :num_frames], theirs[0][row, :num_frames])


@pytest.mark.parametrize("adapter", [{}, ADAPTER], ids=["", "adapter"])
@pytest.mark.parametrize("no_gradient", [False, True])
def test_batch_is_single(build_pair, assert_equal, features, mask, positions, adapter, no_gradient):
    """In the reference it is not: through the adapter's convolutions the padding leaks."""
    ours, theirs = build_pair("ForCTC", position_embeddings_type=positions, **adapter)
    with torch.inference_mode(no_gradient):
        batch = ours(features, mask).logits
        for row, num_frames in enumerate((41, 25, 14)):
            single = ours(features[row : row + 1, :num_frames]).logits[0]
            assert_equal(batch[row, : len(single)], single)
    if adapter:
        leaking = theirs(features.clone(), mask).logits
        assert (leaking - batch)[1, :7].abs().max() > 1e-2


@pytest.mark.parametrize("head", ["ForCTC", "ForXVector"])
def test_gradients(build_pair, assert_equal, features, no_dropout, positions, head):
    no_dropout.pop("feat_quantizer_dropout")
    fixed = {"apply_spec_augment": False, "ctc_loss_reduction": "mean", **no_dropout}
    pair = build_pair(head, position_embeddings_type=positions, **fixed).train()
    labels, found = labels_of(head), []
    for model in pair:
        model(features.clone(), **labels).loss.backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    assert {n for n, g in found[0].items() if g is None} == {"wav2vec2_bert.masked_spec_embed"}
    assert_equal(*found, tolerance=1e-4)


@pytest.mark.parametrize("head", ["Model", "ForCTC", "ForXVector"])
def test_files_go_both_ways(build_pair, assert_equal, features, tmp_path, positions, head):
    ours, theirs = build_pair(head, position_embeddings_type=positions)
    for writer, reader in ((theirs, type(ours)), (ours, type(theirs))):
        writer.save_pretrained(tmp_path)
        loaded, info = reader.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values())
        assert_equal(loaded.state_dict(), writer.state_dict(), tolerance=0.0)
        assert_equal(loaded(features.clone())[0], writer(features.clone())[0])
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["architectures"] == [type(theirs).__name__]


def test_class_of_the_specification_reads_it(build_pair, assert_equal, features, tmp_path):
    _, theirs = build_pair("ForXVector")
    theirs.save_pretrained(tmp_path)
    loaded = Wav2Vec2ConformerForXVector.from_pretrained(tmp_path)
    assert type(loaded) is wav2vec2_bert.Wav2Vec2BertForXVector
    assert_equal(loaded(features).embeddings, theirs(features.clone()).embeddings)


@pytest.mark.parametrize("num_samples", [560, 720, 16_000, 16_100])
def test_front_end(assert_equal, num_samples):
    """Clips that end with a whole frame and with half of one. The reference rounds its spectra."""
    time_s = np.arange(num_samples) / 16_000
    waveform = 0.1 * np.sin(2 * np.pi * 440 * time_s) + 0.01 * np.random.randn(num_samples)  # noqa: NPY002
    extractor = transformers.SeamlessM4TFeatureExtractor()
    theirs = extractor(waveform, sampling_rate=16_000, return_tensors="pt")
    front_end = LogMelFrontEnd(160)
    ours = front_end(torch.from_numpy(waveform)[None].float())
    num_frames = int(theirs.attention_mask.sum())
    assert ours.shape[1] == num_frames == front_end.output_lengths(torch.tensor(num_samples))
    assert_equal(ours, theirs.input_features[:, :num_frames], tolerance=5e-4)


def test_waveforms_and_their_features(build_pair, assert_equal, positions):
    """What transformers' feature extractor and model make of waveforms, batch and single."""
    ours, theirs = build_pair("ForCTC", position_embeddings_type=positions)
    extractor = transformers.SeamlessM4TFeatureExtractor(
        feature_size=NUM_FEATURES // 2, num_mel_bins=NUM_FEATURES // 2
    )
    waveforms = [0.1 * np.random.randn(n).astype(np.float32) for n in (8_000, 5_000)]  # noqa: NPY002
    given = extractor(waveforms, sampling_rate=16_000, return_tensors="pt")
    expected = theirs(**given).logits
    padded = torch.nn.utils.rnn.pad_sequence([*map(torch.from_numpy, waveforms)], batch_first=True)
    mask = (torch.arange(8_000) < torch.tensor([8_000, 5_000])[:, None]).long()
    logits = ours(padded, mask).logits
    for row, (waveform, num_frames) in enumerate(zip(waveforms, (24, 14), strict=True)):
        assert_equal(logits[row, :num_frames], expected[row, :num_frames], tolerance=5e-4)
        single = ours(torch.from_numpy(waveform)[None]).logits[0]
        assert_equal(logits[row, :num_frames], single)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 580_493_120),  # facebook/w2v-bert-2.0
        ({"add_adapter": True}, 605_678_400),
    ],
    ids=["2.0", "adapter"],
)
def test_released_sizes(settings, expected):
    with torch.device("meta"):
        models = (
            wav2vec2_bert.Wav2Vec2BertModel(Wav2Vec2BertConfig(**settings)),
            reference.Wav2Vec2BertModel(transformers.Wav2Vec2BertConfig(**settings)),
        )
    assert [model.num_parameters() for model in models] == [expected, expected]


def test_input_has_two_names(build_pair, assert_equal, features):
    ours = build_pair("ForCTC").ours
    expected = ours(features).logits
    for named in ({"input_values": features}, {"input_features": features}):
        assert_equal(ours(**named, return_dict=False)[0], expected)
    with pytest.raises(ValueError, match="either input_values or input_features"):
        ours(input_values=features, input_features=features)
    with pytest.raises(ValueError, match="either input_values or input_features"):
        ours(features, input_features=features)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 9, 15), r"shape \(batch, frames, 16\), got \(2, 9, 15\)"),
        ((2, 0, 16), "at least one frame"),
        ((2, 559), "at least 560 samples"),
        ((800,), r"\(batch, samples\), or \(batch, frames, features\), got \(800,\)"),
    ],
)
def test_wrong_input_is_refused(build_pair, shape, message):
    with pytest.raises(ValueError, match=message):
        build_pair().ours(torch.randn(shape))


def test_wrong_mask_is_refused(build_pair, features):
    with pytest.raises(ValueError, match=r"marks frames .*\(3, 41\), got \(3, 40\)"):
        build_pair().ours(features, torch.ones(3, 40))
