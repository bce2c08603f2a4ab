"""Where results go: files of their own, or standard output."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from wav2vec2_conformer.formats import (
    FILE_SUFFIXES,
    FormatOptions,
    TimedText,
    format_transcript,
)

# Formats of which several results in a row still can be told apart.
_JOINABLE = frozenset({"txt", "json", "jsonl", "ctm"})


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go, and in which formats.

    Attributes:
        folder: Holds a file for each result and format; None for standard output.
        formats: Names of formats.
        options: How they are written.
    """

    folder: Path | None
    formats: Sequence[str]
    options: FormatOptions

    def check(self, num_inputs: int) -> None:
        """Refuse what standard output cannot hold, and make the folder.

        Raises:
            typer.BadParameter: When a folder is needed, or cannot be made.
        """
        if self.folder is not None:
            make_folder(self.folder)
        elif len(self.formats) > 1:
            raise typer.BadParameter("-f all needs a folder for its files: give -o DIR.")
        elif num_inputs > 1 and self.formats[0] not in _JOINABLE:
            raise typer.BadParameter(
                f"{num_inputs} inputs with -f {self.formats[0]} need a folder for their files: "
                f"give -o DIR. Without one, several inputs can be {', '.join(sorted(_JOINABLE))}."
            )

    def paths(self, stem: str) -> list[Path]:
        """Return the files of a result; none for standard output."""
        if self.folder is None:
            return []
        return [self.folder / f"{stem}{FILE_SUFFIXES[name]}" for name in self.formats]

    def write(self, result: TimedText, stem: str) -> None:
        """Write the files of a result, each as a whole or not at all.

        Raises:
            OSError: When the disk is full, or the folder cannot be written to.
        """
        for name, path in zip(self.formats, self.paths(stem), strict=True):
            write_text(path, self._format(result, name, stem))

    def print(self, result: TimedText, stem: str, *, name: str | None) -> None:
        """Print a result.

        Args:
            result: What to print.
            stem: Name of its utterance in ctm.
            name: Stands before each line of plain text; None for none.
        """
        # One object a line, so that a reader of several can tell where each ends.
        format_name = "jsonl" if self.formats[0] == "json" else self.formats[0]
        text = self._format(result, format_name, stem)
        if format_name == "txt" and name is not None:
            text = "".join(f"{name}\t{line}\n" for line in text.removesuffix("\n").split("\n"))
        typer.echo(text, nl=False)

    def _format(self, result: TimedText, name: str, stem: str) -> str:
        return format_transcript(result, name, replace(self.options, utterance=stem))


def plan_stems(sources: Sequence[str]) -> list[str]:
    """Return a file name without ending for each input, all different.

    Args:
        sources: Inputs; `-` is named `stdin`.

    Returns:
        The input's name without its ending; where several inputs share it, the later ones get
        `-2`, `-3` and so on. Names that differ in case only count as the same, because some
        file systems think so.
    """
    taken: set[str] = set()
    stems: list[str] = []
    for source in sources:
        stem = "stdin" if source == "-" else Path(source).stem
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        stems.append(name)
    return stems


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all.

    Characters that UTF-8 cannot hold (bytes of a file's name that are no text) are escaped.

    Raises:
        OSError: When it cannot be written.
    """
    # A short name: the file's own may be as long as the file system allows.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".w2vc-")
    try:
        with os.fdopen(
            handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        ) as file:
            file.write(text)
        # mkstemp makes private files; results follow the user's umask like any other file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make the folder of `--output-dir`, if it is not there.

    Raises:
        typer.BadParameter: When it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(
            f"cannot make the folder {folder}: {error.strerror}.", param_hint="--output-dir"
        ) from error
