"""A checkpoint folder or hub name to a CTC model, its processor and its decoder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from wav2vec2_conformer.checkpoints.adapters import choose_language
from wav2vec2_conformer.checkpoints.adapters_lora import is_lora_folder, load_lora_folder
from wav2vec2_conformer.checkpoints.graph_file import has_weights
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.plain_folder import read_plain_folder
from wav2vec2_conformer.checkpoints.plain_processor import read_plain_processor
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.compute_type import (
    check_compute_type,
    choose_compute_type,
    finish_loading,
    load_model,
)
from wav2vec2_conformer.inference.decoder import CtcDecoder, DecodingOptions
from wav2vec2_conformer.inference.exported_folder import Runtime, choose_runtime
from wav2vec2_conformer.inference.fused_language_model import load_bundled_language_model
from wav2vec2_conformer.models.ctc_network import CtcNetwork

if TYPE_CHECKING:
    from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC


def load_ctc(
    checkpoint: str | Path | None,
    *,
    device: str,
    compute_type: str,
    target_lang: str | None = None,
    runtime: Runtime = "auto",
) -> "tuple[Wav2Vec2ConformerForCTC, Any]":
    """Load a fine-tuned model and its processor.

    Args:
        checkpoint: A folder, a model of the Hugging Face hub, or None for the bundled one.
        device: `auto` (CUDA where there is one), or a torch device such as `cpu` or `cuda:1`.
        compute_type: `float32`, `bfloat16`, `float16`, `int8`, or `auto` for what is fastest
            here (see `choose_compute_type`).
        target_lang: Language whose adapter and vocabulary are used, of a checkpoint that has
            several; None for the one it starts with.
        runtime: What runs it: `torch`, or for exported folders `onnx` or `openvino`; `auto`
            takes what can run the folder, the fastest if that was measured (see
            `choose_runtime`).

    Returns:
        The model in eval mode on its device, and its `Wav2Vec2Processor`. For an exported
        folder an `ExportedCtc`, which has what recognition asks of a model.

    Raises:
        CheckpointError: When it cannot be read, or holds no CTC head, no vocabulary,
            or another architecture.
        InputError: When the device or the compute type does not exist here.
    """
    from wav2vec2_conformer.inference.exported_ctc import load_exported_ctc  # noqa: PLC0415
    from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC  # noqa: PLC0415 - slow

    check_compute_type(compute_type)
    torch_device = choose_device(device)
    place = locate_checkpoint(checkpoint, allows_graph=True)
    chosen = _choose_runtime(place, runtime, torch_device, compute_type, target_lang)
    if chosen != "torch":
        exported = load_exported_ctc(
            place,
            chosen,
            device=device,
            compute_type="float32" if compute_type == "auto" else compute_type,
            target_lang=target_lang,
        )
        return cast("tuple[Wav2Vec2ConformerForCTC, Any]", exported)
    if is_lora_folder(place):
        adapted = load_lora_folder(place, Wav2Vec2ConformerForCTC)
        model = finish_loading(adapted, device=torch_device, compute_type=compute_type)
        return model, load_processor(place)
    try:
        model, report = load_model(
            Wav2Vec2ConformerForCTC,
            place,
            device=torch_device,
            compute_type=compute_type,
            target_lang=target_lang,
        )
    except OSError as error:
        raise CheckpointError(
            f"{place}: the model cannot be loaded: {' '.join(str(error).split())}"
        ) from error
    if any(key.startswith("lm_head") for key in report["missing_keys"]):
        raise CheckpointError(
            f"{place}: has no CTC head (lm_head), so it is a pre-trained checkpoint, or one "
            "of another task. Fine-tune it for transcription first."
        )
    processor = load_processor(place)
    if target_lang is not None:
        choose_language(processor, target_lang)
    return model, processor


def load_ctc_network(
    checkpoint: str | Path | None,
    *,
    device: str,
    compute_type: str,
    target_lang: str | None = None,
    runtime: Runtime = "auto",
) -> tuple[CtcNetwork, Any]:
    """Load what a transcript takes of a fine-tuned model and its processor, soon.

    Args:
        checkpoint: As for `load_ctc`.
        device: As for `load_ctc`.
        compute_type: As for `load_ctc`.
        target_lang: As for `load_ctc`.
        runtime: As for `load_ctc`.

    Returns:
        Of plain folders (`checkpoints.plain_folder`), as the bundled checkpoint is one, a network
        without the ways of transformers' models, and a `PlainProcessor`; `models.ctc.as_model`
        and `PlainProcessor.load` give what `load_ctc` returns. Of all others, that.

    Raises:
        CheckpointError: As `load_ctc`.
        InputError: As `load_ctc`.
    """
    check_compute_type(compute_type)
    torch_device = choose_device(device)
    place = locate_checkpoint(checkpoint, allows_graph=True)
    runtime = _choose_runtime(place, runtime, torch_device, compute_type, target_lang)
    if target_lang is None and runtime == "torch":
        chosen = choose_compute_type(compute_type, torch_device)
        processor = read_plain_processor(place)
        network = None if processor is None else read_plain_folder(place)
        if (
            network is not None
            and processor is not None
            and len(processor.tokenizer.vocabulary) >= network.lm_head.out_features
        ):
            network = finish_loading(network, device=torch_device, compute_type=chosen)
            return network, processor
    return load_ctc(
        checkpoint,
        device=device,
        compute_type=compute_type,
        target_lang=target_lang,
        runtime=runtime,
    )


def load_decoding(checkpoint: str | Path | None) -> DecodingOptions:
    """Return how a checkpoint is to be decoded: with its tuned language model, if it has one.

    Args:
        checkpoint: As for `load_ctc`.

    Raises:
        CheckpointError: When the checkpoint's `language_model.json` cannot be used.
        InputError: When its language model is damaged.
        MissingExtraError: When reading that needs KenLM, which is not installed.
    """
    fused = load_bundled_language_model(locate_checkpoint(checkpoint, allows_graph=True))
    if fused is None:
        return DecodingOptions()
    language_model, weights = fused
    return DecodingOptions(
        beam_width=weights.beam_width,
        language_model=language_model,
        alpha=weights.alpha,
        beta=weights.beta,
        unknown_word_score=weights.unknown_word_score,
    )


def build_decoder(
    model: CtcNetwork, processor: Any, options: DecodingOptions | None = None
) -> CtcDecoder:
    """Return the decoder of a model's log-probabilities.

    Args:
        model: Says the number of tokens, the blank and the length of a frame.
        processor: A `Wav2Vec2Processor` or `PlainProcessor`; its tokenizer names the tokens.
        options: How to decode; None for the defaults.
    """
    tokenizer = processor.tokenizer
    delimiter: str = tokenizer.word_delimiter_token
    delimiter_id = tokenizer.convert_tokens_to_ids(delimiter)
    sample_rate_hz = int(processor.feature_extractor.sampling_rate)
    return CtcDecoder(
        tokenizer.convert_ids_to_tokens(list(range(model.lm_head.out_features))),
        blank_id=model.config.pad_token_id,
        delimiter=delimiter,
        special_ids=set(tokenizer.all_special_ids) - {delimiter_id},
        lowers_case=bool(tokenizer.do_lower_case),
        frame_s=model.config.inputs_to_logits_ratio / sample_rate_hz,
        options=options,
    )


def choose_device(device: str) -> torch.device:
    """Return the torch device that a name stands for.

    Raises:
        InputError: When there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"the device {device!r} cannot be used here: {str(error).splitlines()[0]} Allowed "
            "are auto, cpu, and cuda where torch has it."
        ) from error
    return chosen


def _choose_runtime(
    place: str | Path,
    runtime: Runtime,
    device: torch.device,
    compute_type: str,
    target_lang: str | None,
) -> Runtime:
    """Return what is to run a model; where a graph cannot do what is asked for, the weights."""
    is_plain = device.type == "cpu" and compute_type == "float32" and target_lang is None
    if runtime == "auto" and not is_plain and has_weights(place):
        return "torch"
    return choose_runtime(place, runtime)
