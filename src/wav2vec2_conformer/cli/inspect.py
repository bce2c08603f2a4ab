"""`wav2vec2-conformer inspect`: what is in a checkpoint."""

import json
from typing import Annotated

import typer
from typer import Option


def inspect(
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="Folder of transformers, or file of fairseq, S3PRL or transformers. "
            "[default: the bundled checkpoint]"
        ),
    ] = None,
    *,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    dictionary: Annotated[
        str | None, Option(help="dict.ltr.txt or vocab.json of a fine-tuned file of fairseq.")
    ] = None,
    config: Annotated[
        str | None, Option(help="config.json for a file that does not tell its configuration.")
    ] = None,
) -> None:
    """Show architecture, parameters, vocabulary, provenance and health of a checkpoint.

    Nothing in the file is run, whatever it holds. Missing and unknown tensors are listed.
    """
    from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path
    from wav2vec2_conformer.checkpoints.reading import read_checkpoint
    from wav2vec2_conformer.checkpoints.summary import describe, format_description

    place = bundled_checkpoint_path() if checkpoint is None else checkpoint
    description = describe(read_checkpoint(place, dictionary=dictionary, config=config))
    if as_json:
        typer.echo(json.dumps(description, ensure_ascii=False, indent=2))
    else:
        typer.echo(format_description(description), nl=False)
