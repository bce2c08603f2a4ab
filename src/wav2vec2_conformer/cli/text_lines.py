"""The lines of text files, plain or compressed, and of standard input."""

import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import typer

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.compression import unpack


def check_text_files(names: list[str]) -> None:
    """Refuse files that are not there before anything is read.

    Raises:
        typer.BadParameter: When one is missing, or standard input is named twice.
    """
    for name in names:
        if name != "-" and not Path(name).is_file():
            raise typer.BadParameter(f"there is no file {name}.")
    if names.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only.")


def iter_text_lines(names: Iterable[str]) -> Iterator[str]:
    """Yield the lines of UTF-8 files, compressed with gzip or not, one file after another.

    Args:
        names: Paths, and `-` for standard input.

    Raises:
        InputError: A file cannot be read, is damaged, or is not UTF-8; the message has the line.
    """
    for name in names:
        shown = "standard input" if name == "-" else name
        number = 0
        try:
            with (
                _open(name) as file,
                # Lines end where they do for every tool that counts them, not at Unicode's
                # separators.
                io.TextIOWrapper(unpack(file), encoding="utf-8-sig", newline="\n") as lines,
            ):
                for line in lines:
                    number += 1
                    yield line
        except UnicodeDecodeError as error:
            raise InputError(
                f"{shown}, after line {number}: not UTF-8: {error.reason}. Convert the text first."
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{shown}, after line {number}: cannot be read: {error}") from error


def _open(name: str) -> io.BufferedReader:
    if name == "-":
        # A file of its own, so that closing it leaves the stream of the process open.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return Path(name).open("rb")


def normalize_lines(lines: Iterable[str], vocabulary: Iterable[str]) -> Iterator[str]:
    """Spell lines with a model's vocabulary (`text.normalization`)."""
    from wav2vec2_conformer.text.normalization import normalize_text

    tokens = frozenset(vocabulary)

    @lru_cache(maxsize=1 << 18)
    def normalize_word(word: str) -> str:
        return normalize_text(word, tokens)

    for line in lines:
        # Word by word is the same, and most words come again.
        yield " ".join(filter(None, map(normalize_word, line.split())))
