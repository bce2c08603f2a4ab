"""SpecAugment that waits until a model trained from nothing has begun to learn."""

import json
import logging
from pathlib import Path
from typing import Any

from transformers import (
    PretrainedConfig,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import ExportableState

from wav2vec2_conformer.training.saved_state import saved_attributes

logger = logging.getLogger(__name__)


class SpecAugmentGate(TrainerCallback, ExportableState):
    """Keep masking off until the logged training loss falls below a threshold.

    A CTC model that starts from random weights spends its first updates on a plateau where
    it says only blanks, at about 2.85 nats per character for English. Masking makes the
    plateau much longer; off it, masking prevents overfitting. A configuration that has
    masking off (`apply_spec_augment=False`) is left as it is.

    Args:
        config: Configuration of the model, which reads `apply_spec_augment` in each forward
            pass. It is changed.
        threshold: Loss per target character below which masking is turned on.
    """

    def __init__(self, config: PretrainedConfig, threshold: float = 1.6) -> None:
        self.config = config
        self.threshold = threshold
        self.is_wanted = bool(config.apply_spec_augment)
        self.is_open = False

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "args": {"threshold": self.threshold},
            "attributes": {"is_open": self.is_open},
        }

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Close the gate, or leave it as the checkpoint of a resumed run has it."""
        self.is_open = bool(saved_attributes(state, SpecAugmentGate).get("is_open", False))
        self.config.apply_spec_augment = self.is_wanted and self.is_open

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Open the gate, for good, when the training loss is below the threshold."""
        loss = (logs or {}).get("loss")
        if self.is_open or not self.is_wanted or loss is None or loss >= self.threshold:
            return
        self.is_open = True
        self.config.apply_spec_augment = True
        logger.info("step %d: loss %.3f, SpecAugment is on from here", state.global_step, loss)

    def write_wanted(self, checkpoint: Path) -> None:
        """Put what was wanted into a checkpoint, which may be the start of another run.

        Args:
            checkpoint: Folder with a config.json, which is changed.
        """
        path = checkpoint / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["apply_spec_augment"] = self.is_wanted
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Give the configuration back as it came, for the model that is saved."""
        self.config.apply_spec_augment = self.is_wanted
