"""What a training run will take, before it is started: one batch is measured.

Shapes used in this file:
    B  utterances in the batch
"""

import gc
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.training import finetuning
from wav2vec2_conformer.training.adaptation.adapted_task import build_adaptation
from wav2vec2_conformer.training.arguments import UNLIMITED_STEPS, check_run
from wav2vec2_conformer.training.pretraining import run as pretraining
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings
from wav2vec2_conformer.training.schedule import build_clock
from wav2vec2_conformer.training.settings import FinetuneSettings

_GB = 1e9
# Of AdamW in float32, for each trained parameter: its gradient and two moments.
_BYTES_TRAINED = 12
_BYTES_WEIGHT = 4


@dataclass(frozen=True)
class Plan:
    """What a run will take on this machine.

    Attributes:
        task: What is learned.
        num_utterances: Training utterances.
        audio_h: Hours of training audio.
        num_parameters: Parameters of the model.
        num_trained: Those that are trained.
        num_processes: Processes that share an update.
        num_accumulated: Batches of a process in an update.
        update_s: Mean seconds of audio in an update.
        updates_per_epoch: Updates in a pass over the training audio.
        num_updates: Updates of the run; None where the clock alone ends it.
        num_epochs: Passes over the training audio.
        seconds_per_update: Time of an update, from the batch that was measured; decoding is
            left out.
        run_h: Hours of the run, without evaluations.
        weights_gb: Memory of weights, gradients and the optimizer.
        batch_gb: Memory that the longest batch keeps for its gradients.
    """

    task: str
    num_utterances: int
    audio_h: float
    num_parameters: int
    num_trained: int
    num_processes: int
    num_accumulated: int
    update_s: float
    updates_per_epoch: int
    num_updates: int | None
    num_epochs: float | None
    seconds_per_update: float
    run_h: float
    weights_gb: float
    batch_gb: float


def plan_run(settings: FinetuneSettings | PretrainingSettings) -> Plan:
    """Prepare a run, measure its longest batch, and write nothing.

    Args:
        settings: Of the run.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Settings contradict each other or are out of range.
        ManifestError: A data set cannot be used.
        MissingExtraError: accelerate, or TensorBoard if asked for, is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = _prepare_trainer(
            replace(
                settings,
                output_dir=Path(folder),
                valid=None,
                num_workers=0,
                load_best_model_at_end=False,
            )
        )
        sampler, arguments = trainer.train_sampler, trainer.args
        batch_gb, batch_s, batch_audio_s = _measure_longest_batch(trainer)
    accumulated = arguments.gradient_accumulation_steps
    per_update = accumulated * arguments.world_size
    update_s = sampler.mean_batch_s * per_update
    updates_per_epoch = max(1, -(-len(sampler) // per_update))
    seconds_per_update = batch_s / batch_audio_s * sampler.mean_batch_s * accumulated
    num_updates: int | None = arguments.max_steps
    if arguments.max_steps == UNLIMITED_STEPS:
        num_updates = None
    elif arguments.max_steps < 0:
        num_updates = max(1, round(arguments.num_train_epochs * updates_per_epoch))
    limit_h = (settings.time_limit_minutes or float("inf")) / 60
    by_updates_h = float("inf") if num_updates is None else num_updates * seconds_per_update / 3600
    parameters = list(trainer.model.parameters())
    num_trained = sum(p.numel() for p in parameters if p.requires_grad)
    num_parameters = sum(p.numel() for p in parameters)
    return Plan(
        task=settings.task,
        num_utterances=len(trainer.train_dataset),
        audio_h=sampler.mean_batch_s * len(sampler) / 3600,
        num_parameters=num_parameters,
        num_trained=num_trained,
        num_processes=arguments.world_size,
        num_accumulated=accumulated,
        update_s=update_s,
        updates_per_epoch=updates_per_epoch,
        num_updates=num_updates,
        num_epochs=None if num_updates is None else num_updates / updates_per_epoch,
        seconds_per_update=seconds_per_update,
        run_h=min(limit_h, by_updates_h),
        weights_gb=(_BYTES_WEIGHT * num_parameters + _BYTES_TRAINED * num_trained) / _GB,
        batch_gb=batch_gb,
    )


def format_plan(plan: Plan) -> str:
    """Return a plan for people, a line a fact."""
    share = plan.num_trained / plan.num_parameters
    updates = "until the time limit" if plan.num_updates is None else f"{plan.num_updates:,}"
    epochs = "" if plan.num_epochs is None else f", {plan.num_epochs:,.1f} epochs"
    batches = f"{plan.num_accumulated} batches on each of {plan.num_processes} processes"
    parts = f"weights and optimizer {plan.weights_gb:.2f}, longest batch {plan.batch_gb:.2f}"
    lines = [
        ("task", plan.task),
        ("training data", f"{plan.num_utterances:,} utterances, {plan.audio_h:.2f} hours"),
        ("parameters", f"{plan.num_parameters:,}, {plan.num_trained:,} trained ({share:.1%})"),
        ("update", f"{plan.update_s:.0f} s of audio, {batches}"),
        ("updates", f"{updates}{epochs}; an epoch has {plan.updates_per_epoch:,}"),
        ("seconds per update", f"{plan.seconds_per_update:.3g}, measured on this machine"),
        ("time", f"{plan.run_h:,.2f} hours, without evaluations"),
        ("memory", f"{plan.weights_gb + plan.batch_gb:.2f} GB: {parts}"),
    ]
    return "\n".join(f"{name:20}{value}" for name, value in lines)


def _prepare_trainer(settings: FinetuneSettings | PretrainingSettings) -> Any:
    clock = build_clock(settings.time_limit_minutes)
    if isinstance(settings, PretrainingSettings):
        pretraining.check_settings(settings)
        model, feature_extractor = pretraining.prepare_model(settings)
        return pretraining.build_trainer(settings, model, feature_extractor, clock)
    check_run(settings)
    task = finetuning.prepare_task(settings, build_adaptation(settings))
    return finetuning.build_trainer(settings, task, clock)


def _measure_longest_batch(trainer: Any) -> tuple[float, float, float]:
    """Return what it keeps in GB, its time in seconds, and its seconds of audio."""
    draws = trainer.train_sampler.longest_batch
    batch = trainer.data_collator([trainer.train_dataset[draw] for draw in draws])
    model = trainer.model.to(trainer.args.device).train()
    inputs = trainer._prepare_inputs(batch)  # noqa: SLF001
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    held = {p.untyped_storage().data_ptr() for p in model.parameters()}
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, trainer.compute_loss_context_manager():
        trainer.compute_loss(model, inputs)
    started_s = time.perf_counter()
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(model, inputs)
    loss.backward()
    elapsed_s = time.perf_counter() - started_s
    model.zero_grad()
    gc.collect()
    num_bytes = sum(size for place, size in kept.items() if place not in held)
    audio_s = float(inputs["attention_mask"].sum()) / 16_000
    return num_bytes / _GB, elapsed_s, audio_s
