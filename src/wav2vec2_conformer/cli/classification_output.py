"""Where classifications go: files of their own, or standard output."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wav2vec2_conformer.cli.transcript_files import make_folder, write_text
from wav2vec2_conformer.formats.classification_files import format_classification

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.classification import Classification


@dataclass(slots=True)
class ClassificationOutput:
    """Where classifications go, and in which format.

    Attributes:
        folder: Holds a file for each result; None for standard output.
        format_name: One of `CLASSIFICATION_FORMATS`.
        windows: Whether the scores of each window are written too.
        num_printed: Results that were printed so far.
    """

    folder: Path | None
    format_name: str
    windows: bool
    num_printed: int = field(default=0, init=False)

    def make_folder(self) -> None:
        """Make the folder, if there is to be one.

        Raises:
            typer.BadParameter: When it cannot be made.
        """
        if self.folder is not None:
            make_folder(self.folder)

    def deliver(self, result: "Classification", stem: str, *, name: str | None) -> None:
        """Write a result into its file, or print it.

        Args:
            result: What to write.
            stem: Name of the file without ending.
            name: Stands before each printed line of plain text; None for none.

        Raises:
            OSError: When the file cannot be written.
        """
        if self.folder is not None:
            text = format_classification(result, self.format_name, windows=self.windows)
            write_text(self.folder / f"{stem}.{self.format_name}", text)
            return
        text = format_classification(
            result,
            # One object a line, so that a reader of several can tell where each ends.
            "jsonl" if self.format_name == "json" else self.format_name,
            windows=self.windows,
            header=not self.num_printed,
        )
        if self.format_name == "txt" and name is not None:
            text = "".join(f"{name}\t{line}\n" for line in text.removesuffix("\n").split("\n"))
        typer.echo(text, nl=False)
        self.num_printed += 1
