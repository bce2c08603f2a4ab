"""What our callbacks keep in the checkpoints of transformers' `Trainer`.

A callback that is an `ExportableState` is saved by the trainer. It is not restored by the
trainer, which would put a new object in place of ours: each of ours reads its own state when
training begins.
"""

from typing import Any

from transformers import TrainerState


def saved_attributes(state: TrainerState, callback: type) -> dict[str, Any]:
    """Return what a callback saved in the checkpoint that a run is resumed from.

    Args:
        state: State of the trainer.
        callback: Class of the callback.

    Returns:
        Its attributes; empty at the beginning of a run, or if the checkpoint has none.
    """
    saved: Any = state.stateful_callbacks
    if not state.global_step or not isinstance(saved, dict):
        return {}
    entry = saved.get(callback.__name__)
    return entry["attributes"] if isinstance(entry, dict) else {}
