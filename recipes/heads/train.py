"""Train the heads that the package ships, on the frozen bundled encoder, and write their cards.

    python recipes/heads/train.py SPEECH_FOLDER WORK_FOLDER [HEAD ...] [--minutes M]

HEAD is any of digits, speaker and diarization; all by default. `--minutes` ends the training of a
head early. Heads go into the package's `assets/heads`: their indices name the encoder's file from
there, and the diarization head is measured with the speaker head that lies there.
"""

import argparse
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import torch
from cards import write_card
from measure import measure_diarization, measure_digits, measure_speaker
from prepare import TEST_SET, cut_voices, mix, read_rows, split_digits, split_voices, write_trials

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path
from wav2vec2_conformer.checkpoints.head_files import split_head
from wav2vec2_conformer.data.mixtures import MixtureRecipe
from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.settings import FinetuneSettings

logger = logging.getLogger(__name__)

ENCODER = bundled_checkpoint_path()
HEADS_FOLDER = ENCODER.parent / "heads"
# A mean of all layers with learned weights: the last layer of a speech recognizer has forgotten
# most of what is no text.
LAYERS = {"use_weighted_layer_sum": True}
# Few layers, for few hours and few speakers: about 1 MB in float16.
XVECTOR = {
    "tdnn_dim": [256, 256, 512],
    "tdnn_kernel": [5, 3, 1],
    "tdnn_dilation": [1, 2, 1],
    "xvector_output_dim": 128,
}
MIXTURES = MixtureRecipe(
    duration_s=20.0,
    num_speakers=(1, 2),
    overlap_ratio=0.1,
    noise_probability=0.5,
    room_probability=0.3,
)
COMMON = {
    "model": str(ENCODER),
    "freeze_encoder": True,
    "use_cpu": not torch.cuda.is_available(),
    "num_workers": 0,
    "eval_steps": 1_000_000,
    "save_steps": 1_000_000,
    "logging_steps": 20,
    "report_to": "none",
    "shortest_first_epochs": 0,
    "weight_decay": 0.01,
}


def train_digits(speech: Path, work: Path, minutes: float | None) -> tuple[Path, str]:
    """Train the head for spoken digits; return its folder and what was measured."""
    train, test = split_digits(speech, work)
    final = finetune(
        FinetuneSettings(
            **COMMON,
            task="classification",
            train=(train,),
            output_dir=work / "run",
            model_config=LAYERS | {"classifier_proj_size": 128},
            batch_seconds=40.0,
            max_steps=600,
            time_limit_minutes=minutes,
            warmup_steps=50,
            learning_rate=3e-3,
            speed_perturbation=0.1,
            gain_db=10.0,
        )
    )
    return final, measure_digits(final, train, test)


def train_speaker(speech: Path, work: Path, minutes: float | None) -> tuple[Path, str]:
    """Train the head for voices; return its folder and what was measured."""
    train = cut_voices(speech, work)
    final = finetune(
        FinetuneSettings(
            **COMMON,
            task="xvector",
            train=(train,),
            output_dir=work / "run",
            model_config=LAYERS | XVECTOR,
            batch_seconds=90.0,
            max_steps=800,
            time_limit_minutes=minutes,
            warmup_steps=50,
            learning_rate=2e-3,
            noise_probability=0.3,
            cache_dir=work / "cache",
        )
    )
    held_out = write_trials(
        work / "held-out.txt", split_voices(speech)[1], num_clips=12, other_recordings=True
    )
    test = write_trials(work / "test.txt", read_rows(speech, [TEST_SET]), num_clips=10)
    return final, measure_speaker(final, held_out, test)


def train_diarization(speech: Path, work: Path, minutes: float | None) -> tuple[Path, str]:
    """Train the head for who speaks when; return its folder and what was measured."""
    rows, held_out = split_voices(speech)
    train = mix(rows, work / "train", MIXTURES, num_mixtures=160, seed=0)
    tuning = mix(held_out, work / "tuning", MIXTURES, num_mixtures=80, seed=1)
    test_rows = read_rows(speech, [TEST_SET])
    test = mix(test_rows, work / "test", MIXTURES, num_mixtures=80, seed=2)
    final = finetune(
        FinetuneSettings(
            **COMMON,
            task="frame-classification",
            train=(train,),
            output_dir=work / "run",
            model_config=LAYERS,
            # Not speakers: a linear layer cannot tell apart voices that the encoder does not keep
            # apart (28.5 % DER, one speaker for all speech 28.0 %). Embeddings of pieces do.
            frame_labels="speech",
            max_duration_s=None,
            batch_seconds=60.0,
            max_steps=150,
            time_limit_minutes=minutes,
            warmup_steps=15,
            learning_rate=1e-2,
        )
    )
    return final, measure_diarization(final, tuning, test)


TRAINERS: dict[str, Callable[[Path, Path, float | None], tuple[Path, str]]] = {
    "digits": train_digits,
    "speaker": train_speaker,
    "diarization": train_diarization,
}


def main() -> None:
    """Train the heads that are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("heads", nargs="*", choices=[*TRAINERS, []], default=[])
    parser.add_argument("--minutes", type=float, help="longest training of a head")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in args.heads or TRAINERS:
        work = args.work / name
        shutil.rmtree(work / "run", ignore_errors=True)
        start_s = time.monotonic()
        trained, measured = TRAINERS[name](args.speech, work, args.minutes)
        took = (time.monotonic() - start_s) / 60
        folder = HEADS_FOLDER / name
        split_head(trained, ENCODER, folder)
        write_card(folder, name, measured, args.minutes)
        logger.info("%s: %.1f minutes, into %s\n%s", name, took, folder, measured)


if __name__ == "__main__":
    main()
