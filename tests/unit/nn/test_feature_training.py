"""The lean gradients of the feature encoder: equal to autograd's, with less kept for them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wav2vec2_conformer.nn import feature_encoder as feature_encoder_module
from wav2vec2_conformer.nn import feature_stack
from wav2vec2_conformer.nn.feature_encoder import FeatureEncoder
from wav2vec2_conformer.nn.feature_training import encode_utterance

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # those of the released models
FIELD_SAMPLES, HOP_SAMPLES = 400, 320


@pytest.fixture
def build(randomize):
    def build(norm="layer", *, bias=True, activation=F.gelu, channels=(6,) * 7):
        count = len(channels)
        return randomize(
            FeatureEncoder(
                channels,
                KERNELS[:count],
                STRIDES[:count],
                bias=bias,
                norm=norm,
                activation=activation,
            )
        )

    return build


@pytest.fixture
def lean_calls(monkeypatch):
    """Return a list that grows with each utterance encoded with lean gradients."""
    calls = []

    def note(waveform, *settings):
        calls.append(len(waveform))
        return encode_utterance(waveform, *settings)

    monkeypatch.setattr(feature_encoder_module, "encode_utterance", note)
    return calls


def compute_plainly(encoder):
    """Make an encoder take torch's own convolutions: lean gradients know no hooks."""
    encoder.conv_layers[0].conv.register_forward_hook(lambda *_: None)


def run(encoder, waveforms, lengths=None):
    """Return the valid frames, and the gradients of the waveforms and of all parameters."""
    encoder.zero_grad()
    waveforms = waveforms.clone().requires_grad_()
    frames = encoder(waveforms, lengths)
    if lengths is not None:
        counts = encoder.output_lengths(lengths)
        frames = frames[torch.arange(frames.shape[1]) < counts[:, None]]
    (frames * torch.linspace(-1.0, 1.0, frames.numel()).view(frames.shape)).sum().backward()
    return frames, waveforms.grad, [parameter.grad.clone() for parameter in encoder.parameters()]


def assert_equals_plain(encoder, waveforms, lengths=None, tolerance=2e-5):
    found = run(encoder, waveforms, lengths)
    compute_plainly(encoder)
    expected = run(encoder, waveforms, lengths)
    torch.testing.assert_close(found[0], expected[0], atol=tolerance, rtol=tolerance)
    for ours, torchs in zip((found[1], *found[2]), (expected[1], *expected[2]), strict=True):
        # Relative to the largest: a bias before a norm over time has a gradient of rounding errors.
        scale = max(float(torchs.abs().max()), 1e-2)
        torch.testing.assert_close(ours / scale, torchs / scale, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("piece_frames", [3, 512])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("num_samples", [FIELD_SAMPLES, 719, 720, 3_333])
def test_gradients_are_those_of_autograd(
    build, lean_calls, monkeypatch, norm, bias, num_samples, piece_frames
):
    monkeypatch.setattr(feature_stack, "PIECE_FRAMES", piece_frames)
    assert_equals_plain(build(norm, bias=bias), torch.randn(2, num_samples))
    assert lean_calls == [num_samples] * 2


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_padding_is_left_out(build, lean_calls, norm):
    """An utterance shorter than one window has no frame and gives no gradient."""
    lengths = torch.tensor([3_333, 1_500, FIELD_SAMPLES - 1])
    encoder, waveforms = build(norm), torch.randn(3, 3_333)
    frames = encoder(waveforms, lengths)
    assert frames.shape == (3, 10, 6)
    assert frames[1, 4:].abs().sum() == 0.0
    assert frames[2].abs().sum() == 0.0
    _, of_waveforms, _ = run(encoder, waveforms, lengths)
    assert of_waveforms[1, 1_500:].abs().sum() == 0.0
    assert of_waveforms[2].abs().sum() == 0.0
    assert_equals_plain(encoder, waveforms, lengths)
    assert lean_calls[:3] == [3_333, 1_500, FIELD_SAMPLES]


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("channels", [(4,), (4, 6, 5)])
def test_double_precision_passes_the_gradient_check(build, lean_calls, norm, channels):
    encoder = build(norm, channels=channels).double()
    waveforms = torch.randn(1, 47, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in encoder.named_parameters()]
    parameters = list(encoder.parameters())

    def encode(waveforms, *parameters):
        for name, tensor in zip(names, parameters, strict=True):
            owner, _, own_name = name.rpartition(".")
            assert encoder.get_submodule(owner)._parameters[own_name] is tensor
        return encoder(waveforms)

    assert torch.autograd.gradcheck(encode, (waveforms, *parameters))
    assert lean_calls


@pytest.mark.parametrize(
    "activation", [F.relu, nn.SiLU(), nn.GELU(approximate="tanh")], ids=["relu", "silu", "gelu"]
)
def test_any_activation_of_elements(build, lean_calls, activation):
    assert_equals_plain(build(activation=activation), torch.randn(1, 1_000))
    assert lean_calls


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_16_bit_autocast_is_about_as_exact_as_autograd(build, lean_calls, norm):
    encoder, waveforms = build(norm, channels=(16, 16, 16)), torch.randn(2, 2_000)
    _, *exact = run(encoder, waveforms)
    errors = []
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            frames, *found = run(encoder, waveforms)
        assert frames.dtype == torch.bfloat16
        assert all(gradient.dtype == torch.float32 for gradient in (found[0], *found[1]))
        pairs = zip((found[0], *found[1]), (exact[0], *exact[1]), strict=True)
        errors.append(sum(float((ours - full).norm()) for ours, full in pairs))
        compute_plainly(encoder)
    assert len(lean_calls) == 4
    assert errors[0] < 1.2 * errors[1]


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_16_bit_products_come_in_few_shapes(build, lean_calls, monkeypatch, norm):
    encoder, waveforms = build(norm), torch.randn(3, 12_000)
    lengths = torch.tensor([12_000, 11_000, 6_000])
    results = []
    for frames in (16, 1):
        monkeypatch.setattr(feature_encoder_module, "MIXED_FRAMES", frames)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results.append(run(encoder, waveforms, lengths))
    step = 16 * HOP_SAMPLES
    assert lean_calls[:3] == [3 * step, 3 * step, 2 * step]
    rounded, plain = results
    assert torch.equal(rounded[0], plain[0])
    torch.testing.assert_close(rounded[1:], plain[1:])


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_keeps_what_later_convolutions_make_and_no_more(build, norm):
    encoder = build(norm, channels=(64,) * 7)
    own = {parameter.data_ptr() for parameter in encoder.parameters()}
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    num_samples = 32_000
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        encoder(torch.randn(1, num_samples))
    lengths = [torch.tensor(num_samples)]
    for index in range(7):
        lengths.append(encoder._layer_lengths(index, lengths[-1]))
    made = 64 * int(sum(lengths[2:]))
    counted = sum(tensor.numel() for pointer, tensor in kept.items() if pointer not in own)
    weights = sum(parameter.numel() for parameter in encoder.parameters())
    windows = 12 * int(lengths[1])  # of a group norm's covariance, in double precision
    assert made <= counted < made + 2 * weights + 2 * windows + 2 * num_samples


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_frozen_encoder_keeps_nothing(build, norm):
    encoder = build(norm).requires_grad_(requires_grad=False)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        frames = encoder(torch.randn(2, 2_000), torch.tensor([2_000, 900]))
    assert kept == []
    assert not frames.requires_grad


def test_frozen_layers_get_no_gradient(build, lean_calls):
    encoder, waveforms = build(), torch.randn(1, 2_000)
    _, _, expected = run(encoder, waveforms)
    encoder.conv_layers[:3].requires_grad_(requires_grad=False)
    encoder.zero_grad()
    frames = encoder(waveforms)
    (frames * torch.linspace(-1.0, 1.0, frames.numel()).view(frames.shape)).sum().backward()
    for parameter, gradient in zip(encoder.parameters(), expected, strict=True):
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, gradient)
        else:
            assert parameter.grad is None
    assert len(lean_calls) == 2


def test_layers_that_do_more_are_called(build, lean_calls):
    class Wrapped(nn.Conv1d):
        pass

    hooked, wrapped = build(), build()
    learned, in_place = build(activation=nn.PReLU()), build(activation=nn.ReLU(inplace=True))
    compute_plainly(hooked)
    wrapped.conv_layers[2].conv = Wrapped(6, 6, 3, 2)
    for encoder in (hooked, wrapped, learned, in_place):
        encoder(torch.randn(1, 1_000)).sum().backward()
        assert all(parameter.grad is not None for parameter in encoder.parameters())
    assert lean_calls == []


@pytest.mark.parametrize(
    ("module", "name"), [(torch.compiler, "is_compiling"), (torch.jit, "is_tracing")]
)
def test_compilers_and_tracers_see_torchs_own_operations(
    build, lean_calls, monkeypatch, module, name
):
    monkeypatch.setattr(module, name, lambda: True)
    build()(torch.randn(2, 1_000)).sum().backward()
    assert lean_calls == []


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_second_derivatives_are_those_of_autograd(build, lean_calls, norm):
    encoder, waveforms = build(norm), torch.randn(1, 1_000, requires_grad=True)
    found = []
    for _ in range(2):
        frames = encoder(waveforms)
        (slope,) = torch.autograd.grad(frames.square().sum(), waveforms, create_graph=True)
        parameters = [weight for weight in encoder.parameters() if weight.dim() > 1]
        found.append(torch.autograd.grad(slope.square().sum(), parameters))
        compute_plainly(encoder)
    assert len(lean_calls) == 1
    for ours, torchs in zip(*found, strict=True):
        scale = torchs.abs().max()
        torch.testing.assert_close(ours / scale, torchs / scale, atol=1e-4, rtol=1e-4)
