"""`wav2vec2-conformer evaluate`: error rates of a model, or of given hypotheses."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Option

from wav2vec2_conformer.cli.decoding_flags import (
    Alpha,
    BeamWidth,
    Beta,
    Greedy,
    HotWords,
    HotWordWeight,
    LanguageModelFile,
    decoding_options,
)
from wav2vec2_conformer.cli.failed_inputs import EXIT_NOTHING_DONE, EXIT_SOME_FAILED
from wav2vec2_conformer.cli.model_flags import ComputeType, Device, ModelName, RuntimeName
from wav2vec2_conformer.cli.transcript_files import make_folder

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.comparison import Comparison
    from wav2vec2_conformer.evaluation.recognition import Recognition
    from wav2vec2_conformer.evaluation.reference_set import Reference
    from wav2vec2_conformer.evaluation.report_json import System

_ALWAYS_SLICED = ("speaker", "duration")


def evaluate(
    manifest: Annotated[
        Path,
        typer.Argument(help="Test set: JSON Lines with audio_filepath, duration, text, speaker."),
    ],
    *,
    model: ModelName = None,
    hypotheses: Annotated[
        Path | None,
        Option(
            help="Score this file and run no model: JSON Lines with audio_filepath and "
            "pred_text, or text with a line for each utterance."
        ),
    ] = None,
    compare: Annotated[
        str | None,
        Option(help="A second model, or file of hypotheses (.jsonl, .json, .txt)."),
    ] = None,
    output_dir: Annotated[
        Path | None,
        Option(
            "-o",
            "--output-dir",
            help="Write report.json, report.html and hypotheses.jsonl into this folder.",
        ),
    ] = None,
    output_format: Annotated[
        Literal["text", "json"],
        Option("-f", "--output-format", help="On stdout: tables, or what report.json holds."),
    ] = "text",
    normalizer: Annotated[
        Literal["none", "librispeech", "whisper-english", "unicode", "arabic", "vocabulary"],
        Option(help="What makes both sides comparable; vocabulary is the model's."),
    ] = "unicode",
    unit: Annotated[
        Literal["auto", "word", "character"],
        Option(
            help="What slices, diffs and --compare count; auto is characters for scripts "
            "without spaces."
        ),
    ] = "auto",
    by: Annotated[
        list[str] | None,
        Option(help="Slice by this key of the manifest too; may be given several times."),
    ] = None,
    worst: Annotated[
        int, Option(min=0, help="Utterances with most errors to print with their errors.")
    ] = 5,
    embed_audio: Annotated[
        bool, Option("--embed-audio", help="Put the audio into report.html, not links to it.")
    ] = False,
    embed_limit_mb: Annotated[
        float, Option(min=0.0, help="Most audio to embed, worst utterances first.")
    ] = 50.0,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    runtime: RuntimeName = "auto",
    batch_seconds: Annotated[
        float, Option(min=1.0, help="Seconds of audio in the model at once.")
    ] = 60.0,
    seed: Annotated[int, Option(min=0, help="Seed of the bootstrap and the test.")] = 0,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bar.")] = False,
    greedy: Greedy = False,
    beam_width: BeamWidth = None,
    language_model: LanguageModelFile = None,
    alpha: Alpha = None,
    beta: Beta = None,
    hot_words: HotWords = None,
    hot_word_weight: HotWordWeight = None,
) -> None:
    """Measure word and character error rates with confidence intervals.

    With --compare two systems are tested on the same utterances: is one better, or is it
    chance?
    """
    decoding_flags: dict[str, Any] = {
        "greedy": greedy,
        "beam_width": beam_width,
        "language_model": language_model,
        "alpha": alpha,
        "beta": beta,
        "hot_words": hot_words,
        "hot_word_weight": hot_word_weight,
    }
    given_flags = {
        name: str(value) for name, value in decoding_flags.items() if value not in (None, False)
    }
    _check_options(model, hypotheses, normalizer, by or [])
    runs_model = hypotheses is None or (compare is not None and not _is_hypothesis_file(compare))
    if given_flags and not runs_model:
        raise typer.BadParameter("decoding flags need a model: --hypotheses are decoded already.")
    if output_dir is not None:
        make_folder(output_dir)
    from wav2vec2_conformer.cli.evaluation_files import write_hypotheses, write_report
    from wav2vec2_conformer.cli.evaluation_run import run_model
    from wav2vec2_conformer.cli.evaluation_tables import print_evaluation
    from wav2vec2_conformer.evaluation.hypothesis_file import read_hypotheses
    from wav2vec2_conformer.evaluation.reference_set import read_references
    from wav2vec2_conformer.evaluation.report_json import build_report
    from wav2vec2_conformer.evaluation.timing import peak_memory_mb
    from wav2vec2_conformer.text.normalizers import build_normalizer

    references = read_references(manifest, by or [])
    if normalizer != "vocabulary":
        build_normalizer(normalizer)  # what is missing is said before the model runs
    run = partial(
        run_model,
        references=references,
        device=device,
        compute_type=compute_type,
        runtime=runtime,
        batch_seconds=batch_seconds,
        decode=partial(decoding_options, num_best=None, **decoding_flags),
        is_quiet=quiet,
    )
    vocabulary: Collection[str] | None = None
    if hypotheses is None:
        recognition, vocabulary = run(model)
    else:
        recognition = read_hypotheses(hypotheses, references)
    recognitions = [recognition]
    if compare is not None:
        is_file = _is_hypothesis_file(compare)
        recognitions.append(read_hypotheses(compare, references) if is_file else run(compare)[0])
    if output_dir is not None:
        write_hypotheses(output_dir, recognitions, references)
    scored = [i for i in range(len(references)) if all(i in r.hypotheses for r in recognitions)]
    if not scored:
        # Exits: there is nothing to report on.
        _report_failures(recognitions, num_scored=0, num_references=len(references))
    systems, comparison = _score(
        recognitions, references, scored, normalizer, vocabulary, unit, seed
    )
    # Scoring alone is no measure of a model.
    memory_mb = peak_memory_mb() if runs_model else None
    report = build_report(
        systems,
        comparison,
        manifest=str(manifest),
        seed=seed,
        memory_mb=memory_mb,
        about={
            "program": f"wav2vec2-conformer {version('wav2vec2-conformer')}",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "decoding": given_flags,
        },
    )
    if output_dir is not None:
        write_report(
            output_dir,
            report,
            [references[i].audio_path for i in scored],
            embed_audio_mb=embed_limit_mb if embed_audio else None,
        )
    if output_format == "json":
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        print_evaluation(
            systems, comparison, manifest=str(manifest), num_worst=worst, memory_mb=memory_mb
        )
    _report_failures(recognitions, num_scored=len(scored), num_references=len(references))


def _is_hypothesis_file(name: str) -> bool:
    return Path(name).suffix.lower() in {".json", ".jsonl", ".txt"}


def _check_options(
    model: str | None, hypotheses: Path | None, normalizer: str, by: Sequence[str]
) -> None:
    if hypotheses is not None and model is not None:
        raise typer.BadParameter(
            "--hypotheses are scored without a model; compare them with one by --compare MODEL."
        )
    if hypotheses is not None and normalizer == "vocabulary":
        raise typer.BadParameter(
            "--normalizer vocabulary is the model's, and --hypotheses run none; take unicode."
        )
    for key in by:
        if key in _ALWAYS_SLICED:
            raise typer.BadParameter(f"slices by {key} are always there, without --by {key}.")


def _score(
    recognitions: Sequence["Recognition"],
    references: Sequence["Reference"],
    positions: Sequence[int],
    normalizer: str,
    vocabulary: Collection[str] | None,
    unit: Literal["auto", "word", "character"],
    seed: int,
) -> "tuple[list[System], Comparison | None]":
    """Score each system on the utterances that all of them have."""
    from wav2vec2_conformer.evaluation.comparison import compare
    from wav2vec2_conformer.evaluation.corpus import evaluate_texts
    from wav2vec2_conformer.evaluation.report_json import System

    chosen = [references[position] for position in positions]
    systems = [
        System(
            recognition,
            evaluate_texts(
                [reference.text for reference in chosen],
                [recognition.hypotheses[position] for position in positions],
                normalizer=normalizer,
                vocabulary=vocabulary,
                unit=unit,
                groups=[reference.speaker for reference in chosen],
                durations_s=[reference.duration_s for reference in chosen],
                labels={key: [r.labels[key] for r in chosen] for key in chosen[0].labels},
                names=[reference.name for reference in chosen],
                seed=seed,
            ),
        )
        for recognition in recognitions
    ]
    if len(systems) == 1:
        return systems, None
    return systems, compare(systems[0].evaluation, systems[1].evaluation, seed=seed)


def _report_failures(
    recognitions: Sequence["Recognition"], *, num_scored: int, num_references: int
) -> None:
    """List what failed, and exit accordingly if anything did."""
    if num_scored == num_references:
        return
    typer.echo(
        f"{num_references - num_scored} of {num_references} utterances could not be scored:",
        err=True,
    )
    for recognition in recognitions:
        for position in sorted(recognition.failures):
            typer.echo(f"  {recognition.name}: {recognition.failures[position]}", err=True)
    raise typer.Exit(EXIT_SOME_FAILED if num_scored else EXIT_NOTHING_DONE)
