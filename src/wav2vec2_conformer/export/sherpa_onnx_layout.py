"""The layout of sherpa-onnx: its offline model `omnilingual-asr-ctc`.

That is the one of its CTC families that hears waveforms; all others want filter banks. It takes
one recording at a time, normalizes it, and wants the blank first.

Source: https://k2-fsa.github.io/sherpa/onnx/omnilingual-asr/index.html.
"""

from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.export.heads import LoadedHead
from wav2vec2_conformer.export.plain_ctc import build_plain_ctc
from wav2vec2_conformer.export.token_file import write_token_file
from wav2vec2_conformer.export.traced_head import TracedHead


def trace(head: LoadedHead) -> TracedHead:
    """Return a CTC model with the input and output that sherpa-onnx takes in their order.

    Raises:
        InputError: The model is not one of 16 kHz waveforms with a CTC head, or hears them as
            they are recorded.
    """
    model = head.model
    module = build_plain_ctc(head, _blank_first(model), "sherpa-onnx")
    if not module.normalizes:
        raise InputError(
            "sherpa-onnx normalizes the loudness of every recording, and this model was trained "
            "on recordings as they are (do_normalize is false), so its results would be wrong. "
            "Use the layout onnx-asr."
        )
    metadata = {"model_type": "omnilingual-asr-ctc", "vocab_size": str(model.config.vocab_size)}
    return TracedHead(module, model, ("x",), None, ("log_probs",), metadata)


def write_files(head: LoadedHead, folder: Path) -> None:
    """Write `tokens.txt`.

    Raises:
        InputError: A token cannot be written.
    """
    write_token_file(head, _blank_first(head.model), folder / "tokens.txt")


def _blank_first(model: Any) -> list[int]:
    """Return the numbers of a model's tokens, the blank's before all others."""
    blank_id: int = model.config.pad_token_id
    return [blank_id, *(i for i in range(model.config.vocab_size) if i != blank_id)]
