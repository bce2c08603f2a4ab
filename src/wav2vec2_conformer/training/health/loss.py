"""Losses that are infinite or not a number, and texts that do not fit their audio."""

import math
from collections.abc import Sequence

from wav2vec2_conformer.training.health.finding import Finding


def find_infinite_loss(
    loss: float,
    names: Sequence[str],
    *,
    bad_audio: Sequence[bool],
    bad_output: Sequence[bool],
    too_long: Sequence[bool],
) -> Finding | None:
    """Say why the loss or the output of a batch is not finite, and name the utterances.

    The loss alone does not tell: `ctc_zero_infinity` makes 0 of an output that is NaN.

    Args:
        loss: Loss of the batch.
        names: Of its utterances.
        bad_audio: Of each utterance, whether its waveform holds NaN or infinity.
        bad_output: Of each, whether the model's output does.
        too_long: Of each, whether its text needs more frames than there are.
    """
    if math.isfinite(loss) and not any(bad_output):
        return None
    what = "the output of the model holds NaN or infinity"
    if not math.isfinite(loss):
        what = f"the loss of a batch is {loss}"
    if any(bad_audio):
        concerned = _pick(names, bad_audio)
        cause = "audio files that hold NaN or infinity"
        remedy = "leave them out (check-data finds them and writes a manifest without them)"
    elif any(too_long):
        concerned = _pick(names, too_long)
        cause = "texts with more tokens (and blanks between equal ones) than the audio has frames"
        remedy = "leave them out with check-data, or set ctc_zero_infinity=True"
    elif all(bad_output):
        concerned = tuple(names)
        cause = (
            "weights that are not finite any more: an earlier update was too large, or half "
            "precision overflowed"
        )
        remedy = (
            "go on from the last checkpoint with a lower learning rate or max_grad_norm, and "
            "bf16 in place of fp16"
        )
    else:
        concerned = _pick(names, bad_output) or tuple(names)
        cause = "an overflow in half precision, or extreme audio"
        remedy = "listen to these; train in bf16 or float32; lower the learning rate"
    return Finding("infinite_loss", what, cause, remedy, concerned)


def find_long_texts(
    names: Sequence[str], num_frames: Sequence[int], num_needed: Sequence[int]
) -> Finding | None:
    """Name utterances that CTC cannot learn: fewer frames than tokens and needed blanks.

    Args:
        names: Of the utterances of a batch.
        num_frames: Frames of each.
        num_needed: Frames that each text needs.
    """
    concerned = tuple(
        f"{name} ({frames} frames, {needed} needed)"
        for name, frames, needed in zip(names, num_frames, num_needed, strict=True)
        if frames < needed
    )
    if not concerned:
        return None
    return Finding(
        detector="text_too_long",
        what=f"{len(concerned)} of {len(names)} texts in a batch need more frames than there are",
        cause=(
            "texts that do not belong to their audio, wrong durations in the manifest, or "
            "clips made too fast by speed perturbation"
        ),
        remedy="run check-data, which writes a manifest without them",
        utterances=concerned,
    )


def _pick(names: Sequence[str], wanted: Sequence[bool]) -> tuple[str, ...]:
    return tuple(name for name, is_wanted in zip(names, wanted, strict=True) if is_wanted)
