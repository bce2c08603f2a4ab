"""transformers' `Trainer` for speech: what is the same for every task.

Batches by seconds of audio, a schedule that knows the time, learning rates by layer, frozen
parts, observers of each forward pass, and checkpoints that appear complete or not at all.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset
from transformers import EvalPrediction, Trainer, TrainerControl
from transformers.trainer_utils import EvalLoopOutput, rotate_checkpoints

from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.training.distributed import prepare_processes
from wav2vec2_conformer.training.distributed_optimizer import complete_state
from wav2vec2_conformer.training.evaluation_rows import pad_rows, to_numpy
from wav2vec2_conformer.training.freezing import HeadFirst
from wav2vec2_conformer.training.model_folder import replace_folder
from wav2vec2_conformer.training.schedule import Schedule, TrainingClock, linear_schedule
from wav2vec2_conformer.training.speech_types import Observer, Predict

if TYPE_CHECKING:
    from accelerate.data_loader import DataLoaderShard

# Given to observers, not to the model: which utterances a batch holds.
UTTERANCE_IDS = "utterance_ids"
# A checkpoint is written in here and moved out when it is complete.
SAVING_FOLDER = ".saving"


class SpeechTrainer(Trainer):
    """transformers' `Trainer` with our batches, schedule, observers and checkpoints.

    Args:
        train_sampler: Batches of the training set.
        eval_sampler: Batches of the validation set, in a fixed order; None without one.
        clock: Clock of the run; also to be among the callbacks.
        schedule: Learning rate, as a part of its peak, of (updates done, part of the run that
            is done). None: `linear_schedule` with the warm-up steps of the arguments.
        learning_rate_scale: Factor of the learning rate of a parameter, by its name. None: 1.
        frozen: Modules that stay in evaluation mode: no dropout, masks or moving statistics.
        observers: Called with the inputs and outputs of each forward pass of training.
        predict: What the metric sees of a validation batch, a tensor [B, ...], from model,
            inputs and outputs. Needed with `compute_metrics`.
        has_eval_loss: False keeps the labels of a validation batch from the model.
        complete_checkpoint: Called with the folder of each checkpoint, to write what belongs
            to it besides the model.
        sync_batch_norm: Several processes take the statistics of batch norms together.
        **kwargs: Arguments of `Trainer`, by keyword.
    """

    lr_scheduler: LambdaLR | None
    optimizer: torch.optim.Optimizer | None
    control: TrainerControl

    def __init__(
        self,
        *,
        train_sampler: DurationBatchSampler,
        eval_sampler: DurationBatchSampler | None,
        clock: TrainingClock,
        schedule: Schedule | None = None,
        learning_rate_scale: Callable[[str], float] | None = None,
        frozen: Sequence[nn.Module] = (),
        observers: Sequence[Observer] = (),
        predict: Predict | None = None,
        has_eval_loss: bool = True,
        complete_checkpoint: Sequence[Callable[[Path], None]] = (),
        sync_batch_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs["args"].world_size > 1:
            hooks = prepare_processes(
                kwargs["model"], kwargs["args"], sync_batch_norm=sync_batch_norm
            )
            kwargs["callbacks"] = [
                hooks.skipped,  # the others see no gradient of an update that is left out
                *(kwargs.get("callbacks") or ()),
                *hooks.callbacks,
            ]
            observers = [*observers, hooks.skipped]
        super().__init__(**kwargs)
        # Our losses are means over a batch, which the trainer is to average.
        self.model_accepts_loss_kwargs = False
        self.observers = list(observers)
        self.train_sampler = train_sampler
        self._eval_sampler = eval_sampler
        self._clock = clock
        self._schedule = schedule
        self._learning_rate_scale = learning_rate_scale
        self._frozen = list(frozen)
        self._head_first = [c for c in kwargs.get("callbacks") or () if isinstance(c, HeadFirst)]
        self._predict = predict
        self._has_eval_loss = has_eval_loss
        self._complete_checkpoint = list(complete_checkpoint)
        self._is_saving = False
        self._eval_dataloader: DataLoader[Any] | None = None
        self._dataloaders: list[DataLoaderShard] = []

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches."""
        return self._build_dataloader(self.train_dataset, self.train_sampler)

    def get_eval_dataloader(
        self,
        eval_dataset: str | Dataset[Any] | None = None,  # noqa: ARG002
    ) -> DataLoader[Any]:
        """Return the validation batches."""
        if self._eval_dataloader is None:
            self._eval_dataloader = self._build_dataloader(self.eval_dataset, self._eval_sampler)
        return self._eval_dataloader

    def _build_dataloader(
        self, dataset: Any, sampler: DurationBatchSampler | None
    ) -> DataLoader[Any]:
        num_workers = self.args.dataloader_num_workers
        dataloader: DataLoaderShard = self.accelerator.prepare(
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
        self._dataloaders.append(dataloader)
        return dataloader

    def end_workers(self) -> None:
        """End the processes that decode audio.

        They live as long as a loader's iterator, and the trainer, which is part of a reference
        cycle, holds that. The collector would come late and wait five seconds for each.
        """
        for dataloader in self._dataloaders:
            dataloader.base_dataloader._iterator = None  # noqa: SLF001 - torch's only way

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Return the optimizer; parameters of one learning rate and weight decay are a group."""
        if self.optimizer is None and self._learning_rate_scale is not None:
            trained: Any = self.model if model is None else model
            decayed = set(self.get_decay_parameter_names(trained))
            groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
            for name, parameter in trained.named_parameters():
                if parameter.requires_grad:
                    key = (self._learning_rate_scale(name), name in decayed)
                    groups.setdefault(key, []).append(parameter)
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, trained)
            self.optimizer = optimizer_class(
                [
                    {
                        "params": parameters,
                        "lr": scale * self.args.learning_rate,
                        "weight_decay": self.args.weight_decay if is_decayed else 0.0,
                    }
                    # The first group's learning rate is what is logged.
                    for (scale, is_decayed), parameters in sorted(
                        groups.items(), key=lambda item: item[0], reverse=True
                    )
                ],
                **options,
            )
        return super().create_optimizer(model)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> LambdaLR:
        """Return the schedule, by updates or by the clock, whichever is further on."""
        if self.lr_scheduler is None:
            scheduled: Any = self.optimizer if optimizer is None else optimizer
            schedule = self._schedule or linear_schedule(int(self.args.warmup_steps))

            def factor(step: int) -> float:
                return schedule(step, self._clock.progress(step, num_training_steps))

            self.lr_scheduler = LambdaLR(scheduled, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:  # noqa: ARG002
        """Return 0: the estimate of transformers walks over all parameters each update."""
        return 0

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Add the gradients of a batch, but for those of an encoder that waits for its head."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        for head_first in self._head_first:
            head_first.forget_gradients(self.state)
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss; in training, show inputs and outputs to the observers."""
        is_training = model.training
        if is_training:
            for module in self._frozen:  # the trainer has put the whole model to training
                module.eval()
        taken = {name: value for name, value in inputs.items() if name != UTTERANCE_IDS}
        loss, outputs = super().compute_loss(
            model, taken, return_outputs=True, num_items_in_batch=num_items_in_batch
        )
        if is_training:
            for observe in self.observers:
                observe(inputs, outputs)
        return (loss, outputs) if return_outputs else loss

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,  # noqa: ARG002
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return loss, what `predict` makes of a batch, and labels.

        The logits of a whole validation set can fill the memory, so they are not kept.
        """
        inputs = self._prepare_inputs(inputs)
        loss: Tensor | None = None
        with torch.no_grad():
            with self.compute_loss_context_manager():
                if self._has_eval_loss:
                    loss, outputs = self.compute_loss(model, inputs, return_outputs=True)
                else:
                    given = {k: v for k, v in inputs.items() if k not in {UTTERANCE_IDS, "labels"}}
                    outputs = model(**given)
            if prediction_loss_only or self._predict is None:
                return loss, None, None
            predictions = self._predict(self.accelerator.unwrap_model(model), inputs, outputs)
        return loss, predictions, inputs.get("labels")

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,  # noqa: ARG002
        prediction_loss_only: bool | None = None,  # noqa: ARG002
        ignore_keys: list[str] | None = None,  # noqa: ARG002
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Return loss and scores of the validation set; `inputs` of the metric are names.

        The processes hold batches of different sizes, which cannot be gathered as tensors:
        what belongs to each utterance is, at the end.
        """
        model: Any = self._wrap_model(self.model, training=False, dataloader=dataloader)
        model.eval()
        self.callback_handler.eval_dataloader = dataloader
        rows: list[tuple[float | None, Any, Any, str]] = []
        for inputs in dataloader:
            loss, predictions, labels = self.prediction_step(
                model, inputs, prediction_loss_only=False
            )
            size = len(inputs["input_values"])
            rows += zip(
                [None if loss is None else float(loss)] * size,
                [None] * size if predictions is None else to_numpy(predictions),
                [None] * size if labels is None else to_numpy(labels),
                inputs.get(UTTERANCE_IDS) or [""] * size,
                strict=True,
            )
            self.control = self.callback_handler.on_prediction_step(
                self.args, self.state, self.control
            )
        if self.args.world_size > 1:
            rows = gather_object(rows)
        losses, predicted, true, names = zip(*rows, strict=True)
        metrics: dict[str, float] = {}
        if losses[0] is not None:
            metrics["loss"] = sum(losses) / len(losses)
        if self.compute_metrics is not None and predicted[0] is not None:
            prediction = EvalPrediction(pad_rows(predicted), pad_rows(true), np.array(names))
            metrics |= self.compute_metrics(prediction)
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        return EvalLoopOutput(None, None, named, len(rows))

    def _get_output_dir(self, trial: Any) -> str:
        """Return the folder of the checkpoints; while one is written, a hidden one in it."""
        folder = super()._get_output_dir(trial)
        return str(Path(folder) / SAVING_FOLDER) if self._is_saving else folder

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint aside, move it to its name, and only then remove older ones.

        A run that is killed at any moment leaves complete checkpoints alone under their names.
        """
        folder = Path(super()._get_output_dir(trial))
        written = folder / SAVING_FOLDER / f"checkpoint-{self.state.global_step}"
        final = folder / written.name
        if self.args.should_save:  # what a killed run left
            shutil.rmtree(written.parent, ignore_errors=True)
        if self.is_fsdp_enabled and self.optimizer is not None:
            complete_state(self.optimizer)
        self.accelerator.wait_for_everyone()
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        self._is_saving = True
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._is_saving = False
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.state.best_model_checkpoint == str(written):
            self.state.best_model_checkpoint = str(final)
        if self.args.should_save:
            self.state.save_to_json(str(written / "trainer_state.json"))
            replace_folder(written, final)
            written.parent.rmdir()
            rotate_checkpoints(
                output_dir=str(folder),
                save_total_limit=limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=False,
            )
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the model and what belongs to it."""
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            for complete in self._complete_checkpoint:
                complete(Path(str(self.args.output_dir if output_dir is None else output_dir)))
