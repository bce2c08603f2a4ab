"""Which audio files a command line names."""

from collections.abc import Iterable
from pathlib import Path

import typer

AUDIO_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mov"}
    | {".mp3", ".mp4", ".oga", ".ogg", ".opus", ".w64", ".wav", ".weba", ".webm", ".wma"}
)


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
