"""Word error rates of a model before and after its export."""

from pathlib import Path
from typing import Any

from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.evaluation.emissions import compute_emissions
from wav2vec2_conformer.export.heads import LoadedHead
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.inference.exported_ctc import load_exported_ctc
from wav2vec2_conformer.inference.exported_folder import Runtime


def measure_word_errors(
    head: LoadedHead, folder: Path, runtime: Runtime, manifest: str | Path
) -> dict[str, Any]:
    """Return percentages of wrong words with each frame's best token.

    Args:
        head: The model in torch.
        folder: Its export.
        runtime: What runs that.
        manifest: JSON Lines file of speech.

    Raises:
        AudioError: A recording cannot be used.
        ManifestError: The manifest cannot be used.
    """
    utterances = read_manifest(manifest)
    rates = []
    for model in (head.model, load_exported_ctc(folder, runtime)[0]):
        emissions = compute_emissions(model, head.preprocessing, utterances)
        rates.append(emissions.measure_errors(DecodingOptions()).wer)
    return {
        "manifest": str(manifest),
        "num_utterances": len(utterances),
        "torch_percent": rates[0] * 100,
        "exported_percent": rates[1] * 100,
    }
