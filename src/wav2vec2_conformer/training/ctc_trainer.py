"""Trainer of a CTC model: batches by seconds, error rates, a schedule that knows the time."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from transformers import EvalPrediction, Trainer, Wav2Vec2CTCTokenizer

from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.data.collation import LABEL_PADDING, Example
from wav2vec2_conformer.evaluation.word_error import score
from wav2vec2_conformer.training.schedule import TrainingClock, learning_rate_factor

logger = logging.getLogger(__name__)

NUM_SAMPLES_SHOWN = 2


class CtcTrainer(Trainer):
    """transformers' `Trainer` with our batches, schedule and greedy decoding.

    Args:
        train_sampler: Batches of the training set.
        eval_sampler: Batches of the validation set, in a fixed order.
        clock: Clock of the run; also to be among the callbacks.
        **kwargs: Arguments of `Trainer`, by keyword.
    """

    lr_scheduler: LambdaLR | None

    def __init__(
        self,
        *,
        train_sampler: DurationBatchSampler,
        eval_sampler: DurationBatchSampler | None,
        clock: TrainingClock,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # The loss is a mean over utterances already; see `ctc_loss_reduction`.
        self.model_accepts_loss_kwargs = False
        self._train_sampler = train_sampler
        self._eval_sampler = eval_sampler
        self._clock = clock
        self._eval_dataloader: DataLoader[Example] | None = None

    def get_train_dataloader(self) -> DataLoader[Example]:
        """Return the training batches."""
        return self._build_dataloader(self.train_dataset, self._train_sampler)

    def get_eval_dataloader(
        self,
        eval_dataset: str | Dataset[Example] | None = None,  # noqa: ARG002
    ) -> DataLoader[Example]:
        """Return the validation batches."""
        if self._eval_dataloader is None:
            self._eval_dataloader = self._build_dataloader(self.eval_dataset, self._eval_sampler)
        return self._eval_dataloader

    def _build_dataloader(
        self,
        dataset: Any,
        sampler: DurationBatchSampler | None,
    ) -> DataLoader[Example]:
        num_workers = self.args.dataloader_num_workers
        return self.accelerator.prepare(
            DataLoader(
                dataset,
                batch_sampler=sampler,
                collate_fn=self.data_collator,
                num_workers=num_workers,
                persistent_workers=num_workers > 0,
                prefetch_factor=self.args.dataloader_prefetch_factor,
                pin_memory=self.args.dataloader_pin_memory,
                # Workers are seeded when they start, which a resumed run does at another
                # time: not from the generator that masks and dropout draw from.
                generator=torch.Generator(),
            )
        )

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LambdaLR:
        """Return the schedule of `schedule.learning_rate_factor`."""
        if self.lr_scheduler is None:
            scheduled: Any = self.optimizer if optimizer is None else optimizer
            factor = learning_rate_factor(
                self._clock,
                warmup_steps=int(self.args.warmup_steps),
                max_steps=num_training_steps,
            )
            self.lr_scheduler = LambdaLR(scheduled, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def floating_point_ops(self, inputs: dict[str, Tensor]) -> int:  # noqa: ARG002
        """Return 0: the estimate of transformers walks over all parameters each update."""
        return 0

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return loss, best token of each frame, and labels.

        Only the best tokens are kept, as the logits of a whole validation set can fill the
        memory, and -100 at padded frames, whose logits mean nothing.
        """
        loss, logits, labels = super().prediction_step(
            model, inputs, prediction_loss_only, ignore_keys
        )
        if logits is None:
            return loss, None, labels
        token_ids = logits.argmax(dim=-1)  # (B, T, V) -> (B, T)
        num_samples = inputs["attention_mask"].sum(dim=-1)
        unwrapped = self.accelerator.unwrap_model(self.model)
        num_frames = unwrapped._get_feat_extract_output_lengths(num_samples)  # noqa: SLF001
        frames = torch.arange(token_ids.shape[1], device=token_ids.device)
        is_padding = frames[None, :] >= num_frames.to(token_ids.device)[:, None]
        return loss, token_ids.masked_fill(is_padding, LABEL_PADDING), labels


def build_word_error_metric(
    tokenizer: Wav2Vec2CTCTokenizer,
) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return the metric of the trainer: WER and CER of greedy decoding.

    It also logs the first utterances, reference and hypothesis.

    Args:
        tokenizer: Turns tokens into text.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        hypotheses = decode(prediction.predictions, tokenizer, group_tokens=True)
        references = decode(prediction.label_ids, tokenizer, group_tokens=False)
        # Spread over the set, which is sorted by duration.
        step = max(1, len(references) // NUM_SAMPLES_SHOWN)
        for index in range(step // 2, len(references), step)[:NUM_SAMPLES_SHOWN]:
            logger.info("  reference:  %s", references[index])
            logger.info("  hypothesis: %s", hypotheses[index])
        errors = score(references, hypotheses)
        return {"wer": errors.wer, "cer": errors.cer}

    return compute_metrics


def decode(
    token_ids: npt.ArrayLike,
    tokenizer: Wav2Vec2CTCTokenizer,
    *,
    group_tokens: bool,
) -> list[str]:
    """Return the texts of token ids (B, T), -100 where padded.

    Args:
        token_ids: Best token of each frame, or the tokens of texts.
        tokenizer: Turns tokens into text.
        group_tokens: True for frames: equal neighbours are one token.
    """
    filled = np.where(np.equal(token_ids, LABEL_PADDING), tokenizer.pad_token_id, token_ids)
    return tokenizer.batch_decode(filled, group_tokens=group_tokens)
