"""A model's passes as CUDA graphs: captured once for a shape, replayed for all that fit into it.

A pass of a large model starts thousands of kernels, and short clips keep a GPU waiting for the
next one. A graph starts them all at once. It has fixed shapes, so what goes in is padded to the
next of a few lengths. No result depends on padding, so none depends on this.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.

Shapes used in this file:
    B  utterances in the batch
    L  samples or, of a model of log-mel features, frames
"""

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.bare_network import FEATURE_AXES, Encoded
from wav2vec2_conformer.nn.log_mel import LogMelFrontEnd

# More shapes than this run as without graphs: each takes time to capture, and some memory.
MAX_GRAPHS = 64
_STEPS_BITS = 3  # eight lengths from one power of two to the next
_WARM_UP_RUNS = 3  # in which libraries choose their kernels, and torch compiles its own
_log = logging.getLogger(__name__)

Run = Callable[[], Encoded]
# Takes what is to be captured; returns what replays it, and the result that each replay fills.
Capture = Callable[[Run], tuple[Callable[[], None], Encoded]]


def use_cuda_graphs(model: Any) -> None:
    """Let a model replay its passes without gradient as CUDA graphs.

    What asks for hidden states, attention weights or a sum of layers runs as before. The graphs
    hold the addresses of the weights: new values are seen, and a model that is moved or cast is
    captured anew. Parts of the encoder must not be exchanged for others afterwards.

    Args:
        model: A model of this package, on its device; changed.

    Raises:
        InputError: It is not on a GPU of CUDA, or its results depend on padding.
    """
    check_cuda(model.device)
    base = model.base_model
    if not isinstance(base.encode, GraphedEncoder):
        base.encode = GraphedEncoder(base, CudaGraphCapture(model.device))


def check_cuda(device: torch.device) -> None:
    """Refuse a device without CUDA graphs.

    Raises:
        InputError: It is no GPU of CUDA.
    """
    if device.type != "cuda":
        raise InputError(
            f"CUDA graphs need a GPU of CUDA, and the model is on {device}. Leave them out, or "
            "choose the device cuda on a machine that has one."
        )


class CudaGraphCapture:
    """Captures CUDA graphs whose intermediate values share memory.

    They may, since results are copied out before the next replay.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> tuple[Callable[[], None], Encoded]:
        """Warm up and capture; see `Capture`."""
        with torch.cuda.device(self._device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP_RUNS):
                    run()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads of a server may use the GPU meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                out = run()
        return graph.replay, out


class _Graph(NamedTuple):
    """A captured pass, with what goes in and what comes out."""

    values: Tensor
    mask: Tensor
    replay: Callable[[], None]
    out: Encoded


class GraphedEncoder:
    """Stands in for `encode` of a bare model.

    Args:
        model: A `Wav2Vec2ConformerModel` or a neighbour's.
        capture: Captures a pass.

    Raises:
        InputError: The model's results depend on padding (`exact_padding` is False).
    """

    def __init__(self, model: Any, capture: Capture) -> None:
        if not model.config.exact_padding:
            raise InputError(
                "CUDA graphs pad the input, and results of this model depend on padding: its "
                "config.exact_padding is False. Set it to True, or leave CUDA graphs out."
            )
        self._model = model
        self._encode: Callable[..., Encoded] = model.encode
        self._capture = capture
        self._lock = Lock()  # the memory of a graph is for one pass at a time
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._weight: Tensor = model.masked_spec_embed.detach()
        # A log-mel front end fetches its filters from the CPU, which no graph can do. This
        # package runs it before the model, and gives features.
        takes_features = isinstance(model.feature_extractor, LogMelFrontEnd)
        self._num_axes = FEATURE_AXES if takes_features else 2

    def __call__(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        *others: Any,
        **options: Any,
    ) -> Encoded:
        """Encode as `Wav2Vec2ConformerModel.encode` does."""
        is_plain = all(value is None or value is False for value in (*others, *options.values()))
        if is_plain and self._may_replay(input_values, attention_mask):
            with self._lock:
                graph = self._find_graph(input_values)
                if graph is not None:
                    return self._replay(graph, input_values, attention_mask)
        return self._encode(input_values, attention_mask, *others, **options)

    def _may_replay(self, values: Tensor, mask: Tensor | None) -> bool:
        model, config = self._model, self._model.config
        return (
            not (model.training or torch.is_grad_enabled() or torch.compiler.is_compiling())
            and not (config.output_hidden_states or config.output_attentions)
            # Of what does not fit the model says why.
            and values.device == model.device
            and values.dim() == self._num_axes
            and values.numel() > 0
            and (mask is None or mask.shape == values.shape[:2])
            and self._count_frames(values)[0] > 0
        )

    def _find_graph(self, values: Tensor) -> _Graph | None:
        """Return the graph for an input, captured if need be; None if there are too many."""
        weight = self._model.masked_spec_embed
        if weight.data_ptr() != self._weight.data_ptr():  # the model was moved or cast
            self._graphs.clear()
            self._weight = weight.detach()  # keeps its memory, so that no other gets the address
        shape = (*(round_up(size) for size in values.shape[:2]), *values.shape[2:])
        key = (shape, values.dtype, self._model.config._attn_implementation)  # noqa: SLF001
        if key not in self._graphs:
            if len(self._graphs) >= MAX_GRAPHS:
                _log.debug("no CUDA graph for the shape %s: there are %d", shape, MAX_GRAPHS)
                return None
            self._graphs[key] = self._capture_graph(shape, values)
        return self._graphs[key]

    def _capture_graph(self, shape: tuple[int, ...], values: Tensor) -> _Graph:
        with torch.inference_mode(mode=False):  # normal tensors, to be written to in any mode
            padded = torch.zeros(shape, dtype=values.dtype, device=values.device)
            mask = torch.ones(shape[:2], dtype=torch.long, device=values.device)
        replay, out = self._capture(lambda: self._encode(padded, mask))
        _log.info("captured a CUDA graph for the shape %s", shape)
        return _Graph(padded, mask, replay, out)

    def _replay(self, graph: _Graph, values: Tensor, mask: Tensor | None) -> Encoded:
        """Pad an input into a graph's memory, run it, and take out what is not padding."""
        rows, length = values.shape[:2]
        graph.values.zero_()
        graph.values[:rows, :length] = values
        graph.mask.fill_(1)  # rows that only fill up are silence: without any frame, some are NaN
        graph.mask[:rows, length:] = 0
        graph.mask[:rows, :length] = 1 if mask is None else mask
        graph.replay()
        out, (num_frames, num_outputs) = graph.out, self._count_frames(values)
        frame_lengths, output_lengths = out.frame_lengths, out.output_lengths
        return out._replace(
            last_hidden_state=out.last_hidden_state[:rows, :num_outputs].clone(),
            extract_features=out.extract_features[:rows, :num_frames].clone(),
            # None says that all are valid.
            frame_lengths=None if mask is None else _first(frame_lengths, rows),
            output_lengths=None if mask is None else _first(output_lengths, rows),
        )

    def _count_frames(self, values: Tensor) -> tuple[int, int]:
        """Return the frames before and after the adapter that an input makes without padding."""
        lengths = torch.tensor(values.shape[1])
        if self._num_axes != FEATURE_AXES:
            lengths = self._model.feature_extractor.output_lengths(lengths)
        adapter = self._model.adapter
        outputs = lengths if adapter is None else adapter.output_lengths(lengths)
        return int(lengths), int(outputs)


def round_up(size: int) -> int:
    """Return the next of eight sizes between two powers of two: at most an eighth more."""
    step = 1 << max(size.bit_length() - 1 - _STEPS_BITS, 0)
    return -(-size // step) * step


def _first(lengths: Tensor | None, rows: int) -> Tensor | None:
    return None if lengths is None else lengths[:rows].clone()
