"""A pre-training run, from settings to the folder of the final model."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import Wav2Vec2FeatureExtractor, set_seed
from transformers.trainer_callback import PrinterCallback

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.training.arguments import build_arguments, check_run
from wav2vec2_conformer.training.batches import build_samplers
from wav2vec2_conformer.training.compilation import compile_blocks
from wav2vec2_conformer.training.examples import choose_audio_dir
from wav2vec2_conformer.training.health.actions import read_actions
from wav2vec2_conformer.training.health.monitor import HealthMonitor
from wav2vec2_conformer.training.model_folder import save_model_folder, write_preprocessing
from wav2vec2_conformer.training.pretraining.data import (
    FrameCount,
    PretrainingCollator,
    UntranscribedDataset,
    read_untranscribed,
    select_long_enough,
)
from wav2vec2_conformer.training.pretraining.draws import Masking
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings
from wav2vec2_conformer.training.pretraining.temperature import (
    GumbelTemperature,
    TemperatureSchedule,
)
from wav2vec2_conformer.training.progress import ProgressLog
from wav2vec2_conformer.training.progress_bar import ProgressBar
from wav2vec2_conformer.training.report.run_record import RunRecord, describe_data
from wav2vec2_conformer.training.resuming import find_checkpoint
from wav2vec2_conformer.training.run_to_end import run_to_end
from wav2vec2_conformer.training.schedule import TrainingClock, build_clock
from wav2vec2_conformer.training.starting_model import start_model

if TYPE_CHECKING:
    from wav2vec2_conformer.training.pretraining.trainer import PretrainingTrainer

logger = logging.getLogger(__name__)


def pretrain(settings: PretrainingSettings) -> Path:
    """Pre-train a model and write it as a model folder, from which `finetune` starts.

    A resumed run goes on exactly as if it had not stopped; with a time limit, but for the
    learning rate, which depends on the machine's speed.

    `output_dir` then holds `recipe.yaml` (these settings), the checkpoints, `final`, and what
    was seen on the way: `report.html`, `log.jsonl`, `run.json`, `health.jsonl`.

    Args:
        settings: What to train, on what, how.

    Returns:
        The folder of the final model, `output_dir/final`.

    Raises:
        AudioError: A file of a folder of audio cannot be read.
        CheckpointError: `model` is no checkpoint.
        ConfigurationError: The configuration is of no model that can be pre-trained.
        InputError: Settings contradict each other or are out of range.
        ManifestError: A data set cannot be used.
        MissingExtraError: accelerate, or TensorBoard if asked for, is not installed.
    """
    check_settings(settings)
    checkpoint = find_checkpoint(Path(settings.output_dir or ""), resume=settings.resume)
    model, feature_extractor = prepare_model(settings)
    clock = build_clock(settings.time_limit_minutes)
    trainer = build_trainer(settings, model, feature_extractor, clock)

    def save(trained: Any, folder: Path) -> None:
        save_model_folder(trained, feature_extractor, folder, settings.save_dtype)

    return run_to_end(settings, trainer, clock, checkpoint, save)


def check_settings(settings: PretrainingSettings) -> None:
    """Check what no other part checks, before anything is read.

    Raises:
        InputError: Settings contradict each other or are out of range.
        MissingExtraError: accelerate, or what `report_to` needs, is not installed.
    """
    check_run(settings)
    limit_s = settings.max_duration_s
    if limit_s is not None and not limit_s >= settings.min_duration_s:
        raise InputError(
            f"max_duration_s must be at least min_duration_s, got {limit_s} and "
            f"{settings.min_duration_s}"
        )
    for name in (
        "feature_gradient_scale",
        "feature_penalty_weight",
        "quantizer_learning_rate_scale",
    ):
        value = getattr(settings, name)
        if value is not None and not value >= 0:
            raise InputError(f"{name} must be at least 0, got {value}")


def prepare_model(
    settings: PretrainingSettings,
) -> tuple[Wav2Vec2ConformerForPreTraining, Wav2Vec2FeatureExtractor]:
    """Return the model that a run starts from, and what prepares its input.

    Args:
        settings: Of the run. Their seed draws what is new in the model.

    Raises:
        CheckpointError: `model` is no checkpoint.
        ConfigurationError: The configuration is of no model that can be pre-trained.
        InputError: Settings contradict each other.
    """
    set_seed(settings.seed)
    return start_model(Wav2Vec2ConformerForPreTraining, settings, {})


def build_trainer(
    settings: PretrainingSettings,
    model: Wav2Vec2ConformerForPreTraining,
    feature_extractor: Wav2Vec2FeatureExtractor,
    clock: TrainingClock,
) -> "PretrainingTrainer":
    """Return the trainer of a run.

    Args:
        settings: Of the run.
        model: The model; how its feature encoder learns is set in it.
        feature_extractor: Says whether audio is normalized.
        clock: Clock of the run.

    Raises:
        AudioError: A file of a folder of audio cannot be read.
        InputError: Settings contradict each other or are out of range.
        ManifestError: A data set cannot be used.
    """
    # `Trainer` needs accelerate at import, which is an extra.
    from wav2vec2_conformer.training.pretraining.trainer import (  # noqa: PLC0415
        PretrainingLog,
        PretrainingTrainer,
    )

    temperature = TemperatureSchedule(
        maximum=settings.max_gumbel_temperature,
        minimum=settings.min_gumbel_temperature,
        decay=settings.gumbel_temperature_decay,
    )
    masking = Masking(
        probability=settings.mask_time_prob,
        span_frames=settings.mask_time_length,
        min_spans=settings.mask_time_min_masks,
        num_distractors=model.config.num_negatives,
    )
    set_up_feature_encoder(model, settings.feature_gradient_scale, settings.feature_penalty_weight)
    arguments = build_arguments(
        settings,
        adam_epsilon=settings.adam_epsilon,
        metric_for_best_model=None if settings.valid is None else "accuracy",
        greater_is_better=True,
        remove_unused_columns=False,
    )
    train_dataset = _read_dataset(settings, settings.train, model, masking)
    eval_dataset = valid_s = None
    if settings.valid is not None:
        eval_dataset = _read_dataset(settings, [settings.valid], model, masking, is_validation=True)
        valid_s = eval_dataset.durations_s
    train_sampler, eval_sampler = build_samplers(
        settings, arguments, train_dataset.durations_s, valid_s
    )
    if settings.torch_compile:
        compile_blocks(model)
    monitor = HealthMonitor("pretraining", actions=read_actions(settings.health))
    data = describe_data(train_dataset.durations_s, valid_s or [])
    trainer = PretrainingTrainer(
        model=model,
        args=arguments,
        num_distractors=masking.num_distractors,
        data_collator=PretrainingCollator(normalize=bool(feature_extractor.do_normalize)),
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        train_sampler=train_sampler,
        eval_sampler=eval_sampler,
        clock=clock,
        learning_rate_scale=quantizer_learning_rate(settings.quantizer_learning_rate_scale),
        callbacks=[
            clock,
            GumbelTemperature(model, temperature),
            ProgressLog(clock),
            ProgressBar(clock),
            PretrainingLog(masking.num_distractors),
            RunRecord("pretraining", data),
            monitor,
        ],
        observers=[monitor.observe],
        sync_batch_norm=settings.sync_batch_norm,
        complete_checkpoint=[lambda folder: write_preprocessing(feature_extractor, folder)],
    )
    trainer.remove_callback(PrinterCallback)  # prints raw dictionaries to stdout
    return trainer


def quantizer_learning_rate(scale: float) -> Callable[[str], float] | None:
    """Return the factor of each parameter's learning rate, None where all are 1.

    With 0 the codes of a frame stay those of a random projection, as in Chiu et al. 2022,
    "Self-supervised learning with random-projection quantizer for speech recognition",
    https://arxiv.org/abs/2202.01855; what stands for a code is still learned.

    Args:
        scale: Factor of the map from features to codes.
    """

    def factor(name: str) -> float:
        return scale if "quantizer.weight_proj." in name else 1.0

    return None if scale == 1.0 else factor


def set_up_feature_encoder(
    model: Wav2Vec2ConformerForPreTraining,
    gradient_scale: float | None,
    penalty_weight: float | None,
) -> None:
    """Set how the feature encoder learns, by default as in fairseq's two recipes.

    Args:
        model: The model; changed.
        gradient_scale: Its gradient is multiplied by this; 0 freezes it. None: 0.1 with a group
            norm (base), 1 with layer norms (large).
        penalty_weight: Weight of the mean square of its output. None: 10 with a group norm, 0
            with layer norms.
    """
    is_base = model.config.feat_extract_norm == "group"
    if gradient_scale is None:
        gradient_scale = 0.1 if is_base else 1.0
    if penalty_weight is None:
        penalty_weight = 10.0 if is_base else 0.0
    if gradient_scale == 0:
        model.freeze_feature_encoder()
        logger.info("the feature encoder is frozen")
        return
    model.feature_gradient_scale = gradient_scale
    model.feature_penalty_weight = penalty_weight
    logger.info(
        "feature encoder: gradients times %g, weight of the penalty %g",
        gradient_scale,
        penalty_weight,
    )


def _read_dataset(
    settings: PretrainingSettings,
    paths: Iterable[Path],
    model: Wav2Vec2ConformerForPreTraining,
    masking: Masking,
    *,
    is_validation: bool = False,
) -> UntranscribedDataset:
    audio_dir = choose_audio_dir(settings)
    utterances = [u for path in paths for u in read_untranscribed(path, audio_dir)]
    purpose = "validation" if is_validation else "training"
    return UntranscribedDataset(
        select_long_enough(utterances, settings.min_duration_s, purpose),
        masking,
        FrameCount(tuple(model.config.conv_kernel), tuple(model.config.conv_stride)),
        max_duration_s=settings.max_duration_s,
        seed=settings.seed,
        is_fixed=is_validation,
        cache_dir=settings.cache_dir,
    )
