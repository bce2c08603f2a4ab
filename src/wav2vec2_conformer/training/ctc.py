"""The task of transcription: a CTC model and transcribed speech."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import EvalPrediction, Wav2Vec2CTCTokenizer, Wav2Vec2Processor

from wav2vec2_conformer.checkpoints.dictionary import read_dictionary
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.data.collation import LABEL_PADDING, pad_tokens
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.word_error import score
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor
from wav2vec2_conformer.training.ctc_data import read_examples, select_trainable
from wav2vec2_conformer.training.examples import check_has_frames, choose_audio_dir
from wav2vec2_conformer.training.report.examples import write_examples
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import (
    build_starting_model,
    read_feature_extractor,
    read_starting_config,
)
from wav2vec2_conformer.training.task import Metrics, PreparedTask

logger = logging.getLogger(__name__)

NUM_SAMPLES_SHOWN = 2


def prepare_ctc(settings: FinetuneSettings) -> PreparedTask:
    """Return the model and the transcribed speech.

    The vocabulary is `settings.vocab`, else the checkpoint's own or, for random weights, the
    one of the released English checkpoints. With another vocabulary the output layer is new.

    Raises:
        CheckpointError: `model` is no checkpoint, or `vocab` no vocabulary.
        InputError: Settings contradict each other.
        ManifestError: A data set cannot be used.
    """
    config = read_starting_config(settings.model, settings.config, settings.model_config)
    processor = _read_processor(settings)
    tokenizer = processor.tokenizer
    config.update(
        {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            # Per character and utterance: batches by seconds hold different numbers of both.
            "ctc_loss_reduction": "mean",
            # A manifest may round durations up, which hides a text that does not fit.
            "ctc_zero_infinity": True,
        }
    )
    model = build_starting_model(Wav2Vec2ConformerForCTC, settings.model, config)
    count_frames = PreparedTask.frame_counter(model)
    audio_dir = choose_audio_dir(settings)
    train = select_trainable(
        read_examples(settings.train, tokenizer, "training", audio_dir),
        count_frames,
        max_duration_s=settings.max_duration_s,
        max_speed=1 + settings.speed_perturbation,
    )
    valid = None
    if settings.valid is not None:
        valid = read_examples([settings.valid], tokenizer, "validation", audio_dir)
        check_has_frames(valid, count_frames)
    return PreparedTask(
        model=model,
        preprocessing=processor,
        train=train,
        valid=valid,
        collate_labels=pad_tokens,
        predict=predict_tokens,
        metrics=build_word_error_metric(tokenizer, settings.output_dir),
        best_metric="wer",
        greater_is_better=False,
    )


def _read_processor(settings: FinetuneSettings) -> Wav2Vec2Processor:
    if settings.vocab is None and settings.model is not None:
        place = Path(locate_checkpoint(settings.model))
        if place.is_dir() and not (place / "vocab.json").is_file():
            raise InputError(
                f"{place}: has no vocabulary (vocab.json), so it is no CTC model. Give the "
                "characters to learn with vocab; `check-data --write-vocab` makes the file"
            )
        return load_processor(place if place.is_dir() else settings.model)
    vocabulary: Mapping[str, int] = LIBRISPEECH_VOCABULARY
    if settings.vocab is not None:
        vocabulary = read_dictionary(settings.vocab)
    processor = build_processor(vocabulary)
    processor.feature_extractor = read_feature_extractor(settings.model)
    return processor


def predict_tokens(model: Any, inputs: Mapping[str, Any], outputs: Any) -> Tensor:
    """Return the best token of each frame [B, T], -100 where the frame is padding."""
    token_ids: Tensor = outputs.logits.argmax(dim=-1)  # (B, T, V) -> (B, T)
    num_samples = inputs["attention_mask"].sum(dim=-1)
    num_frames = model._get_feat_extract_output_lengths(num_samples)  # noqa: SLF001
    frames = torch.arange(token_ids.shape[1], device=token_ids.device)
    is_padding = frames[None, :] >= num_frames.to(token_ids.device)[:, None]
    return token_ids.masked_fill(is_padding, LABEL_PADDING)


def build_word_error_metric(
    tokenizer: Wav2Vec2CTCTokenizer, run_dir: Path | None = None
) -> Metrics:
    """Return the metric of the trainer: WER and CER of greedy decoding.

    It also logs a few utterances, reference and hypothesis.

    Args:
        tokenizer: Turns tokens into text.
        run_dir: Folder that some more of them are written into; None for none.
    """

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        hypotheses = decode(prediction.predictions, tokenizer, group_tokens=True)
        references = decode(prediction.label_ids, tokenizer, group_tokens=False)
        # Spread over the set, which is sorted by duration.
        step = max(1, len(references) // NUM_SAMPLES_SHOWN)
        for index in range(step // 2, len(references), step)[:NUM_SAMPLES_SHOWN]:
            logger.info("  reference:  %s", references[index])
            logger.info("  hypothesis: %s", hypotheses[index])
        if run_dir is not None:
            write_examples(run_dir, references, hypotheses, list(prediction.inputs))
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
