"""`wav2vec2-conformer enroll`: remember what a speaker sounds like."""

from pathlib import Path
from typing import Annotated

import typer

from wav2vec2_conformer.cli.audio_files import expand_folders
from wav2vec2_conformer.cli.embed import parse_layer
from wav2vec2_conformer.cli.failed_inputs import EXIT_NOTHING_DONE
from wav2vec2_conformer.cli.model_flags import ComputeType, Device, SpeakerModelName
from wav2vec2_conformer.cli.verify import VoiceLayer, load_verifier


def enroll(
    name: Annotated[str, typer.Argument(help="Name of the speaker.")],
    files: Annotated[
        list[str], typer.Argument(help="Clips of that speaker alone: audio files or folders.")
    ],
    *,
    store: Annotated[Path, typer.Option(help="File of known speakers; made if not there.")],
    add: Annotated[
        bool, typer.Option("--add", help="Add the clips to those of a known speaker.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Forget a known speaker's clips first.")
    ] = False,
    model: SpeakerModelName = None,
    layer: VoiceLayer = None,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
) -> None:
    """Add a speaker to a store, for `verify FILE --store STORE`.

    The voice is the mean of the clips' embeddings: several clips, recorded on several occasions,
    make it better. One clip that cannot be used stops the command, and the store stays as it was.
    """
    if add and replace:
        raise typer.BadParameter("--add keeps a speaker's clips and --replace forgets them.")
    if not name.strip() or name == "__metadata__":
        raise typer.BadParameter(f"{name!r} cannot be a speaker's name.")
    if not store.parent.is_dir():
        raise typer.BadParameter(f"--store: there is no folder {store.parent}.")
    sources = expand_folders(files)
    verifier = load_verifier(
        model, layer=parse_layer(layer), device=device, compute_type=compute_type
    )
    from wav2vec2_conformer.inference.speaker_store import SpeakerStore, read_speakers

    fingerprint = verifier.embedder.fingerprint
    known = dict(read_speakers(store, fingerprint).voices) if store.exists() else {}
    if name in known and not (add or replace):
        raise typer.BadParameter(
            f"{store} knows {name} already: give --add to add these clips, or --replace."
        )
    voice = verifier.enroll(sources)
    known[name] = known[name].merge(voice) if add and name in known else voice
    try:
        SpeakerStore(fingerprint, known).write(store)
    except OSError as error:
        typer.echo(f"error: cannot write {store}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_NOTHING_DONE) from error
    clips = "clip" if known[name].num_clips == 1 else "clips"
    speakers = "speaker" if len(known) == 1 else "speakers"
    typer.echo(
        f"{name}: {known[name].num_clips} {clips}; {store} holds {len(known)} {speakers}", err=True
    )
