"""`wav2vec2-conformer lm build`: text to an n-gram model."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from wav2vec2_conformer.cli.text_lines import check_text_files, iter_text_lines, normalize_lines

if TYPE_CHECKING:
    from wav2vec2_conformer.language_models.ngram_building import BuiltModel

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def build(
    text: Annotated[
        list[str],
        typer.Argument(help="UTF-8 text, one sentence a line; .gz, or - for standard input."),
    ],
    *,
    output: Annotated[
        Path, Option("-o", "--output", help="ARPA file; a name that ends in .gz is compressed.")
    ],
    order: Annotated[int, Option(min=1, max=12, help="Longest n-gram.")] = 3,
    prune: Annotated[
        str,
        Option(
            help="Leave out n-grams that occur so often or less: a number for each length, such "
            'as "0 0 1"; the last stands for all that follow.'
        ),
    ] = "0",
    prune_threshold: Annotated[
        float,
        Option(
            min=0.0,
            max=1.0,
            help="Leave out n-grams that matter less than this (relative entropy in nats): 1e-8 "
            "is mild, 1e-6 strong.",
        ),
    ] = 0.0,
    max_size: Annotated[
        str | None, Option(help="Leave out what matters least until the file fits, such as 5MB.")
    ] = None,
    vocabulary_size: Annotated[
        int | None, Option(min=1, help="Keep so many of the most frequent words.")
    ] = None,
    normalize_with: Annotated[
        str | None,
        Option(
            "-m",
            "--normalize-with",
            help="Spell the text with the vocabulary of this model (folder or hub name, or "
            "bundled), as its transcripts are.",
        ),
    ] = None,
    memory: Annotated[int, Option(min=16, help="MB for sorting; the words come on top.")] = 512,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No messages.")] = False,
) -> None:
    """Build a language model with modified Kneser-Ney smoothing.

    Works on disk, in the folder of the output: the text may be larger than the memory.
    """
    check_text_files(text)
    prune_counts = _parse_counts(prune)
    max_bytes = None if max_size is None else _parse_size(max_size)
    from wav2vec2_conformer.language_models.ngram_building import build_language_model

    lines = iter_text_lines(text)
    if normalize_with is not None:
        lines = normalize_lines(lines, _read_vocabulary(normalize_with))
    with _log_on_stderr(is_shown=not quiet):
        built = build_language_model(
            lines,
            output,
            order=order,
            prune_counts=prune_counts,
            prune_threshold=prune_threshold,
            max_bytes=max_bytes,
            vocabulary_size=vocabulary_size,
            memory_mb=memory,
        )
    if not quiet:
        typer.echo(_describe(built), err=True)
    typer.echo(output)


def _read_vocabulary(model: str) -> list[str]:
    from transformers.utils import logging as transformers_logging

    from wav2vec2_conformer.checkpoints.location import locate_checkpoint
    from wav2vec2_conformer.checkpoints.processor import load_processor

    transformers_logging.set_verbosity_error()
    tokenizer = load_processor(locate_checkpoint(None if model == "bundled" else model)).tokenizer
    tokens = list(tokenizer.get_vocab())
    # Such a model's transcripts are in lower case, whatever its vocabulary.
    return [token.lower() for token in tokens] if tokenizer.do_lower_case else tokens


def _parse_counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise typer.BadParameter(
            f'expected whole numbers such as "0 0 1", got {text!r}.', param_hint="--prune"
        ) from error


def _parse_size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip().lower())
    if match is None or not float(match[1]):
        raise typer.BadParameter(
            f"expected a size such as 5MB, 500kB or 5000000, got {text!r}.",
            param_hint="--max-size",
        )
    return int(float(match[1]) * _UNITS[match[2] or ""])


@contextmanager
def _log_on_stderr(*, is_shown: bool) -> Iterator[None]:
    """Show what the package logs, with the time of day."""
    logger = logging.getLogger("wav2vec2_conformer.language_models")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = logger.level
    if is_shown:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _describe(built: "BuiltModel") -> str:
    lengths = ", ".join(f"{count} {n}-grams" for n, count in enumerate(built.counts, start=1))
    parts = [f"{lengths}; {built.num_bytes / 1e6:.3g} MB"]
    if built.num_unknown:
        share = built.num_unknown / built.num_tokens
        parts.append(f"{share:.2%} of the words are outside the vocabulary")
    if built.threshold:
        parts.append(f"n-grams below a relative entropy of {built.threshold:.2g} nats left out")
    return "; ".join(parts)
