"""Log-probabilities of the tokens in each frame, for clips of any length.

Shapes used in this file:
    B  windows in a batch
    L  samples
    T  frames
    V  vocabulary
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.inference.batching import plan_batches
from wav2vec2_conformer.inference.windows import Window, plan_windows
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC


@dataclass(frozen=True, slots=True)
class _Job:
    """A window of a clip, and the part of the clip's result that it fills."""

    clip: int
    window: Window
    part: NDArray[np.float32]


@torch.inference_mode()
def iter_log_probs(
    model: Wav2Vec2ConformerForCTC,
    waveforms: Sequence[NDArray[np.float32]],
    *,
    batch_samples: int,
    window_samples: int,
    context_samples: int,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run the model over clips and yield each as soon as it is done, early ones first.

    Long clips run in windows, and windows of all clips share batches. The model sees no
    padding, so the result of a clip does not depend on the others.

    Args:
        model: In eval mode, on its device.
        waveforms: Clips of shape (L,), normalized as the checkpoint wants them.
        batch_samples: Largest padded length of a batch.
        window_samples: Clips longer than this run in windows.
        context_samples: Context on each side of a window.
        on_batch: Called after each batch with the number of samples that its kept frames
            stand for.

    Yields:
        The clip's position in `waveforms`, and its natural logarithms of shape (T, V); T is 0
        for a clip below one frame.
    """
    frame_samples = model.config.inputs_to_logits_ratio

    def count_frames(num_samples: int) -> int:
        return int(model._get_feat_extract_output_lengths(num_samples))  # noqa: SLF001

    results: dict[int, NDArray[np.float32]] = {}
    num_open: Counter[int] = Counter()
    jobs: list[_Job] = []
    for clip, waveform in enumerate(waveforms):
        windows = plan_windows(
            len(waveform),
            window_samples=window_samples,
            context_samples=context_samples,
            frame_samples=frame_samples,
            count_frames=count_frames,
        )
        num_frames = sum(window.num_frames for window in windows)
        results[clip] = np.empty((num_frames, model.lm_head.out_features), dtype=np.float32)
        if not num_frames:
            yield clip, results.pop(clip)
            continue
        num_open[clip] = len(windows)
        first = 0
        for window in windows:
            # Each window writes to its own part of the result: batches may run in any order.
            part = results[clip][first : first + window.num_frames]
            jobs.append(_Job(clip, window, part))
            first += window.num_frames

    batches = plan_batches([job.window.num_samples for job in jobs], batch_samples)
    for batch in sorted(batches, key=min):
        batch_jobs = [jobs[i] for i in batch]
        pieces = [
            waveforms[job.clip][job.window.start_sample : job.window.end_sample]
            for job in batch_jobs
        ]
        for job, log_probs in zip(batch_jobs, _run_batch(model, pieces), strict=True):
            job.part[:] = log_probs[job.window.first_frame : job.window.end_frame]
            num_open[job.clip] -= 1
        if on_batch is not None:
            on_batch(sum(job.window.num_frames for job in batch_jobs) * frame_samples)
        for clip in sorted({job.clip for job in batch_jobs}):
            if not num_open[clip]:
                yield clip, results.pop(clip)


def _run_batch(
    model: Wav2Vec2ConformerForCTC, clips: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return log-probabilities of shape (B, T, V); frames of padding are not removed."""
    longest = max(len(clip) for clip in clips)
    padded = np.zeros((len(clips), longest), dtype=np.float32)
    mask = np.zeros((len(clips), longest), dtype=np.int64)
    for row, clip in enumerate(clips):
        padded[row, : len(clip)] = clip
        mask[row, : len(clip)] = 1
    logits = model(
        torch.from_numpy(padded).to(model.device, model.dtype),
        attention_mask=torch.from_numpy(mask).to(model.device),
        return_dict=True,
    ).logits
    log_probs: NDArray[np.float32] = logits.float().log_softmax(dim=-1).cpu().numpy()
    return log_probs
