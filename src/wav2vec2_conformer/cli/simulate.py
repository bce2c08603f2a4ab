"""`wav2vec2-conformer simulate`: utterances of single speakers to conversations."""

from pathlib import Path
from typing import Annotated

import typer

from wav2vec2_conformer.cli.model_flags import Quiet
from wav2vec2_conformer.cli.transcript_files import make_folder

_SOUND = "Sound"


def simulate(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Data sets of utterances with speakers: manifests (JSON Lines) and all other "
            "formats that training reads."
        ),
    ],
    *,
    output_dir: Annotated[
        Path,
        typer.Option("-o", "--output-dir", help="Folder of the audio, manifest, RTTM and UEM."),
    ],
    num: Annotated[int, typer.Option(min=1, help="Conversations.")] = 100,
    duration: Annotated[float, typer.Option(help="Seconds of each.")] = 30.0,
    min_speakers: Annotated[int, typer.Option(min=1, help="Fewest speakers of each.")] = 2,
    max_speakers: Annotated[
        int | None,
        typer.Option(min=1, help="Most speakers of each.", show_default="--min-speakers"),
    ] = None,
    overlap: Annotated[
        float, typer.Option(help="Part of the speech in which several speak, 0 to 0.5.")
    ] = 0.1,
    pause: Annotated[
        tuple[float, float], typer.Option(help="Shortest and longest silence between turns.")
    ] = (0.1, 1.0),
    turn: Annotated[
        tuple[float, float], typer.Option(help="Shortest and longest turn in seconds.")
    ] = (1.0, 6.0),
    gain: Annotated[
        float,
        typer.Option(
            help="Speakers' levels differ by up to this many decibels up and down.",
            rich_help_panel=_SOUND,
        ),
    ] = 5.0,
    noise: Annotated[
        float,
        typer.Option(
            help="Probability of noise (white or pink, 10 to 30 dB below the speech).",
            rich_help_panel=_SOUND,
        ),
    ] = 0.0,
    room: Annotated[
        float, typer.Option(help="Probability of a room's echo.", rich_help_panel=_SOUND)
    ] = 0.0,
    exclude: Annotated[
        list[str] | None, typer.Option(help="A speaker to leave out; may be given several times.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same files.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Make conversations of utterances of single speakers, to train and test diarization.

    The path of the manifest goes to stdout: `finetune --task frame-classification` takes it.
    Its audio can be diarized and scored with the RTTM and UEM beside it.
    """
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.data.mixture_files import write_mixtures
    from wav2vec2_conformer.data.mixtures import MixtureRecipe, group_by_speaker
    from wav2vec2_conformer.data.reading import read_utterances
    from wav2vec2_conformer.errors import InputError

    recipe = MixtureRecipe(
        duration_s=duration,
        num_speakers=(min_speakers, max_speakers or min_speakers),
        overlap_ratio=overlap,
        turn_s=turn,
        pause_s=pause,
        gain_db=gain,
        noise_probability=noise,
        room_probability=room,
    )
    voices = group_by_speaker(utterance for path in data for utterance in read_utterances(path))
    for speaker in exclude or []:
        if voices.pop(speaker, None) is None:
            raise InputError(f"--exclude {speaker}: the data has no speaker of that name.")
    make_folder(output_dir)
    with AudioProgress(num, num * duration, is_shown=not quiet) as progress:

        def advance(seconds: float) -> None:
            progress.add_audio(seconds)
            progress.add_file()

        try:
            manifest = write_mixtures(
                voices, recipe, output_dir, num_mixtures=num, seed=seed, on_progress=advance
            )
        except OSError as error:
            reason = f"cannot write into {output_dir}: {error.strerror}."
            raise InputError(reason) from error
    typer.echo(manifest)
