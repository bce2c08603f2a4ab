"""Paths that a data set names and that must stay in its folder."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from wav2vec2_conformer.errors import ManifestError


def locate_inside(root: Path, name: str, place: str) -> Path:
    """Return the path of a file below a folder.

    Args:
        root: The folder.
        name: Relative path as the data set writes it.
        place: File and line, for the message.

    Raises:
        ManifestError: The path is empty, absolute, or climbs out of the folder.
    """
    is_absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    if not name.strip() or is_absolute or ".." in Path(name).parts:
        raise ManifestError(
            f"{place}: an audio path of this format must lie inside {root}, got {name!r}"
        )
    return root / name
