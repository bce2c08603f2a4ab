"""Error rates of transcripts against the texts of a manifest."""

import json
from collections.abc import Sequence
from pathlib import Path

import typer


def read_references(manifest: Path) -> dict[Path, str]:
    """Return the text of each file of a manifest.

    Raises:
        ManifestError: When the manifest cannot be used.
    """
    from wav2vec2_conformer.data.manifest import read_manifest

    return {utterance.audio_path.resolve(): utterance.text for utterance in read_manifest(manifest)}


def report_errors(
    pairs: Sequence[tuple[str, str]], vocabulary: dict[str, int], *, as_json: bool
) -> None:
    """Print error rates on stderr.

    Args:
        pairs: Reference and hypothesis of each file that has a reference.
        vocabulary: Both are spelled with it first.
        as_json: As an object of JSON, not as a sentence.
    """
    from wav2vec2_conformer.evaluation.word_error import score
    from wav2vec2_conformer.text.normalization import normalize_text

    if not pairs:
        typer.echo("warning: no transcribed file has a reference, so no error rates.", err=True)
        return
    errors = score(
        [normalize_text(reference, vocabulary) for reference, _ in pairs],
        [normalize_text(hypothesis, vocabulary) for _, hypothesis in pairs],
    )
    if as_json:
        report = json.dumps(
            {
                "wer": errors.wer,
                "cer": errors.cer,
                "num_words": errors.num_words,
                "num_files": len(pairs),
            }
        )
    else:
        report = (
            f"WER {errors.wer:.2%}, CER {errors.cer:.2%} "
            f"({errors.num_words} words in {len(pairs)} files)"
        )
    typer.echo(report, err=True)
