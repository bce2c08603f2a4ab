"""Fine-tuning, or training from nothing, of a CTC model on transcribed speech."""

import importlib.util
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, Wav2Vec2Processor, set_seed
from transformers.trainer_callback import PrinterCallback, TrainerState

from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.augmentation import Augmentation
from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.data.collation import SpeechCollator
from wav2vec2_conformer.data.speech_dataset import SpeechDataset
from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import (
    LIBRISPEECH_VOCABULARY,
    build_processor,
    read_vocabulary,
)
from wav2vec2_conformer.training.ctc_data import (
    CtcExamples,
    check_has_frames,
    read_examples,
    select_trainable,
)
from wav2vec2_conformer.training.model_folder import (
    CheckpointProcessor,
    check_save_dtype,
    latest_checkpoint,
    save_model_folder,
)
from wav2vec2_conformer.training.progress import ProgressLog
from wav2vec2_conformer.training.schedule import TrainingClock, saved_elapsed_s
from wav2vec2_conformer.training.spec_augment import SpecAugmentGate

logger = logging.getLogger(__name__)

# With a time limit alone, the number of updates is not known: more than any run makes.
UNLIMITED_STEPS = 10_000_000
FINAL_FOLDER = "final"


def finetune(
    *,
    train: Sequence[str | Path],
    output_dir: str | Path,
    valid: str | Path | None = None,
    model: str | Path | None = None,
    config: str | Path | None = None,
    vocab: str | Path | None = None,
    batch_seconds: float = 40.0,
    max_duration_s: float | None = 20.0,
    learning_rate: float = 3e-4,
    weight_decay: float = 0.01,
    adam_beta2: float = 0.98,
    max_grad_norm: float = 1.0,
    warmup_steps: int = 500,
    max_steps: int | None = None,
    time_limit_minutes: float | None = None,
    gradient_accumulation_steps: int = 1,
    shortest_first_epochs: int = 1,
    speed_perturbation: float = 0.0,
    gain_db: float = 0.0,
    spec_augment_below_loss: float = 1.6,
    freeze_feature_encoder: bool = False,
    logging_steps: int = 50,
    eval_steps: int = 500,
    save_steps: int = 500,
    save_total_limit: int = 2,
    load_best_model_at_end: bool = False,
    resume: bool = False,
    bf16: bool = False,
    use_cpu: bool = False,
    num_workers: int = 1,
    seed: int = 0,
    cache_dir: str | Path | None = None,
    save_dtype: str = "float32",
    report_to: str = "tensorboard",
) -> Path:
    """Train a CTC model and write it as a complete model folder.

    The run ends after `max_steps` updates or `time_limit_minutes`, whichever comes first;
    the learning rate rises over the warm-up and reaches 0 at that end. A resumed run goes on
    exactly as if it had not stopped (with a time limit: but for the learning rate, which
    depends on the machine's speed) when `save_steps` is a multiple of `logging_steps`.

    Args:
        train: Manifests of the training set, or data sets in another format that
            `data.reading` knows.
        output_dir: Folder for checkpoints, TensorBoard files and the final model.
        valid: Manifest of the validation set; None trains without evaluation.
        model: Checkpoint folder to start from. Exactly one of `model` and `config`.
        config: `config.json` of a model to train from random weights.
        vocab: `vocab.json`. By default the checkpoint's own or, with `config`, the one of
            the released English checkpoints. With `model`, the output layer starts anew.
        batch_seconds: Seconds of audio in a batch, padding included, before augmentation.
        max_duration_s: Longer training utterances are left out; None for no limit.
        learning_rate: Peak of the learning rate.
        weight_decay: Weight decay of AdamW.
        adam_beta2: Decay of AdamW's second moments.
        max_grad_norm: Gradients are clipped to this norm.
        warmup_steps: Updates until the peak of the learning rate.
        max_steps: Updates of the run. Needed unless there is a time limit.
        time_limit_minutes: Wall-clock budget of training and its evaluations, over all
            resumptions; the evaluation and saving at the end come on top.
        gradient_accumulation_steps: Batches per update.
        shortest_first_epochs: So many epochs start with the shortest clips.
        speed_perturbation: Speeds are drawn from 1 - this to 1 + this.
        gain_db: Gains are drawn from minus to plus this.
        spec_augment_below_loss: SpecAugment, if the configuration has it, starts when the
            training loss per character is below this.
        freeze_feature_encoder: Keep the convolutions on the waveform as they are.
        logging_steps: Updates between log lines.
        eval_steps: Updates between evaluations.
        save_steps: Updates between checkpoints.
        save_total_limit: Checkpoints kept.
        load_best_model_at_end: The final model is the one with the lowest validation WER,
            not the last. `save_steps` must then be a multiple of `eval_steps`.
        resume: Go on from the latest checkpoint in `output_dir`, if there is one.
        bf16: Compute in bfloat16 where that is safe, on CPUs too.
        use_cpu: Leave a GPU alone.
        num_workers: Processes that decode and augment audio; 0 does so in between updates.
        seed: Seed of initial weights, order, augmentation and masks.
        cache_dir: Folder for decoded clips; None decodes each time.
        save_dtype: What the final model is stored in: "float32", "float16", "bfloat16".
        report_to: What transformers reports metrics to, "none" for nothing.

    Returns:
        The folder of the final model, `output_dir/final`.

    Raises:
        CheckpointError: `model` is no checkpoint.
        InputError: Arguments contradict each other or are out of range.
        ManifestError: A manifest cannot be used.
        MissingExtraError: accelerate, or TensorBoard if asked for, is not installed.
    """
    _check_extra(report_to)
    # Imported here because `Trainer` needs accelerate at import.
    from wav2vec2_conformer.training.ctc_trainer import (  # noqa: PLC0415
        CtcTrainer,
        build_word_error_metric,
    )

    check_save_dtype(save_dtype)
    if max_steps is None and time_limit_minutes is None:
        raise InputError("give max_steps, time_limit_minutes or both: nothing ends the run")
    if load_best_model_at_end and valid is None:
        raise InputError("load_best_model_at_end needs a validation manifest (valid)")
    augmentation = Augmentation(speed_perturbation, gain_db)
    clock = TrainingClock(None if time_limit_minutes is None else 60 * time_limit_minutes)
    output_dir = Path(output_dir)
    checkpoint = _find_checkpoint(output_dir, resume=resume)

    set_seed(seed)
    ctc_model, processor = _build_model(model, config, vocab)
    tokenizer = processor.tokenizer
    if freeze_feature_encoder:
        ctc_model.freeze_feature_encoder()

    def count_frames(num_samples: int) -> int:
        return int(ctc_model._get_feat_extract_output_lengths(num_samples))  # noqa: SLF001

    train_examples = select_trainable(
        read_examples(train, tokenizer, "training"),
        count_frames,
        max_duration_s=max_duration_s,
        max_speed=augmentation.max_speed,
    )
    eval_dataset = eval_sampler = None
    if valid is not None:
        valid_examples = read_examples([valid], tokenizer, "validation")
        check_has_frames(valid_examples, count_frames)
        eval_dataset = _build_dataset(valid_examples, cache_dir)
        eval_sampler = DurationBatchSampler(
            valid_examples.durations_s, batch_seconds, shuffle=False
        )

    arguments = TrainingArguments(
        output_dir=str(output_dir),
        max_steps=UNLIMITED_STEPS if max_steps is None else max_steps,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        weight_decay=weight_decay,
        adam_beta2=adam_beta2,
        max_grad_norm=max_grad_norm,
        optim="adamw_torch_fused",
        gradient_accumulation_steps=gradient_accumulation_steps,
        bf16=bf16,
        use_cpu=use_cpu or not torch.accelerator.is_available(),
        seed=seed,
        logging_steps=logging_steps,
        eval_strategy="no" if valid is None else "steps",
        eval_steps=eval_steps,
        save_strategy="steps",
        save_steps=save_steps,
        save_total_limit=save_total_limit,
        load_best_model_at_end=load_best_model_at_end,
        metric_for_best_model="wer" if valid is not None else None,
        greater_is_better=False,
        dataloader_num_workers=num_workers,
        dataloader_pin_memory=torch.accelerator.is_available(),
        include_num_input_tokens_seen="non_padding",
        label_names=["labels"],
        report_to=report_to,
        disable_tqdm=True,
    )
    if time_limit_minutes is not None and arguments.world_size > 1:
        raise InputError(
            "time_limit_minutes works for a single process, as the clocks of several do not "
            f"agree on the last update; got {arguments.world_size} processes. Use max_steps"
        )
    gate = SpecAugmentGate(ctc_model.config, spec_augment_below_loss)
    trainer = CtcTrainer(
        model=ctc_model,
        args=arguments,
        data_collator=SpeechCollator(normalize=processor.feature_extractor.do_normalize),
        train_dataset=_build_dataset(train_examples, cache_dir, augmentation, seed),
        eval_dataset=eval_dataset,
        train_sampler=DurationBatchSampler(
            train_examples.durations_s,
            batch_seconds,
            seed=seed,
            shortest_first_epochs=shortest_first_epochs,
        ),
        eval_sampler=eval_sampler,
        compute_metrics=build_word_error_metric(tokenizer),
        clock=clock,
        callbacks=[clock, gate, ProgressLog(clock), CheckpointProcessor(processor)],
    )
    trainer.remove_callback(PrinterCallback)  # prints raw dictionaries to stdout
    if checkpoint is not None and _is_finished(checkpoint, arguments, clock):
        logger.info("%s: the run has reached its end already", checkpoint)
        ctc_model = Wav2Vec2ConformerForCTC.from_pretrained(checkpoint, dtype=torch.float32)
        ctc_model.config.apply_spec_augment = gate.is_wanted
    else:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    return save_model_folder(ctc_model, processor, output_dir / FINAL_FOLDER, save_dtype)


def _check_extra(report_to: str) -> None:
    if importlib.util.find_spec("accelerate") is None:
        raise MissingExtraError("training", "accelerate", "train")
    if report_to == "tensorboard" and importlib.util.find_spec("tensorboard") is None:
        raise MissingExtraError("report_to='tensorboard'", "tensorboard", "train")


def _find_checkpoint(output_dir: Path, *, resume: bool) -> Path | None:
    """Return the checkpoint to resume from. Without `resume` there must be none."""
    checkpoint = latest_checkpoint(output_dir)
    if checkpoint is not None and not resume:
        raise InputError(
            f"{output_dir} holds {checkpoint.name} of an earlier run; resume it "
            "(resume=True, --resume) or choose another output_dir"
        )
    if resume and checkpoint is None:
        logger.info("%s holds no checkpoint: the run starts at the beginning", output_dir)
    return checkpoint


def _build_model(
    model: str | Path | None, config: str | Path | None, vocab: str | Path | None
) -> tuple[Wav2Vec2ConformerForCTC, Wav2Vec2Processor]:
    if (model is None) == (config is None):
        raise InputError(
            "give either model (a checkpoint folder to start from) or config (a config.json "
            f"to start from random weights), got model={model}, config={config}"
        )
    if model is not None:
        model = locate_checkpoint(model)
    if model is not None and vocab is None:
        processor = load_processor(model)
    else:
        processor = build_processor(
            LIBRISPEECH_VOCABULARY if vocab is None else read_vocabulary(vocab)
        )
    tokenizer = processor.tokenizer
    fields: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        # Per character and utterance: batches by seconds hold different numbers of both.
        "ctc_loss_reduction": "mean",
        # A manifest may round durations up, which hides a text that does not fit.
        "ctc_zero_infinity": True,
    }
    if config is not None:
        if not Path(config).is_file():
            raise InputError(f"{config}: there is no such configuration file")
        random_config = Wav2Vec2ConformerConfig.from_json_file(config)
        random_config.update(fields)
        return Wav2Vec2ConformerForCTC(random_config), processor
    loaded = Wav2Vec2ConformerForCTC.from_pretrained(
        model, dtype=torch.float32, ignore_mismatched_sizes=vocab is not None, **fields
    )
    return loaded, processor


def _build_dataset(
    examples: CtcExamples,
    cache_dir: str | Path | None,
    augmentation: Augmentation | None = None,
    seed: int = 0,
) -> SpeechDataset:
    return SpeechDataset(
        examples.utterances,
        examples.targets,
        augmentation=augmentation,
        seed=seed,
        cache_dir=cache_dir,
    )


def _is_finished(checkpoint: Path, arguments: TrainingArguments, clock: TrainingClock) -> bool:
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    limit_s = math.inf if clock.time_limit_s is None else clock.time_limit_s
    return state.global_step >= arguments.max_steps or saved_elapsed_s(state) >= limit_s
