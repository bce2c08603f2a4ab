"""Which audio files a command line names."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

AUDIO_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mov"}
    | {".mp3", ".mp4", ".oga", ".ogg", ".opus", ".w64", ".wav", ".weba", ".webm", ".wma"}
)


def choose_sources(names: Sequence[str], *, demo: bool) -> list[str]:
    """Return the inputs of a command, one by one.

    Args:
        names: Files, folders, and `-` for standard input. None means standard input, where
            something is piped in.
        demo: The clips in the package instead.

    Raises:
        typer.BadParameter: When there is no input, or too much.
    """
    if demo:
        from wav2vec2_conformer.checkpoints.bundled import bundled_clips

        if names:
            raise typer.BadParameter("--demo takes no files.")
        clips = [str(clip) for clip in bundled_clips()]
        if not clips:
            raise typer.BadParameter("this installation holds no demo clips.")
        return clips
    if not names:
        if sys.stdin is None or sys.stdin.isatty():
            raise typer.BadParameter(
                "no input: name audio files or folders, pipe audio in, or try --demo."
            )
        return ["-"]
    if names.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only.")
    return expand_folders(names)


def expand_folders(names: Iterable[str]) -> list[str]:
    """Replace each folder by the audio files below it, sorted; hidden files are passed over.

    Args:
        names: Paths, and `-` for standard input.

    Raises:
        typer.BadParameter: When a folder holds no audio file.
    """
    files: list[str] = []
    for name in names:
        folder = Path(name)
        if name == "-" or not folder.is_dir():
            files.append(name)
            continue
        found = sorted(
            str(path)
            for path in folder.rglob("*")
            if path.suffix.lower() in AUDIO_SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
        if not found:
            raise typer.BadParameter(
                f"the folder {name} holds no audio file (looked for "
                f"{' '.join(sorted(AUDIO_SUFFIXES))})."
            )
        files.extend(found)
    return files
