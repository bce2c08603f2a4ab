"""The ground of the ladder: a model of ours and the reference's with the same random weights.

The reference is transformers' own Wav2Vec2-Conformer. Each file beside this one is a rung: it
compares one part, so that a failure names the part. Tolerance 1e-5 (gradients 1e-4).
"""

from typing import Any, NamedTuple

import pytest
import torch
import transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer as reference
from torch import nn
from transformers import Wav2Vec2ConformerConfig as ReferenceConfig

import wav2vec2_conformer
from wav2vec2_conformer import Wav2Vec2ConformerConfig
from wav2vec2_conformer.nn.positions import relative_position_table

HEADS = [
    "Model",
    "ForCTC",
    "ForPreTraining",
    "ForSequenceClassification",
    "ForAudioFrameClassification",
    "ForXVector",
]
HIDDEN_SIZE = 32
# Of the tiny front end below: samples of one frame, and between two frames.
FIELD_SAMPLES, HOP_SAMPLES = 30, 20


class Pair(NamedTuple):
    """The same model twice."""

    ours: Any
    theirs: Any

    def train(self, mode=True):
        for model in self:
            model.train(mode)
        return self

    def __call__(self, *args, **kwargs):
        """Call both, each with inputs of its own: the reference writes into some."""
        return Pair(*(model(*map(_copy, args), **kwargs) for model in self))


def _copy(value):
    return value.clone() if isinstance(value, torch.Tensor) else value


def randomize(model: nn.Module) -> None:
    """Give every parameter and every batch norm statistic a value that shows in the output."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape)
        if parameter.dim() > 1:
            parameter.data = noise / parameter[0].numel() ** 0.5
        elif name.endswith("norm.weight"):
            parameter.data = 1.0 + 0.2 * noise
        else:
            parameter.data = 0.3 * noise
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean = 0.3 * torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
            module.num_batches_tracked.fill_(3)


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors of these sizes are slower with two threads, which wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["relative", "rotary", None], ids=str)
def positions(request):
    return request.param


@pytest.fixture(params=HEADS)
def head(request):
    return request.param


@pytest.fixture
def tiny_config_kwargs(tiny_config_kwargs) -> dict[str, Any]:
    """As everywhere in the tests, but wider, and with few samples per frame.

    `max_source_positions` is exceeded by the longer inputs, which makes the reference grow its
    table of positions.
    """
    return {
        **tiny_config_kwargs,
        "hidden_size": HIDDEN_SIZE,
        "intermediate_size": 48,
        "conv_dim": (16, 16, 16),
        "conv_kernel": (10, 3, 2),
        "conv_stride": (5, 2, 2),
        "max_source_positions": 64,
        "num_labels": 4,
    }


@pytest.fixture
def no_dropout() -> dict[str, float]:
    """Settings that leave nothing in training to chance but masks and Gumbel noise."""
    return dict.fromkeys(
        (
            "hidden_dropout",
            "activation_dropout",
            "attention_dropout",
            "feat_proj_dropout",
            "feat_quantizer_dropout",
            "final_dropout",
            "conformer_conv_dropout",
            "layerdrop",
        ),
        0.0,
    )


@pytest.fixture
def build_configs(tiny_config_kwargs):
    """Return our configuration and the reference's."""

    def build(**changes) -> Pair:
        kwargs = {**tiny_config_kwargs, **changes}
        own = {key: kwargs.pop(key) for key in ("exact_padding",) if key in kwargs}
        return Pair(Wav2Vec2ConformerConfig(**kwargs, **own), ReferenceConfig(**kwargs))

    return build


@pytest.fixture
def build_pair(build_configs):
    """Return our model and the reference's with the same weights, in evaluation mode."""

    def build(head: str = "Model", **changes) -> Pair:
        configs = build_configs(**changes)
        theirs = getattr(reference, f"Wav2Vec2Conformer{head}")(configs.theirs).eval()
        randomize(theirs)
        ours = getattr(wav2vec2_conformer, f"Wav2Vec2Conformer{head}")(configs.ours).eval()
        loaded = ours.load_state_dict(theirs.state_dict(), strict=False)
        # Ours has this one always, the reference only if a mask probability is above zero.
        assert all(key.endswith("masked_spec_embed") for key in loaded.missing_keys)
        assert loaded.unexpected_keys == []
        return Pair(ours, theirs)

    return build


@pytest.fixture
def waveforms():
    """Return two waveforms of so many frames."""

    def make(num_frames: int = 41, batch_size: int = 2) -> torch.Tensor:
        num_samples = FIELD_SAMPLES + HOP_SAMPLES * (num_frames - 1)
        return torch.randn(batch_size, num_samples)

    return make


@pytest.fixture
def padded(waveforms):
    """Return three waveforms and their attention mask; two are padded."""
    values = waveforms(41, batch_size=3)
    mask = torch.ones(values.shape, dtype=torch.long)
    mask[1, 517:] = 0
    mask[2, 290:] = 0
    return values * mask, mask


@pytest.fixture
def drawn_masks():
    """Return masked frames for `padded` and three distractors of each frame."""
    mask = torch.zeros(3, 41, dtype=torch.bool)
    mask[0, 3:19] = mask[1, 2:14] = mask[2, 5:9] = True
    frames = torch.stack(
        [torch.where(row)[0][torch.randint(int(row.sum()), (41, 3))] for row in mask]
    )
    return mask, frames + 41 * torch.arange(3)[:, None, None]


@pytest.fixture
def weighted_states():
    """Return the reference's weighted sum of hidden states, with the last one normed.

    So it was until transformers 5.16, and so the specification has it; later versions leave the
    norm out there, and with it the meaning of trained `layer_weights`.
    """

    def compute(theirs, values, mask=None):
        out = theirs.wav2vec2_conformer(values.clone(), mask, output_hidden_states=True)
        states = torch.stack([*out.hidden_states[:-1], out.last_hidden_state])
        return torch.einsum("l,lbtd->btd", theirs.layer_weights.softmax(0), states)

    return compute


@pytest.fixture
def assert_equal():
    """Fail unless two results, tensors or nested tuples of them, are equal to a tolerance."""

    def check(ours, theirs, tolerance: float = 1e-5) -> None:
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)

    return check


@pytest.fixture
def assert_equal_outputs(assert_equal):
    """Fail unless all tensors that two models return are equal, and there are as many."""

    def check(ours, theirs, tolerance: float = 1e-5) -> None:
        assert set(ours.keys()) == set(theirs.keys())
        assert_equal(dict(ours), dict(theirs), tolerance)

    return check


@pytest.fixture
def position_inputs():
    """Return what tells attention the positions of `num_frames` frames, in each one's form."""

    def make(pair: Pair, num_frames: int) -> Pair:
        encoder = pair.ours.encoder
        table = rotation = theirs = None
        if encoder.positions == "relative":
            table = relative_position_table(num_frames, HIDDEN_SIZE, torch.device("cpu"))
        elif encoder.positions == "rotary":
            rotation = encoder.embed_positions(num_frames)
        if pair.theirs.encoder.embed_positions is not None:
            theirs = pair.theirs.encoder.embed_positions(torch.zeros(1, num_frames, HIDDEN_SIZE))
        return Pair((table, rotation), theirs)

    return make


@pytest.fixture
def without_gumbel_noise(monkeypatch):
    """Make the Gumbel softmax of both a deterministic function with a gradient."""

    def straight_through(logits, tau=1.0, hard=False, dim=-1):
        soft = (logits / tau).softmax(dim)
        one_hot = torch.zeros_like(soft).scatter(dim, soft.argmax(dim, keepdim=True), 1.0)
        return one_hot - soft.detach() + soft if hard else soft

    monkeypatch.setattr(nn.functional, "gumbel_softmax", straight_through)


@pytest.fixture
def build_neighbours():
    """Return a model of ours and the reference's of a neighbour, with the same weights."""

    def build(our_class, our_config, their_class, their_config) -> Pair:
        theirs = their_class(their_config).eval()
        randomize(theirs)
        ours = our_class(our_config).eval()
        ours.load_state_dict(theirs.state_dict())
        return Pair(ours, theirs)

    return build
