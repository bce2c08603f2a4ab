"""Masked spans and distractors of an utterance, the same whenever it is drawn again.

They are a function of seed, epoch and utterance alone: not of the batch that the utterance is
in, of the process that loads it, or of what was drawn before. So a resumed run, more workers or
several GPUs see the same.

Shapes used in this file:
    T  frames of the utterance
    M  distractors of a frame
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.masking import sample_distractors, sample_mask_spans

# Uses of the same seed, epoch and utterance that must not draw the same numbers.
CROPS, MASKS = 0, 1


@dataclass(frozen=True)
class Masking:
    """How frames are masked.

    Attributes:
        probability: Share of frames that the spans would cover if none overlapped. The paper's
            0.65 (a start at every 15th frame) masks about half of them.
        span_frames: Length of a span.
        min_spans: Least number of spans of an utterance.
        num_distractors: Distractors M of each frame.

    Raises:
        InputError: A value is out of range.
    """

    probability: float = 0.65
    span_frames: int = 10
    min_spans: int = 2
    num_distractors: int = 100

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.probability <= 1:
            raise InputError(
                f"mask_time_prob must be above 0 and at most 1, got {self.probability}: "
                "pre-training predicts masked frames"
            )
        for name, value, least in (
            ("mask_time_length", self.span_frames, 1),
            ("mask_time_min_masks", self.min_spans, 0),
            ("num_negatives", self.num_distractors, 1),
        ):
            if value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")

    def draw(
        self, num_frames: int, *, seed: int, epoch: int, utterance: int
    ) -> tuple[Tensor, Tensor]:
        """Return masked frames [T], and distractors [T, M] of each as frames of the utterance.

        Args:
            num_frames: Frames T.
            seed: Seed of the run.
            epoch: Epoch of the draw.
            utterance: Index of the utterance in its data set.
        """
        generator = torch.Generator().manual_seed(mix_seed(seed, epoch, utterance, MASKS))
        mask = sample_mask_spans(
            torch.tensor([num_frames]),
            # An utterance shorter than a span is left whole: masked, nothing would be left.
            max(num_frames, self.span_frames),
            probability=self.probability,
            span_length=self.span_frames,
            min_spans=self.min_spans,
            generator=generator,
        )[:, :num_frames]
        distractors = sample_distractors(mask, self.num_distractors, generator=generator)
        return mask[0], distractors[0].int()


def mix_seed(*parts: int) -> int:
    """Return a seed of 63 bits that differs when any of the parts does."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
