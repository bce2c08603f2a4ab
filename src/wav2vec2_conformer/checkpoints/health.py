"""Whether the numbers of a checkpoint look like those of a trained model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.audio import load_audio, normalize_waveform
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.equality import load_model
from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining

# Far outside of what batch norms of trained models have.
_VARIANCE_RANGE = (1e-8, 1e6)
_MAX_MEAN = 1e4


@dataclass(slots=True)
class Health:
    """What looks wrong; all lists are empty in a trained model.

    Attributes:
        not_finite: Tensors with NaN or infinite numbers.
        zero: Tensors of zeros only.
        constant: Tensors whose numbers are all the same and not zero.
        batch_norm: Batch norm statistics that are out of range, or were never updated.
    """

    not_finite: list[str] = field(default_factory=list)
    zero: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    batch_norm: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, list[str]]:
        """Return it as plain values."""
        return asdict(self)


def check_health(tensors: Mapping[str, Tensor]) -> Health:
    """Look at all numbers of a checkpoint.

    Args:
        tensors: Its tensors, under our names.
    """
    health = Health()
    for name, tensor in tensors.items():
        if name.endswith("num_batches_tracked"):
            if int(tensor) == 0:
                health.batch_norm.append(f"{name} is 0: never trained")
            continue
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            health.not_finite.append(name)
            continue
        if tensor.numel() > 1:
            lowest, highest = tensor.aminmax()
            if lowest == highest:
                (health.constant if lowest else health.zero).append(name)
        if name.endswith("batch_norm.running_var"):
            low, high = _VARIANCE_RANGE
            if tensor.min() < low or tensor.max() > high:
                health.batch_norm.append(
                    f"{name} is {float(tensor.min()):.3g} to {float(tensor.max()):.3g}"
                )
        elif name.endswith("batch_norm.running_mean") and tensor.abs().max() > _MAX_MEAN:
            health.batch_norm.append(f"{name} reaches {float(tensor.abs().max()):.3g}")
    return health


@dataclass(frozen=True, slots=True)
class CodebookUse:
    """How many entries of the codebooks are chosen on the bundled clips.

    Attributes:
        used: Entries of each codebook that were chosen at least once.
        num_entries: Entries of each codebook.
        num_frames: Frames of the clips; each chooses one entry of each codebook.
    """

    used: list[int]
    num_entries: int
    num_frames: int


@torch.inference_mode()
def count_codebook_use(checkpoint: Checkpoint) -> CodebookUse | None:
    """Quantize the bundled clips; None when there is no quantizer.

    Weights alone do not tell which entries are in use: it depends on what speech chooses.
    """
    if not issubclass(checkpoint.model_class, Wav2Vec2ConformerForPreTraining):
        return None
    model = load_model(checkpoint)
    chosen = []
    for clip in bundled_clips():
        waveform = load_audio(clip)
        if checkpoint.do_normalize:
            waveform = normalize_waveform(waveform)
        base: Any = model.base_model
        features = base.feature_extractor(torch.from_numpy(waveform)[None])
        _, normed = base.feature_projection(features)
        chosen.append(model.quantizer(normed).codes[0])
    codes = torch.cat(chosen)  # (frames, G)
    return CodebookUse(
        used=[len(column.unique()) for column in codes.T],
        num_entries=checkpoint.config.num_codevectors_per_group,
        num_frames=len(codes),
    )
