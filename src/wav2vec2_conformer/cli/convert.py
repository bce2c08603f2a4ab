"""`wav2vec2-conformer convert`: checkpoints from one format to another."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Option

if TYPE_CHECKING:
    from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint

Target = Literal["transformers", "fairseq"]


def convert(
    source: Annotated[
        Path,
        typer.Argument(help="Folder of transformers, or file of fairseq, S3PRL or transformers."),
    ],
    output: Annotated[
        Path, typer.Argument(help="Folder to write, or with --to fairseq a file such as a .pt.")
    ],
    *,
    to: Annotated[Target, Option(help="Format to write.")] = "transformers",
    average: Annotated[
        list[Path] | None,
        Option(
            metavar="CHECKPOINT",
            help="Another checkpoint of the same run: the mean of it and SOURCE is written. May "
            "be given several times.",
        ),
    ] = None,
    dictionary: Annotated[
        list[Path] | None,
        Option(
            help="dict.ltr.txt or vocab.json of a fine-tuned file. [default: the one in the file, "
            "else the one beside it] May be given several times with --try-dictionaries.",
        ),
    ] = None,
    try_dictionaries: Annotated[
        Path | None,
        Option(
            help="Clip of clear speech: take the dictionary whose transcript of it looks most like "
            "language, of those given, found and known."
        ),
    ] = None,
    language_text: Annotated[
        Path | None,
        Option(help="Text in the language of that clip. [default: frequent English words]"),
    ] = None,
    config: Annotated[
        Path | None, Option(help="config.json for a file that does not tell its configuration.")
    ] = None,
    strict: Annotated[
        bool,
        Option(
            help="Refuse unknown tensors, settings that the tensors contradict, and a fine-tuned "
            "model without a dictionary."
        ),
    ] = True,
    check: Annotated[
        bool, Option(help="Load what was written and compare its outputs on random audio.")
    ] = True,
    compute_type: Annotated[
        Literal["int8"] | None,
        Option(
            help="int8 stores the encoder's blocks in 8 bits: a quarter of the size, for "
            "--compute-type int8 of this package."
        ),
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an existing output.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No messages.")] = False,
) -> None:
    """Convert a checkpoint to transformers' or fairseq's format.

    Nothing in the source is run. The output appears complete or not at all. Prints its path.
    """
    if try_dictionaries is None and dictionary is not None and len(dictionary) > 1:
        raise typer.BadParameter(
            "several need --try-dictionaries CLIP, which finds the right one.",
            param_hint="--dictionary",
        )
    _check_form(to, compute_type)
    _check_output([source, *(average or [])], output, to, overwrite=overwrite)
    report = _Steps(is_shown=not quiet)
    report.begin(f"reading {source}")
    from wav2vec2_conformer.checkpoints.equality import check_equality
    from wav2vec2_conformer.checkpoints.fairseq_writing import write_fairseq
    from wav2vec2_conformer.checkpoints.int8_folder import restore_float, round_to_int8
    from wav2vec2_conformer.checkpoints.reading import read_checkpoint
    from wav2vec2_conformer.checkpoints.transformers_writing import (
        limits_in_transformers,
        remove,
        write_transformers,
    )
    from wav2vec2_conformer.errors import CheckpointError

    given = dictionary[0] if dictionary and try_dictionaries is None else None
    checkpoint = read_checkpoint(source, dictionary=given, config=config)
    if try_dictionaries is not None:
        _find_dictionary(checkpoint, dictionary or [], try_dictionaries, language_text, report)
    checkpoint.require_complete(strict=strict)
    if strict:
        _require_vocabulary(checkpoint)
    if average:
        others = (read_checkpoint(place, dictionary=given, config=config) for place in average)
        checkpoint = _average(checkpoint, others, report)
    notes = [*checkpoint.problems(), *checkpoint.notes]
    if to == "transformers":
        notes += limits_in_transformers(checkpoint.config)
    report.begin(f"writing {output}")
    # Beside the output, so that it can take its place at once.
    partial = output.with_name(f"{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if to == "fairseq":
            write_fairseq(checkpoint, partial, strict=strict)
        else:
            write_transformers(checkpoint, partial, stores_int8=compute_type == "int8")
        if compute_type == "int8":
            rounded = round_to_int8(checkpoint.tensors, checkpoint.model_class, checkpoint.config)
            checkpoint.tensors = restore_float(rounded)
            notes.append("transformers cannot read it: the blocks are rounded to 8 bits")
        if check:
            report.begin("comparing its outputs on random audio with the source's")
            notes.append(f"outputs differ by at most {check_equality(checkpoint, partial):.2g}")
        remove(output)
        partial.rename(output)
    except OSError as error:
        raise CheckpointError(f"{output}: cannot be written: {error}.") from error
    finally:
        remove(partial)
    report.end(notes)
    typer.echo(output)


class _Steps:
    """Tells on stderr what is being done, and how long it took.

    Args:
        is_shown: False is silent.
    """

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._start_s = time.monotonic()

    def begin(self, what: str) -> None:
        """Tell what begins now."""
        self._show(f"{time.monotonic() - self._start_s:6.1f} s  {what}")

    def end(self, notes: Sequence[str]) -> None:
        """Tell that all is done, and what is worth knowing."""
        self.begin("done")
        for note in notes:
            self._show(f"note: {note}")

    def _show(self, line: str) -> None:
        if self._is_shown:
            typer.echo(line, err=True)


def _check_form(to: Target, compute_type: str | None) -> None:
    if compute_type is not None and to != "transformers":
        raise typer.BadParameter(
            f"{compute_type} is a form of --to transformers alone.", param_hint="--compute-type"
        )


def _check_output(sources: Sequence[Path], output: Path, to: Target, *, overwrite: bool) -> None:
    if output.exists() and not overwrite:
        raise typer.BadParameter(f"{output} exists; --overwrite replaces it.", param_hint="OUTPUT")
    if output.exists() and not _is_replaceable(output, to):
        expected = "a file" if to == "fairseq" else "an empty folder or one of a model alone"
        raise typer.BadParameter(
            f"{output} is not {expected}, and is not replaced.", param_hint="OUTPUT"
        )
    inner = output.resolve()
    for outer in (source.resolve() for source in sources):
        if outer == inner or outer in inner.parents or inner in outer.parents:
            raise typer.BadParameter(
                f"{output} is, holds or lies in the source; name another place.",
                param_hint="OUTPUT",
            )


def _is_replaceable(output: Path, to: Target) -> bool:
    """Whether nothing but an older output would be lost."""
    if to == "fairseq" or output.is_file():
        return output.is_file() and to == "fairseq"
    entries = list(output.iterdir())
    is_model = (output / "config.json").is_file() and all(entry.is_file() for entry in entries)
    return is_model or not entries


def _average(first: "Checkpoint", others: Iterator["Checkpoint"], report: _Steps) -> "Checkpoint":
    """Return the mean of the checkpoint and others, which are read one by one."""
    from wav2vec2_conformer.checkpoints.averaging import average_checkpoints

    def read() -> Iterator["Checkpoint"]:
        yield first
        for other in others:
            report.begin(f"averaging with {other.path}")
            yield other

    return average_checkpoints(read())


def _require_vocabulary(checkpoint: "Checkpoint") -> None:
    """Refuse a fine-tuned model whose outputs have no names."""
    from wav2vec2_conformer.errors import CheckpointError

    if checkpoint.has_ctc_head and checkpoint.vocabulary is None:
        raise CheckpointError(
            f"{checkpoint.path}: is fine-tuned, but its dictionary is neither in the file nor "
            "beside it (dict.ltr.txt), and without it no output has a letter. Give it with "
            "--dictionary dict.ltr.txt, or find it among known ones with --try-dictionaries "
            "CLIP. --no-strict converts without it."
            + "".join(f" Note: {n}" for n in checkpoint.notes)
        )


def _find_dictionary(
    checkpoint: "Checkpoint",
    given: Sequence[Path],
    clip: Path,
    language_text: Path | None,
    report: _Steps,
) -> None:
    """Give the checkpoint the dictionary that makes most sense of a clip."""
    from wav2vec2_conformer.checkpoints.dictionary import known_vocabularies, read_dictionary
    from wav2vec2_conformer.checkpoints.dictionary_trial import choose_dictionary, try_dictionaries
    from wav2vec2_conformer.checkpoints.plausibility import english_letter_pairs, letter_pairs_of
    from wav2vec2_conformer.errors import CheckpointError

    if not checkpoint.has_ctc_head:
        raise CheckpointError(f"{checkpoint.path}: is not fine-tuned, so it has no dictionary.")
    candidates = known_vocabularies()
    if checkpoint.vocabulary is not None:
        candidates["the checkpoint's own"] = checkpoint.vocabulary
    candidates |= {str(path): read_dictionary(path) for path in given}
    if language_text is None:
        language = english_letter_pairs()
    else:
        try:
            language = letter_pairs_of(language_text.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{language_text}: cannot be read as text: {error}.") from error
    report.begin(f"transcribing {clip} with each of {len(candidates)} dictionaries")
    trials = try_dictionaries(checkpoint, candidates, clip, language)
    for trial in trials:
        report.begin(f"  {trial.score:6.2f} nats a letter, {trial.name}: {trial.transcript[:60]}")
    best = choose_dictionary(trials)
    checkpoint.set_vocabulary(best.vocabulary, best.name)
