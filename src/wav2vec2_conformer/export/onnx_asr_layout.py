"""The layout of onnx-asr: its model type `wav2vec2-ctc`.

Source: https://istupakov.github.io/onnx-asr/conversion/, section "HuggingFace Wav2Vec2 CTC".
"""

import json
from pathlib import Path

from wav2vec2_conformer.export.heads import LoadedHead
from wav2vec2_conformer.export.plain_ctc import build_plain_ctc
from wav2vec2_conformer.export.token_file import write_token_file
from wav2vec2_conformer.export.traced_head import LENGTHS, TracedHead, hop_samples


def trace(head: LoadedHead) -> TracedHead:
    """Return a CTC model with the inputs and output that onnx-asr names.

    Raises:
        InputError: The model is not one of 16 kHz waveforms with a CTC head.
    """
    model = head.model
    order = range(model.config.vocab_size)
    module = build_plain_ctc(head, order, "onnx-asr")
    return TracedHead(module, model, ("input_values", "input_lengths"), LENGTHS, ("logprobs",))


def write_files(head: LoadedHead, folder: Path) -> None:
    """Write `vocab.txt` and `config.json`.

    Raises:
        InputError: A token cannot be written.
    """
    write_token_file(head, range(head.model.config.vocab_size), folder / "vocab.txt")
    config = {"model_type": "wav2vec2-ctc", "subsampling_factor": hop_samples(head.model)}
    text = json.dumps(config, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
