"""How far an exported graph is from the model that it was made of, and how fast it is beside it."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wav2vec2_conformer.export.plain_ctc import SURELY_NOT
from wav2vec2_conformer.export.traced_head import MASK, TracedHead, takes_features
from wav2vec2_conformer.inference.exported_folder import Graph

# Seconds of audio per utterance; several stand in one padded batch.
PARITY_CASES_S = ((1.0,), (3.37,), (7.9,), (5.0, 2.3, 0.61))
# The windows that long recordings are cut into. Attention grows with the square of the length, so
# what wins on ten seconds may lose here.
SPEED_CASE_S = 30.0
_ALTERNATIONS = 4
# A large model has run long enough after one pass.
_ENOUGH_S = 5.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A graph beside its model for one batch.

    Attributes:
        lengths_s: Seconds of audio of each utterance.
        largest: Largest difference of an output at a valid frame.
        scale: Largest output of the model.
    """

    lengths_s: tuple[float, ...]
    largest: float
    scale: float


@dataclass(frozen=True, slots=True)
class SpeedBeside:
    """Median times for one recording, in the same process and with the same threads.

    Attributes:
        audio_s: Length of the recording.
        torch_s: Time that torch needs.
        exported_s: Time that the graph's runtime needs.
        num_threads: Threads of both.
    """

    audio_s: float
    torch_s: float
    exported_s: float
    num_threads: int


def measure_differences(
    traced: TracedHead,
    graph: Graph,
    cases_s: Sequence[tuple[float, ...]] = PARITY_CASES_S,
) -> list[Difference]:
    """Run model and graph over noise of several lengths and over a padded batch.

    Args:
        traced: What the graph was made of.
        graph: Loaded in its runtime.
        cases_s: Seconds of audio of the utterances of each batch.
    """
    cases = [case for case in cases_s if len(case) == 1 or traced.padding is not None]
    differences = []
    for seed, case in enumerate(cases):
        inputs = traced.make_inputs([traced.to_length(length_s) for length_s in case], seed)
        expected = _run_torch(traced, inputs)
        given = graph.run(to_arrays(traced, inputs))
        largest: list[float] = []
        scales: list[float] = []
        for name, output in zip(traced.outputs, expected, strict=True):
            for row, valid in enumerate(valid_frames(traced, inputs, output)):
                ours, theirs = output[row, :valid].numpy(), given[name][row, :valid]
                largest.append(float(np.abs(ours - theirs).max()))
                scales.append(float(np.abs(ours[ours != SURELY_NOT]).max(initial=0.0)))
        # numpy's maximum of something that is not a number is none either.
        differences.append(Difference(case, float(np.max(largest)), float(np.max(scales))))
    return differences


def measure_speed(traced: TracedHead, graph: Graph) -> SpeedBeside:
    """Time model and graph in turns on one recording: thrice, or once where that takes long.

    Args:
        traced: What the graph was made of.
        graph: Loaded in its runtime.
    """
    inputs = traced.make_inputs([traced.to_length(SPEED_CASE_S)])
    arrays = to_arrays(traced, inputs)
    times_s: dict[str, list[float]] = {"torch": [], "exported": []}
    for _ in range(_ALTERNATIONS):
        start_s = time.perf_counter()
        _run_torch(traced, inputs)
        middle_s = time.perf_counter()
        graph.run(arrays)
        times_s["torch"].append(middle_s - start_s)
        end_s = time.perf_counter()
        times_s["exported"].append(end_s - middle_s)
        if end_s - start_s > _ENOUGH_S:
            break
    # The first run of each also allocates, which is little where it is the only one.
    torch_s, exported_s = (statistics.median(times[1:] or times) for times in times_s.values())
    return SpeedBeside(SPEED_CASE_S, torch_s, exported_s, torch.get_num_threads())


def to_arrays(traced: TracedHead, inputs: Sequence[Tensor]) -> dict[str, Any]:
    """Return inputs as a runtime takes them."""
    return {name: value.numpy() for name, value in zip(traced.inputs, inputs, strict=True)}


def valid_frames(traced: TracedHead, inputs: Sequence[Tensor], output: Tensor) -> list[int]:
    """Return how many values of the second axis of an output count, for each utterance.

    Args:
        traced: What was run.
        inputs: Its inputs.
        output: Of frames (B, T, ...), where those of padding do not count, or of utterances.
    """
    whole = [output.shape[1]] * output.shape[0]
    if traced.padding != MASK or output.dim() < 3:  # noqa: PLR2004
        return whole  # padded frames have a meaning in the other layouts
    model, lengths = traced.model, inputs[1].sum(1)
    if not takes_features(model):
        frames = model._get_feat_extract_output_lengths(lengths)  # noqa: SLF001
    elif model.config.add_adapter:
        frames = model.base_model.adapter.output_lengths(lengths)
    else:
        frames = lengths
    return [int(count) for count in frames]


@torch.inference_mode()
def _run_torch(traced: TracedHead, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    outputs = traced.module(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)
