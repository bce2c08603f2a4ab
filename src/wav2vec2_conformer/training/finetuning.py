"""Fine-tuning of a model for a task, or training from nothing."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, set_seed
from transformers.trainer_callback import PrinterCallback

from wav2vec2_conformer.data.collation import SpeechCollator
from wav2vec2_conformer.training.adaptation.adapted_task import Adaptation, build_adaptation
from wav2vec2_conformer.training.arguments import build_arguments, check_run
from wav2vec2_conformer.training.batches import build_samplers, padding_multiple
from wav2vec2_conformer.training.classification import prepare_classification
from wav2vec2_conformer.training.compilation import compile_blocks
from wav2vec2_conformer.training.ctc import prepare_ctc
from wav2vec2_conformer.training.frame_classification import prepare_frame_classification
from wav2vec2_conformer.training.freezing import HeadFirst, freeze_parts, layer_learning_rates
from wav2vec2_conformer.training.health.actions import read_actions
from wav2vec2_conformer.training.health.monitor import HealthMonitor
from wav2vec2_conformer.training.model_folder import write_preprocessing
from wav2vec2_conformer.training.progress import ProgressLog
from wav2vec2_conformer.training.progress_bar import ProgressBar
from wav2vec2_conformer.training.report.run_record import RunRecord, describe_data
from wav2vec2_conformer.training.resuming import find_checkpoint
from wav2vec2_conformer.training.run_to_end import run_to_end
from wav2vec2_conformer.training.schedule import (
    Schedule,
    TrainingClock,
    build_clock,
    linear_schedule,
    tri_stage_schedule,
)
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.spec_augment import SpecAugmentGate
from wav2vec2_conformer.training.task import PreparedTask
from wav2vec2_conformer.training.training_data import build_augmentation, build_dataset
from wav2vec2_conformer.training.xvector import prepare_xvector

if TYPE_CHECKING:
    from wav2vec2_conformer.training.speech_trainer import SpeechTrainer

TASKS = {
    "ctc": prepare_ctc,
    "classification": prepare_classification,
    "frame-classification": prepare_frame_classification,
    "xvector": prepare_xvector,
}


def finetune(settings: FinetuneSettings) -> Path:
    """Train a model for a task and write it as a complete model folder.

    The run ends after its updates, epochs or minutes, whichever come first, and the learning
    rate reaches its end there. A resumed run goes on exactly as if it had not stopped; with a
    time limit, but for the learning rate, which depends on the machine's speed.

    `output_dir` then holds `recipe.yaml` (these settings), the checkpoints, `final`, and what
    was seen on the way: `report.html`, `log.jsonl`, `run.json`, `health.jsonl`.

    Args:
        settings: What to train on what, and how.

    Returns:
        The folder of the final model, `output_dir/final`.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Settings contradict each other or are out of range.
        ManifestError: A data set cannot be used.
        MissingExtraError: accelerate, or TensorBoard if asked for, is not installed.
    """
    check_run(settings)
    checkpoint = find_checkpoint(Path(settings.output_dir or ""), resume=settings.resume)
    adaptation = build_adaptation(settings)
    task = prepare_task(settings, adaptation)
    clock = build_clock(settings.time_limit_minutes)
    trainer = build_trainer(settings, task, clock)

    def save(model: Any, folder: Path) -> None:
        adaptation.save(replace(task, model=model), folder, settings.save_dtype)

    return run_to_end(settings, trainer, clock, checkpoint, save)


def prepare_task(settings: FinetuneSettings, adaptation: Adaptation) -> PreparedTask:
    """Return model and data, the model as it is to be trained.

    Args:
        settings: Of the run. Their seed draws what is new in the model.
        adaptation: What is trained on a base model that stays as it is.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Settings contradict each other or are out of range.
        ManifestError: A data set cannot be used.
    """
    set_seed(settings.seed)
    return adaptation.prepare(TASKS[settings.task](adaptation.extend(settings)))


def build_trainer(
    settings: FinetuneSettings, task: PreparedTask, clock: TrainingClock
) -> "SpeechTrainer":
    """Return the trainer of a run.

    Args:
        settings: Of the run.
        task: Model and data.
        clock: Clock of the run.

    Raises:
        InputError: Settings contradict each other or are out of range.
    """
    # `Trainer` needs accelerate at import, which is an extra.
    from wav2vec2_conformer.training.speech_trainer import SpeechTrainer  # noqa: PLC0415

    arguments = build_arguments(
        settings,
        metric_for_best_model=None if task.valid is None else task.best_metric,
        greater_is_better=task.greater_is_better,
    )
    valid_s = None if task.valid is None else task.valid.durations_s
    train_sampler, eval_sampler = build_samplers(
        settings,
        arguments,
        task.train.durations_s,
        valid_s,
        shortest_first_epochs=settings.shortest_first_epochs,
    )
    frozen = freeze_parts(
        task.model,
        encoder=settings.freeze_encoder,
        feature_encoder=settings.freeze_feature_encoder,
    )
    if settings.torch_compile:
        compile_blocks(task.model)
    monitor = HealthMonitor(
        settings.task,
        tokenizer=getattr(task.preprocessing, "tokenizer", None),
        actions=read_actions(settings.health),
        max_duration_s=settings.max_duration_s,
    )
    data = describe_data(task.train.durations_s, valid_s or [])
    callbacks: list[TrainerCallback] = [
        clock,
        ProgressLog(clock),
        ProgressBar(clock),
        RunRecord(settings.task, data),
        monitor,
    ]
    complete_checkpoint = [lambda folder: write_preprocessing(task.preprocessing, folder)]
    if settings.head_only_steps:
        callbacks.append(HeadFirst(task.model, settings.head_only_steps))
    if settings.task == "ctc":
        gate = SpecAugmentGate(task.model.config, settings.spec_augment_below_loss)
        callbacks.append(gate)
        complete_checkpoint.append(gate.write_wanted)
    trainer = SpeechTrainer(
        model=task.model,
        args=arguments,
        data_collator=SpeechCollator(
            task.normalize,
            task.collate_labels,
            padding_multiple(arguments, task.model.config.inputs_to_logits_ratio),
        ),
        train_dataset=build_dataset(settings, task.train, build_augmentation(settings)),
        eval_dataset=None if task.valid is None else build_dataset(settings, task.valid),
        train_sampler=train_sampler,
        eval_sampler=eval_sampler,
        compute_metrics=task.metrics,
        predict=task.predict,
        has_eval_loss=task.has_eval_loss,
        clock=clock,
        schedule=build_schedule(settings),
        learning_rate_scale=layer_learning_rates(task.model, settings.layer_learning_rate_decay),
        frozen=frozen,
        observers=[monitor.observe],
        sync_batch_norm=settings.sync_batch_norm,
        complete_checkpoint=complete_checkpoint,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # prints raw dictionaries to stdout
    return trainer


def build_schedule(settings: FinetuneSettings) -> Schedule:
    """Return the schedule of the learning rate.

    Raises:
        InputError: A ratio is out of range.
    """
    if settings.schedule == "linear":
        return linear_schedule(settings.warmup_steps)
    return tri_stage_schedule(
        settings.warmup_ratio,
        settings.hold_ratio,
        final_scale=settings.final_learning_rate_scale,
    )
