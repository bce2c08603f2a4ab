"""Utterances longer than what the model or the run is made for."""

from collections.abc import Sequence

from wav2vec2_conformer.training.health.finding import Finding

# Of the limit: manifests round durations, and speed perturbation makes clips longer.
_SLACK = 1.25


def find_long_utterances(
    names: Sequence[str],
    num_frames: Sequence[int],
    durations_s: Sequence[float],
    *,
    max_frames: int | None,
    max_duration_s: float | None,
) -> Finding | None:
    """Name utterances beyond the range of positions or the limit of clips.

    Args:
        names: Of the utterances of a batch.
        num_frames: Frames of each.
        durations_s: Seconds of each, as the model gets them.
        max_frames: `max_source_positions` of the configuration, None for no limit.
        max_duration_s: Limit that the run was given, None for none. A quarter more is let pass.
    """
    concerned = []
    for name, frames, duration_s in zip(names, num_frames, durations_s, strict=True):
        if max_frames is not None and frames > max_frames:
            concerned.append(f"{name} ({frames} frames)")
        elif max_duration_s is not None and duration_s > _SLACK * max_duration_s:
            concerned.append(f"{name} ({duration_s:.1f} s)")
    if not concerned:
        return None
    limits = [
        f"{max_frames} frames (max_source_positions)" if max_frames is not None else "",
        f"{max_duration_s:g} s (max_duration_s)" if max_duration_s is not None else "",
    ]
    return Finding(
        detector="length_ceiling",
        what=f"{len(concerned)} of {len(names)} utterances in a batch are longer than "
        + " or ".join(limit for limit in limits if limit),
        cause="whole recordings in place of utterances, or wrong durations in the manifest",
        remedy="cut them (align finds the places), or set max_duration_s; attention needs "
        "memory with the square of the length",
        utterances=tuple(concerned),
    )
