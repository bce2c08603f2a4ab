"""Rung: fairseq's files, converted, compute what fairseq computes.

fairseq itself cannot be installed beside this package. Its forward pass is written down here on
the tensors under fairseq's own names, as a second opinion on the key map; and what is converted to
transformers' format is run by transformers.
"""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer as reference

from wav2vec2_conformer.checkpoints.equality import load_model
from wav2vec2_conformer.checkpoints.fairseq_writing import write_fairseq
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.checkpoints.torch_file import TorchFile
from wav2vec2_conformer.checkpoints.transformers_writing import write_transformers


def load_layout():
    path = Path(__file__).parents[1] / "unit" / "checkpoints" / "fairseq_layout.py"
    spec = importlib.util.spec_from_file_location("fairseq_layout", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


layout = load_layout()
LARGE_LIKE = layout.Size()
BASE_LIKE = layout.Size(layer_norm_first=False, extractor_mode="default", conv_bias=False)
SIZES = [
    size._replace(pos_enc_type=kind)
    for size in (LARGE_LIKE, BASE_LIKE)
    for kind in ("rel_pos", "rope", "abs")
]
SIZES.append(BASE_LIKE._replace(pos_enc_type="abs", attn_type="fairseq"))


def name_of(size):
    first = "norm-after" if size.layer_norm_first else "norm-before"
    return f"{size.pos_enc_type}-{size.attn_type}-{first}"


class Fairseq:
    """The forward pass in evaluation mode, for one waveform."""

    def __init__(self, state, size):
        self.state = {
            name.removeprefix("w2v_encoder.w2v_model."): value for name, value in state.items()
        }
        self.size = size

    def norm(self, x, name):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, weight.shape, weight, bias)

    def linear(self, x, name):
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def features(self, waveform):
        x = waveform[None, None]
        for n, (_, _, stride) in enumerate(self.size.conv):
            prefix = f"feature_extractor.conv_layers.{n}"
            bias = self.state.get(f"{prefix}.0.bias")
            x = F.conv1d(x, self.state[f"{prefix}.0.weight"], bias, stride)
            if self.size.extractor_mode == "layer_norm":
                x = self.norm(x.transpose(1, 2), f"{prefix}.2.1").transpose(1, 2)
            elif n == 0:
                weight, bias = (self.state[f"{prefix}.2.{part}"] for part in ("weight", "bias"))
                x = F.group_norm(x, x.shape[1], weight, bias)
            x = F.gelu(x)
        return self.norm(x[0].T, "layer_norm")

    def encode(self, features):
        x = self.linear(features, "post_extract_proj")
        if self.size.pos_enc_type == "abs":
            g, v = (self.state[f"encoder.pos_conv.0.weight_{half}"] for half in "gv")
            weight = torch._weight_norm(v, g, 2)
            positional = F.conv1d(
                x.T[None],
                weight,
                self.state["encoder.pos_conv.0.bias"],
                padding=self.size.conv_pos // 2,
                groups=self.size.conv_pos_groups,
            )
            if self.size.conv_pos % 2 == 0:
                positional = positional[:, :, :-1]
            x = x + F.gelu(positional)[0].T
        if not self.size.layer_norm_first:
            x = self.norm(x, "encoder.layer_norm")
        for i in range(self.size.num_layers):
            x = self.layer(x, f"encoder.layers.{i}")
        return self.norm(x, "encoder.layer_norm") if self.size.layer_norm_first else x

    def layer(self, x, name):
        x = x + 0.5 * self.feed_forward(x, f"{name}.ffn1")
        x = x + self.attend(self.norm(x, f"{name}.self_attn_layer_norm"), f"{name}.self_attn")
        x = x + self.convolve(x, f"{name}.conv_module")
        x = x + 0.5 * self.feed_forward(x, f"{name}.ffn2")
        return self.norm(x, f"{name}.final_layer_norm")

    def feed_forward(self, x, name):
        x = F.silu(self.linear(self.norm(x, f"{name}.layer_norm"), f"{name}.w_1"))
        return self.linear(x, f"{name}.w_2")

    def convolve(self, x, name):
        x = self.norm(x, f"{name}.layer_norm").T[None]
        x = F.glu(F.conv1d(x, self.state[f"{name}.pointwise_conv1.weight"]), dim=1)
        depthwise = self.state[f"{name}.depthwise_conv.weight"]
        x = F.conv1d(x, depthwise, padding=depthwise.shape[2] // 2, groups=x.shape[1])
        mean, variance, weight, bias = (
            self.state[f"{name}.batch_norm.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.silu(F.batch_norm(x, mean, variance, weight, bias))
        return F.conv1d(x, self.state[f"{name}.pointwise_conv2.weight"])[0].T

    def attend(self, x, name):
        linear = "linear_{}" if self.size.attn_type == "espnet" else "{}_proj"
        num_frames, dim = x.shape
        width = dim // self.size.num_heads
        turned = x
        if self.size.pos_enc_type == "rope":
            frequencies = self.state[f"{name}.rotary_emb.inv_freq"]
            angles = torch.outer(torch.arange(num_frames).float(), frequencies)
            angles = torch.cat((angles, angles), dim=1)[:, None]
            heads = x.view(num_frames, -1, width)
            half = torch.cat((-heads[..., width // 2 :], heads[..., : width // 2]), dim=2)
            turned = (heads * angles.cos() + half * angles.sin()).reshape(num_frames, dim)
        query, key, value = (
            self.linear(source, f"{name}.{linear.format(part)}").view(num_frames, -1, width)
            for source, part in ((turned, "q"), (turned, "k"), (x, "v"))
        )
        if self.size.pos_enc_type == "rel_pos":
            u, v = (self.state[f"{name}.pos_bias_{part}"] for part in "uv")
            content = torch.einsum("ihk,jhk->hij", query + u, key)
            distance = torch.arange(num_frames)[:, None] - torch.arange(num_frames)
            rates = torch.exp(torch.arange(0, dim, 2) * -(torch.log(torch.tensor(1e4)) / dim))
            angles = distance[:, :, None] * rates
            table = torch.stack((angles.sin(), angles.cos()), dim=3).flatten(2)
            placed = self.linear(table, f"{name}.linear_pos").unflatten(2, (-1, width))
            scores = content + torch.einsum("ihk,ijhk->hij", query + v, placed)
        else:
            scores = torch.einsum("ihk,jhk->hij", query, key)
        weights = (scores / width**0.5).softmax(dim=2)
        mixed = torch.einsum("hij,jhk->ihk", weights, value).reshape(num_frames, dim)
        return self.linear(mixed, f"{name}.{linear.format('out')}")


@pytest.mark.parametrize("size", SIZES, ids=name_of)
def test_fine_tuned_model(tmp_path, size, assert_equal):
    contents = layout.fine_tuned(size)
    model = load_model(read_checkpoint(layout.save(contents, tmp_path / "a.pt")))
    fairseq = Fairseq(contents["model"], size)
    waveform = torch.randn(8_000)
    with torch.no_grad():
        expected = fairseq.linear(fairseq.encode(fairseq.features(waveform)), "w2v_encoder.proj")
        logits = model(waveform[None]).logits[0]
    assert_equal(logits, expected, tolerance=2e-5)


@pytest.mark.parametrize("size", SIZES, ids=name_of)
def test_pre_trained_model(tmp_path, size, assert_equal):
    contents = layout.pre_trained(size)
    model = load_model(read_checkpoint(layout.save(contents, tmp_path / "a.pt")))
    fairseq = Fairseq(contents["model"], size)
    waveform = torch.randn(8_000)
    with torch.no_grad():
        features = fairseq.features(waveform)
        predictions = fairseq.linear(fairseq.encode(features), "final_proj")
        scores = fairseq.linear(features, "quantizer.weight_proj").view(-1, 2, size.latent_vars)
        books = contents["model"]["quantizer.vars"][0].view(2, size.latent_vars, -1)
        codes = scores.argmax(dim=2)
        quantized = torch.cat([books[g][codes[:, g]] for g in range(2)], dim=1)
        quantized = fairseq.linear(quantized, "project_q")
        out = model(waveform[None])
    assert_equal(out.projected_states[0], predictions, tolerance=2e-5)
    assert_equal(out.projected_quantized_states[0], quantized, tolerance=2e-5)


@pytest.mark.parametrize("kind", ["rel_pos", "rope"])
@pytest.mark.parametrize("head", ["ForCTC", "ForPreTraining"])
def test_transformers_runs_what_was_converted(tmp_path, kind, head, assert_equal):
    size = LARGE_LIKE._replace(pos_enc_type=kind)
    contents = layout.fine_tuned(size) if head == "ForCTC" else layout.pre_trained(size)
    checkpoint = read_checkpoint(layout.save(contents, tmp_path / "a.pt"))
    write_transformers(checkpoint, tmp_path / "folder")
    theirs, info = getattr(reference, f"Wav2Vec2Conformer{head}").from_pretrained(
        tmp_path / "folder", output_loading_info=True
    )
    assert not any(info.values())
    waveform = torch.randn(1, 8_000)
    fairseq = Fairseq(contents["model"], size)
    with torch.no_grad():
        states = fairseq.encode(fairseq.features(waveform[0]))
        ours, name = load_model(checkpoint)(waveform), "final_proj"
        if head == "ForCTC":
            found = (ours.logits[0], theirs(waveform).logits[0])
            name = "w2v_encoder.proj"
        else:
            found = (ours.projected_states[0], theirs(waveform).projected_states[0])
    for value in found:
        assert_equal(value, fairseq.linear(states, name), tolerance=2e-5)


@pytest.mark.parametrize("size", SIZES[:6], ids=name_of)
@pytest.mark.parametrize("kind", ["pre_trained", "fine_tuned"])
def test_there_and_back_is_bit_exact(tmp_path, size, kind):
    """fairseq to transformers to fairseq: every tensor, the unused convolution too."""
    contents = getattr(layout, kind)(size)
    first = read_checkpoint(layout.save(contents, tmp_path / "a.pt"))
    if kind == "fine_tuned":
        (tmp_path / "dict.ltr.txt").write_text(layout.dictionary_text())
        first = read_checkpoint(tmp_path / "a.pt")
    write_transformers(first, tmp_path / "folder")
    write_fairseq(read_checkpoint(tmp_path / "folder"), tmp_path / "b.pt")
    file = TorchFile(tmp_path / "b.pt")
    assert file.contents["model"].keys() == contents["model"].keys()
    for name, value in contents["model"].items():
        found = file.tensor(file.contents["model"][name])
        assert found.dtype == value.dtype
        assert torch.equal(found, value), name
    again = read_checkpoint(tmp_path / "b.pt")
    assert again.problems() == []
    assert again.vocabulary == first.vocabulary
    assert again.do_normalize == first.do_normalize
    ignored = {"converted_from", "architectures", "dtype", "transformers_version"}
    before, after = (
        {k: v for k, v in c.config.to_dict().items() if k not in ignored} for c in (first, again)
    )
    assert before == after
