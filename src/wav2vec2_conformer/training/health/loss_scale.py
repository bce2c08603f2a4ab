"""The loss scale of fp16 training at its floor."""

from wav2vec2_conformer.training.health.finding import Finding


class LossScaleFloor:
    """Find a loss scale that has been halved to where gradients vanish.

    fp16 training multiplies the loss by a scale, halves it at each overflow and leaves out
    that update. A scale that keeps falling means that (nearly) all updates overflow.

    Args:
        floor: Scales at or below it are too small.
        updates: So many updates in a row.
    """

    def __init__(self, floor: float = 1.0, updates: int = 10) -> None:
        self._floor = floor
        self._updates = updates
        self._count = 0

    def update(self, scale: float) -> Finding | None:
        """Take the scale after an update."""
        self._count = self._count + 1 if scale <= self._floor else 0
        if self._count < self._updates:
            return None
        return Finding(
            detector="loss_scale_floor",
            what=f"the loss scale of fp16 is {scale:g} and was not above {self._floor:g} for "
            f"{self._count} updates: updates overflow and are left out",
            cause="numbers beyond 65504 in the model, usual for Conformers in fp16",
            remedy="go on from the last checkpoint in bf16 (or float32), or with a lower rate",
        )
