"""Trainer of pre-training: losses per masked frame of the whole update, and its measures."""

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from wav2vec2_conformer.training.pretraining.measures import (
    PretrainingSums,
    compute_measures,
    describe_measures,
)
from wav2vec2_conformer.training.speech_trainer import UTTERANCE_IDS, SpeechTrainer

logger = logging.getLogger(__name__)


class PretrainingTrainer(SpeechTrainer):
    """`SpeechTrainer` for `Wav2Vec2ConformerForPreTraining`.

    The model's loss is a sum over masked frames. It is divided by the masked frames of all
    batches and processes of the update, so that cutting the same audio into other batches
    changes nothing.

    Args:
        num_distractors: Distractors of a masked frame.
        **kwargs: Arguments of `SpeechTrainer`, by keyword.
    """

    def __init__(self, *, num_distractors: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # `compute_loss` divides by all of the update's frames: no more averaging.
        self.loss_is_scaled_for_ga = True
        self._num_distractors = num_distractors
        self._train_sums = PretrainingSums()
        self.observers.append(self._train_sums)

    def _get_num_items_in_batch(
        self, batch_samples: list[dict[str, Tensor]], device: torch.device
    ) -> Tensor:
        """Return the masked frames of an update, over its batches and all processes."""
        counts = [batch["mask_time_indices"].sum() for batch in batch_samples]
        total = torch.stack(counts).sum().to(device)
        return self.accelerator.reduce(total, "sum")

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss per masked frame: of the update if its number is given."""
        loss, outputs = super().compute_loss(
            model, {**inputs, "output_counts": True}, return_outputs=True
        )
        if num_items_in_batch is None:
            num_masked = inputs["mask_time_indices"].sum()
        else:
            # Gradients are averaged over processes, so the sum is that times their number.
            num_masked = torch.as_tensor(num_items_in_batch) / self.accelerator.num_processes
        loss = loss / num_masked.clamp(min=1)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the measures since the last line of training."""
        if "loss" in logs:
            gathered = self.accelerator.reduce(self._train_sums.take(), "sum")
            logs.update(compute_measures(gathered, self._num_distractors))
            model = self.accelerator.unwrap_model(self.model)
            logs["gumbel_temperature"] = model.quantizer.temperature
        super().log(logs, start_time)

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,  # noqa: ARG002
        prediction_loss_only: bool | None = None,  # noqa: ARG002
        ignore_keys: list[str] | None = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Return the measures over all masked frames of a validation set.

        Masks and distractors are the same each time, the quantizer takes its best entries, and
        nothing is drawn: evaluating does not change what comes after it.
        """
        model: Any = self._wrap_model(self.model, training=False, dataloader=dataloader)
        model.eval()
        sums = PretrainingSums()
        total_loss, num_samples = torch.zeros((), device=self.args.device), 0
        for batch in dataloader:
            inputs = self._prepare_inputs(batch)
            inputs.pop(UTTERANCE_IDS, None)
            with torch.no_grad(), self.compute_loss_context_manager():
                outputs = model(**inputs, output_counts=True)
            sums(inputs, outputs)
            total_loss += outputs.loss
            num_samples += len(inputs["input_values"])
        gathered = self.accelerator.reduce(sums.take(), "sum")
        measures = compute_measures(gathered, self._num_distractors)
        measures["loss"] = float(
            self.accelerator.reduce(total_loss, "sum") / gathered["num_masked"].clamp(min=1)
        )
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in measures.items()}
        return EvalLoopOutput(None, None, metrics, num_samples)


class PretrainingLog(TrainerCallback):
    """Log the measures as a line for people, of training and of each evaluation.

    Args:
        num_distractors: Distractors of a masked frame.
    """

    def __init__(self, num_distractors: int) -> None:
        self._num_distractors = num_distractors

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Log a line."""
        if not state.is_world_process_zero:
            return
        for prefix, purpose in (("", "training"), ("eval_", "validation")):
            if logs and f"{prefix}contrastive_loss" in logs:
                described = describe_measures(logs, self._num_distractors, prefix)
                logger.info("step %d  %s: %s", state.global_step, purpose, described)
