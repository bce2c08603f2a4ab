"""`wav2vec2-conformer diarize`: who speaks when, and how often that is right."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.diarization_output import DiarizationOutput
from wav2vec2_conformer.cli.diarization_references import References, read_references
from wav2vec2_conformer.cli.failed_inputs import FailedInput, report_failures, write_failures
from wav2vec2_conformer.cli.model_flags import (
    AudioFiles,
    BatchSeconds,
    ComputeType,
    ContextSeconds,
    Device,
    Failures,
    Quiet,
    WindowSeconds,
    check_failures_path,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.cli.transcript_files import plan_stems

if TYPE_CHECKING:
    from wav2vec2_conformer.inference import Failure
    from wav2vec2_conformer.inference.diarization import Diarization
    from wav2vec2_conformer.inference.diarizer import Diarizer

_SPEAKERS, _DECISIONS, _OUTPUT, _TEST_SET = "Speakers", "Decisions", "Output", "Test set"


def diarize(
    files: AudioFiles = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            help="Checkpoint folder or hub name, with a head for frames.",
            show_default="bundled diarization head",
        ),
    ] = None,
    vad: Annotated[
        bool, typer.Option("--vad", help="Find speech of anyone in place of speakers.")
    ] = False,
    num_speakers: Annotated[
        int | None,
        typer.Option(min=1, help="Speakers of each recording.", rich_help_panel=_SPEAKERS),
    ] = None,
    min_speakers: Annotated[
        int, typer.Option(min=1, help="Fewest speakers.", rich_help_panel=_SPEAKERS)
    ] = 1,
    max_speakers: Annotated[
        int | None, typer.Option(min=1, help="Most speakers.", rich_help_panel=_SPEAKERS)
    ] = None,
    embedding_model: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint that compares the voices of a long recording.",
            show_default="bundled speaker head",
            rich_help_panel=_SPEAKERS,
        ),
    ] = None,
    same_speaker_score: Annotated[
        float | None,
        typer.Option(
            help="Cosine from which on two voices count as one.",
            show_default="diarization.json's or the embedding model's",
            rich_help_panel=_SPEAKERS,
        ),
    ] = None,
    onset: Annotated[
        float | None,
        typer.Option(
            help="Probability at which a turn begins.",
            show_default="diarization.json's or 0.5",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(
            help="Probability below which it ends; at most the onset.",
            show_default="diarization.json's or 0.5",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    min_speech: Annotated[
        float | None,
        typer.Option(
            help="Shorter turns are dropped (seconds).",
            show_default="diarization.json's or 0.1",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    min_silence: Annotated[
        float | None,
        typer.Option(
            help="Shorter gaps in a speaker's speech are closed (seconds).",
            show_default="diarization.json's or 0.2",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    window_seconds: WindowSeconds = 10.0,
    context_seconds: ContextSeconds = 1.0,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    batch_seconds: BatchSeconds = 60.0,
    demo: Annotated[bool, typer.Option("--demo", help="Diarize the clips in the package.")] = False,
    quiet: Quiet = False,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output-dir",
            help="Write `<name>.rttm` for each input into this folder.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="JSON: with -o `<name>.json` too, else one object a line.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot",
            help="Draw `<name>.png`, a timeline, into the folder of -o (extra plots).",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    failures: Failures = None,
    references: Annotated[
        Path | None,
        typer.Option(
            help="RTTM of the inputs: print error rates (extra eval).", rich_help_panel=_TEST_SET
        ),
    ] = None,
    uem: Annotated[
        Path | None,
        typer.Option(
            help="UEM: score these parts alone.",
            show_default="whole recordings",
            rich_help_panel=_TEST_SET,
        ),
    ] = None,
    collar: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds not scored on each side of a reference's boundary.",
            rich_help_panel=_TEST_SET,
        ),
    ] = 0.0,
    skip_overlap: Annotated[
        bool,
        typer.Option(
            "--skip-overlap",
            help="Do not score where several speak, by the references.",
            rich_help_panel=_TEST_SET,
        ),
    ] = False,
) -> None:
    """Find out who speaks when, overlaps included; or with --vad, when anyone speaks.

    RTTM goes to stdout, or into a file for each input (-o). With --references stdout has the
    diarization error rate (DER) and its parts, and the Jaccard error rate (JER), instead.
    """
    if num_speakers is not None and (min_speakers != 1 or max_speakers is not None):
        raise typer.BadParameter("--num-speakers goes without --min-speakers and --max-speakers.")
    check_failures_path(failures)
    sources = choose_sources(files or [], demo=demo)
    stems = plan_stems(sources)
    truth = _read_truth(references, uem, stems)
    output = DiarizationOutput(output_dir, as_json, plot, truth)
    output.prepare()
    diarizer = _load(
        model,
        embedding_model=embedding_model,
        changes={
            "onset": onset,
            "offset": offset,
            "min_speech_s": min_speech,
            "min_silence_s": min_silence,
            "same_speaker_score": same_speaker_score,
        },
        device=device,
        compute_type=compute_type,
        window_s=window_seconds,
        context_s=context_seconds,
        detects_speech=vad,
    )

    def run(
        on_progress: Callable[[float], None],
    ) -> "Iterator[tuple[int, Diarization | Failure]]":
        return enumerate(
            diarizer.diarize_many(
                sources,
                num_speakers=num_speakers,
                min_speakers=min_speakers,
                max_speakers=max_speakers,
                batch_seconds=batch_seconds,
                on_progress=on_progress,
            )
        )

    failed: list[FailedInput] = []
    for number, result in iter_results(run, sources, failed, is_quiet=quiet):
        try:
            output.deliver(result, stems[number])
        except OSError as error:
            add_unwritten(failed, result.source, f"into {output_dir}", error)
    output.print_scores(collar_s=collar, skips_overlap=skip_overlap)
    if failures is not None:
        write_failures(failures, failed)
    report_failures(failed, len(sources))


def _read_truth(rttm: Path | None, uem: Path | None, stems: list[str]) -> References | None:
    """Read what results are compared with, if that is asked for.

    Raises:
        ManifestError: A file cannot be used.
        MissingExtraError: Scoring needs a package that is not installed.
        typer.BadParameter: An input has no references, or there is a UEM without them.
    """
    if rttm is None:
        if uem is not None:
            raise typer.BadParameter("--uem says what is scored: give --references, too.")
        return None
    from wav2vec2_conformer.evaluation.diarization import check_scoring

    check_scoring()
    return read_references(rttm, uem, stems)


def _load(
    model: str | None,
    *,
    embedding_model: str | None,
    changes: dict[str, float | None],
    device: str,
    compute_type: str,
    window_s: float,
    context_s: float,
    detects_speech: bool,
) -> "Diarizer":
    """Load a model without transformers' messages; flags that are given change its settings."""
    from wav2vec2_conformer.checkpoints.bundled import BUNDLED, DIARIZATION_HEAD
    from wav2vec2_conformer.checkpoints.location import locate_checkpoint
    from wav2vec2_conformer.inference.diarization import read_diarization_settings
    from wav2vec2_conformer.inference.diarizer import Diarizer

    silence_loading()
    place = locate_checkpoint(f"{BUNDLED}{DIARIZATION_HEAD}" if model is None else model)
    settings = read_diarization_settings(place)
    given = {name: value for name, value in changes.items() if value is not None}
    if "onset" in given:
        given.setdefault("offset", min(settings.offset, given["onset"]))
    return Diarizer.from_pretrained(
        place,
        embedding_model=embedding_model,
        settings=replace(settings, **given),
        device=device,
        compute_type=compute_type,
        window_s=window_s,
        context_s=context_s,
        detects_speech=detects_speech,
    )
