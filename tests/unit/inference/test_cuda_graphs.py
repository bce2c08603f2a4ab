"""CUDA graphs, with a stand-in for the capture: shapes, buffers, limits, results."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

import wav2vec2_conformer as package
from wav2vec2_conformer import Transcriber
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference import cuda_graphs
from wav2vec2_conformer.inference import transcriber as transcriber_module
from wav2vec2_conformer.inference.cuda_graphs import (
    CudaGraphCapture,
    GraphedEncoder,
    round_up,
    use_cuda_graphs,
)
from wav2vec2_conformer.models.wav2vec2_bert import Wav2Vec2BertForCTC

LENGTHS = (9_000, 8_300, 4_001)
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


class CallAgain:
    """Replays by running once more, into the tensors of the first run."""

    def __init__(self):
        self.shapes = []

    def __call__(self, run):
        out = run()
        self.shapes.append(tuple(out.last_hidden_state.shape))

        @torch.inference_mode()  # a graph's kernels write into any tensor
        def replay():
            for kept, new in zip(out, run(), strict=True):
                if isinstance(kept, torch.Tensor):
                    kept.copy_(new)

        return replay, out


@pytest.fixture
def build(tiny_config_kwargs):
    """Return a function that makes a head, its graphed twin, and what captured the twin."""

    def make(head="ForCTC", **changes):
        config = package.Wav2Vec2ConformerConfig(**{**tiny_config_kwargs, **changes})
        model_class = getattr(package, f"Wav2Vec2Conformer{head}")
        plain, graphed = model_class(config).eval(), model_class(config).eval()
        graphed.load_state_dict(plain.state_dict())
        return plain, graphed, wrap(graphed)

    return make


def wrap(model):
    capture = CallAgain()
    model.base_model.encode = GraphedEncoder(model.base_model, capture)
    return capture


def batch_of(*lengths):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), max(lengths)) * mask, mask.long()


@pytest.mark.parametrize("size", [1, 2, 8, 9, 15, 16, 17, 31, 4_001, 160_000, 480_000])
def test_sizes_grow_by_an_eighth_at_most(size):
    assert size <= round_up(size) <= size * 9 / 8
    assert round_up(round_up(size)) == round_up(size)


def test_there_are_eight_sizes_between_powers_of_two():
    assert sorted({round_up(size) for size in range(1_025, 2_049)}) == list(
        range(1_152, 2_049, 128)
    )


@pytest.mark.parametrize(
    ("head", "add_adapter"),
    [
        ("ForCTC", False),
        ("ForCTC", True),
        ("ForSequenceClassification", False),
        ("ForAudioFrameClassification", False),
        ("ForXVector", True),
    ],
)
@torch.inference_mode()
def test_results_are_those_without_graphs(build, head, add_adapter):
    plain, graphed, capture = build(head, add_adapter=add_adapter)
    for values, mask in (batch_of(*LENGTHS), batch_of(7_777), batch_of(*LENGTHS[1:])):
        for given in (mask, None):
            expected, found = (model(values, given).logits for model in (plain, graphed))
            torch.testing.assert_close(found, expected, **TOLERANCE)
    assert len(capture.shapes) == 3


@pytest.mark.parametrize("positions", ["relative", "rotary", None])
@pytest.mark.parametrize("norm", ["group", "layer"])
@torch.inference_mode()
def test_padding_to_the_next_length_has_no_effect(build, positions, norm):
    plain, graphed, _ = build(position_embeddings_type=positions, feat_extract_norm=norm)
    values, mask = batch_of(*LENGTHS)
    expected, found = (model(values, mask).logits for model in (plain, graphed))
    for row, length in enumerate(LENGTHS):
        frames = int(plain._get_feat_extract_output_lengths(length))
        torch.testing.assert_close(found[row, :frames], expected[row, :frames], **TOLERANCE)


@torch.inference_mode()
def test_log_mel_features_are_padded_too(tiny_config_kwargs):
    known = vars(Wav2Vec2BertConfig())
    kwargs = {name: value for name, value in tiny_config_kwargs.items() if name in known}
    config = Wav2Vec2BertConfig(**kwargs, feature_projection_input_dim=16, add_adapter=True)
    model = Wav2Vec2BertForCTC(config).eval()
    features, mask = torch.randn(2, 35, 16), torch.ones(2, 35, dtype=torch.long)
    mask[1, 20:] = 0
    expected = model(features, mask).logits
    capture = wrap(model)
    model(torch.randn(1, 8_000))  # waveforms go without graphs
    assert not capture.shapes
    found = model(features, mask).logits
    assert found.shape == expected.shape
    for row, length in enumerate((35, 20)):
        frames = int(model.base_model.adapter.output_lengths(torch.tensor(length)))
        torch.testing.assert_close(found[row, :frames], expected[row, :frames], **TOLERANCE)
    assert len(capture.shapes) == 1


@torch.inference_mode()
def test_lengths_of_one_size_share_a_graph_and_its_memory(build):
    plain, graphed, capture = build()
    inputs = []
    graphed.base_model.feature_extractor.register_forward_pre_hook(
        lambda _, args: inputs.append(args[0].data_ptr())
    )
    long, short = batch_of(9_200), batch_of(8_800)
    kept = graphed(*long).logits
    before = kept.clone()
    torch.testing.assert_close(graphed(*short).logits, plain(*short).logits, **TOLERANCE)
    assert len(capture.shapes) == 1
    assert len(set(inputs)) == 1
    assert torch.equal(kept, before)  # results are copies, which the next pass leaves alone


@torch.inference_mode()
def test_the_number_of_graphs_is_bounded(build, monkeypatch):
    plain, graphed, capture = build()
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPHS", 2)
    for length in (4_000, 6_000, 8_000, 10_000, 4_000):
        values, _ = batch_of(length)
        torch.testing.assert_close(graphed(values).logits, plain(values).logits, **TOLERANCE)
    assert len(capture.shapes) == 2


def test_modes_without_gradient_share_graphs(build):
    plain, graphed, capture = build()
    values, mask = batch_of(*LENGTHS)
    for mode in (torch.inference_mode, torch.no_grad, torch.inference_mode):
        with mode():
            expected = plain(values, mask).logits
            torch.testing.assert_close(graphed(values, mask).logits, expected, **TOLERANCE)
    assert len(capture.shapes) == 1


def test_gradients_training_and_hidden_states_go_without_graphs(build):
    _, graphed, capture = build()
    values, mask = batch_of(*LENGTHS)
    graphed(values, mask, labels=torch.tensor([[3], [4], [5]])).loss.backward()
    with torch.no_grad():
        assert len(graphed(values, mask, output_hidden_states=True).hidden_states) == 3
        graphed.train()(values, mask)
        with pytest.raises(InputError, match="at least 400 samples"):
            graphed.eval()(values[:, :300])
        with pytest.raises(InputError, match="must have the shape of input_values"):
            graphed(values, mask[:, :-1])
    assert not capture.shapes


@torch.inference_mode()
def test_new_weights_are_seen_and_cast_models_captured_anew(build):
    plain, graphed, capture = build()
    values, _ = batch_of(8_000)
    graphed(values)
    with torch.inference_mode(mode=False):
        for model in (plain, graphed):
            model.lm_head.bias.data.fill_(2.0)
            model.base_model.encoder.layers[0].ffn1.output_dense.weight.data.mul_(3.0)
    torch.testing.assert_close(graphed(values).logits, plain(values).logits, **TOLERANCE)
    assert len(capture.shapes) == 1
    for model in (plain, graphed):
        model.double().float()
    torch.testing.assert_close(graphed(values).logits, plain(values).logits, **TOLERANCE)
    assert len(capture.shapes) == 2


def test_without_cuda_it_says_so(build):
    plain, _, _ = build()
    with pytest.raises(InputError, match="need a GPU of CUDA, and the model is on cpu"):
        use_cuda_graphs(plain)


def test_models_whose_results_depend_on_padding_are_refused(build):
    with pytest.raises(InputError, match="exact_padding"):
        build(exact_padding=False)


def test_capture_warms_up_beside_and_shares_one_pool(monkeypatch):
    """The order of calls that torch's notes ask for; what they do needs a GPU."""
    events = []

    def graph(captured, *, pool, capture_error_mode):
        events.append(("capture", captured, pool, capture_error_mode))
        return nullcontext()

    def stream(name):
        return SimpleNamespace(
            name=name, wait_stream=lambda other: events.append((name, "waits for", other.name))
        )

    current, replayed = stream("current"), []
    for name, fake in {
        "graph_pool_handle": lambda: "pool",
        "device": lambda _: nullcontext(),
        "Stream": lambda: stream("side"),
        "current_stream": lambda: current,
        "stream": lambda _: nullcontext(),
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: replayed.append("replay")),
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    capture = CudaGraphCapture(torch.device("cuda"))
    replay, out = capture(lambda: events.append("run") or len(events))
    assert [event if event == "run" else event[:2] for event in events[:-2]] == [
        ("side", "waits for"),
        "run",
        "run",
        "run",
        ("current", "waits for"),
    ]
    assert events[-2][0] == "capture"
    assert events[-2][2:] == ("pool", "thread_local")
    assert events[-1] == "run"
    assert out == len(events)
    replay()
    assert replayed == ["replay"]


def test_a_transcriber_replays_and_hears_the_same(monkeypatch):
    [clip, *_] = bundled_clips()
    expected = Transcriber.from_pretrained(device="cpu").transcribe(clip)
    capture = CallAgain()
    monkeypatch.setattr(cuda_graphs, "CudaGraphCapture", lambda _: capture)
    for module in (cuda_graphs, transcriber_module):
        monkeypatch.setattr(module, "check_cuda", lambda _: None)
    transcriber = Transcriber.from_pretrained(device="cpu", cuda_graphs=True)
    use_cuda_graphs(transcriber.model)  # once more changes nothing
    assert transcriber.transcribe(clip).text == expected.text
    assert len(capture.shapes) == 1


def test_a_transcriber_without_cuda_loads_nothing():
    with pytest.raises(InputError, match="need a GPU of CUDA"):
        Transcriber.from_pretrained("no/such/folder", device="cpu", cuda_graphs=True)
