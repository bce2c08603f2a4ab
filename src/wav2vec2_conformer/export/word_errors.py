"""Word error rates of a model before and after its export."""

from pathlib import Path
from typing import Any

from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.data.manifest import Utterance, read_manifest
from wav2vec2_conformer.evaluation.emissions import compute_emissions
from wav2vec2_conformer.export.heads import LoadedHead
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.inference.exported_ctc import load_exported_ctc
from wav2vec2_conformer.inference.exported_folder import Runtime
from wav2vec2_conformer.text.normalization import count_unknown, normalize_text


def can_spell_clips(head: LoadedHead) -> bool:
    """Whether a vocabulary can spell the words of the bundled clips, which are English.

    A vocabulary does not say whether the model knows English. One of another language with the
    same letters makes many errors, and about as many after its export as before.

    Args:
        head: A CTC model.
    """
    vocabulary = head.preprocessing.tokenizer.get_vocab()
    texts = [normalize_text(utterance.text, vocabulary) for utterance in _read_clips()]
    return bool(texts) and not count_unknown(texts, vocabulary)


def measure_word_errors(
    head: LoadedHead, folder: Path, runtime: Runtime, manifest: str | Path | None
) -> dict[str, Any]:
    """Return percentages of wrong words with each frame's best token.

    Args:
        head: The model in torch.
        folder: Its export.
        runtime: What runs that.
        manifest: JSON Lines file of speech; None for the bundled clips.

    Raises:
        AudioError: A recording cannot be used.
        ManifestError: The manifest cannot be used.
    """
    utterances = _read_clips() if manifest is None else read_manifest(manifest)
    rates = []
    for model in (head.model, load_exported_ctc(folder, runtime)[0]):
        emissions = compute_emissions(model, head.preprocessing, utterances)
        rates.append(emissions.measure_errors(DecodingOptions()).wer)
    return {
        "manifest": None if manifest is None else str(manifest),
        "num_utterances": len(utterances),
        "torch_percent": rates[0] * 100,
        "exported_percent": rates[1] * 100,
    }


def _read_clips() -> list[Utterance]:
    """Return what is said in the bundled clips, nothing where the package holds none."""
    clips = bundled_clips()
    return read_manifest(clips[0].with_name("transcripts.jsonl")) if clips else []
