"""Which audio belongs to which text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.text_lines import iter_text_lines


@dataclass(frozen=True, slots=True)
class AlignmentInput:
    """A recording and its text.

    Attributes:
        source: Audio file, or `-` for standard input.
        text_file: Its text, a segment a line; `-` for standard input. None where `text` is it.
        text: The text itself, as a manifest has it.
    """

    source: str
    text_file: str | None = None
    text: str = ""

    def read_text(self) -> list[str]:
        """Return the lines of the text.

        Raises:
            InputError: When the file cannot be read or is not UTF-8.
        """
        return [self.text] if self.text_file is None else list(iter_text_lines([self.text_file]))


def choose_inputs(
    files: Sequence[str], texts: Sequence[str], manifest: Path | None
) -> list[AlignmentInput]:
    """Return the pairs that a command line names.

    Args:
        files: Audio files, folders, and `-` for standard input.
        texts: A text file for each of them, or one folder with a file `<name>.txt` for each.
        manifest: Has both; then there are no others.

    Raises:
        typer.BadParameter: When files and texts do not go together.
        ManifestError: When the manifest cannot be used.
    """
    if manifest is not None:
        if files or texts:
            raise typer.BadParameter("--manifest names audio and texts: give no others.")
        return _read_manifest(manifest)
    if not texts:
        raise typer.BadParameter(
            "no text: give --text FILE for each audio file, --text FOLDER with a file <name>.txt "
            "for each, or --manifest FILE."
        )
    sources = choose_sources(files, demo=False)
    if len(texts) == 1 and Path(texts[0]).is_dir():
        return _find_texts(sources, Path(texts[0]))
    if len(texts) != len(sources):
        raise typer.BadParameter(
            f"{len(sources)} audio files and {len(texts)} texts: give --text once for each audio "
            "file, in the same order, or a folder with a file <name>.txt for each."
        )
    if [*sources, *texts].count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only.")
    for text in texts:
        if text != "-" and not Path(text).is_file():
            raise typer.BadParameter(f"there is no text file {text}.")
    return [AlignmentInput(*pair) for pair in zip(sources, texts, strict=True)]


def _find_texts(sources: Sequence[str], folder: Path) -> list[AlignmentInput]:
    inputs = [
        AlignmentInput(source, str(folder / f"{Path(source).stem}.txt")) for source in sources
    ]
    missing = [pair for pair in inputs if pair.text_file and not Path(pair.text_file).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise typer.BadParameter(
            f"the folder {folder} holds no {Path(str(missing[0].text_file)).name} for "
            f"{missing[0].source}{more}."
        )
    return inputs


def _read_manifest(manifest: Path) -> list[AlignmentInput]:
    from wav2vec2_conformer.data.manifest import read_manifest

    return [
        AlignmentInput(str(utterance.audio_path), text=utterance.text)
        for utterance in read_manifest(manifest)
    ]
