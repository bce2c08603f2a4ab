"""`wav2vec2-conformer finetune`: train a CTC model on transcribed speech."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Option


def finetune(
    *,
    train: Annotated[
        list[Path],
        Option(help="Training manifest (JSON Lines); may be given several times."),
    ],
    output_dir: Annotated[
        Path, Option("-o", "--output-dir", help="Folder for checkpoints and the final model.")
    ],
    valid: Annotated[Path | None, Option(help="Validation manifest.")] = None,
    model: Annotated[
        str | None, Option("-m", "--model", help="Checkpoint folder to start from.")
    ] = None,
    config: Annotated[
        Path | None, Option(help="config.json of a model to train from random weights.")
    ] = None,
    vocab: Annotated[
        Path | None,
        Option(help="vocab.json. [default: the model's; with --config, the English one]"),
    ] = None,
    batch_seconds: Annotated[
        float, Option(help="Seconds of audio in a batch, padding included.")
    ] = 40.0,
    max_duration_s: Annotated[
        float | None, Option(help="Leave out longer training utterances.")
    ] = 20.0,
    learning_rate: Annotated[float, Option(help="Peak of the learning rate.")] = 3e-4,
    weight_decay: Annotated[float, Option(help="Weight decay of AdamW.")] = 0.01,
    adam_beta2: Annotated[float, Option(help="Decay of AdamW's second moments.")] = 0.98,
    max_grad_norm: Annotated[float, Option(help="Clip gradients to this norm.")] = 1.0,
    warmup_steps: Annotated[int, Option(help="Updates until the peak.")] = 500,
    max_steps: Annotated[int | None, Option(help="Updates of the run.")] = None,
    time_limit_minutes: Annotated[
        float | None,
        Option(help="Budget of the run; the learning rate reaches 0 at its end."),
    ] = None,
    gradient_accumulation_steps: Annotated[int, Option(help="Batches per update.")] = 1,
    shortest_first_epochs: Annotated[
        int, Option(help="Epochs at the start that go from short to long clips.")
    ] = 1,
    speed_perturbation: Annotated[
        float, Option(help="Draw speeds from 1 - this to 1 + this, such as 0.1.")
    ] = 0.0,
    gain_db: Annotated[float, Option(help="Draw gains from minus to plus this.")] = 0.0,
    spec_augment_below_loss: Annotated[
        float, Option(help="SpecAugment starts when the training loss is below this.")
    ] = 1.6,
    freeze_feature_encoder: Annotated[
        bool, Option(help="Keep the convolutions on the waveform as they are.")
    ] = False,
    logging_steps: Annotated[int, Option(help="Updates between log lines.")] = 50,
    eval_steps: Annotated[int, Option(help="Updates between evaluations.")] = 500,
    save_steps: Annotated[int, Option(help="Updates between checkpoints.")] = 500,
    save_total_limit: Annotated[int, Option(help="Checkpoints kept.")] = 2,
    load_best_model_at_end: Annotated[
        bool, Option(help="Keep the model with the lowest validation WER, not the last.")
    ] = False,
    resume: Annotated[bool, Option(help="Go on from the latest checkpoint.")] = False,
    bf16: Annotated[bool, Option(help="Compute in bfloat16 where that is safe.")] = False,
    use_cpu: Annotated[bool, Option(help="Leave a GPU alone.")] = False,
    num_workers: Annotated[int, Option(help="Processes that decode audio.")] = 1,
    seed: Annotated[int, Option(help="Seed of everything random.")] = 0,
    cache_dir: Annotated[
        Path | None, Option(help="Folder for decoded clips (115 MB an hour).")
    ] = None,
    save_dtype: Annotated[
        str, Option(help="Final weights are stored as float32, float16 or bfloat16.")
    ] = "float32",
    report_to: Annotated[
        str, Option(help="Where metrics go: tensorboard, or none.")
    ] = "tensorboard",
) -> None:
    """Train a CTC model from a checkpoint (--model) or from random weights (--config).

    Prints the folder of the final model.
    """
    _log_to_stderr()
    from transformers.utils.logging import disable_progress_bar

    from wav2vec2_conformer.training import ctc

    disable_progress_bar()  # one bar for each file that is loaded or saved

    folder = ctc.finetune(
        train=train,
        output_dir=output_dir,
        valid=valid,
        model=model,
        config=config,
        vocab=vocab,
        batch_seconds=batch_seconds,
        max_duration_s=max_duration_s,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        adam_beta2=adam_beta2,
        max_grad_norm=max_grad_norm,
        warmup_steps=warmup_steps,
        max_steps=max_steps,
        time_limit_minutes=time_limit_minutes,
        gradient_accumulation_steps=gradient_accumulation_steps,
        shortest_first_epochs=shortest_first_epochs,
        speed_perturbation=speed_perturbation,
        gain_db=gain_db,
        spec_augment_below_loss=spec_augment_below_loss,
        freeze_feature_encoder=freeze_feature_encoder,
        logging_steps=logging_steps,
        eval_steps=eval_steps,
        save_steps=save_steps,
        save_total_limit=save_total_limit,
        load_best_model_at_end=load_best_model_at_end,
        resume=resume,
        bf16=bf16,
        use_cpu=use_cpu,
        num_workers=num_workers,
        seed=seed,
        cache_dir=cache_dir,
        save_dtype=save_dtype,
        report_to=report_to,
    )
    typer.echo(folder)


def _log_to_stderr() -> None:
    """Send the package's log to stderr, with the time of day."""
    logger = logging.getLogger("wav2vec2_conformer")
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.handlers[:] = [handler]
