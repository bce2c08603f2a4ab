"""`wav2vec2-conformer classify`: audio files to labels, and how often those are right."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wav2vec2_conformer.cli.audio_files import choose_sources
from wav2vec2_conformer.cli.classification_output import ClassificationOutput
from wav2vec2_conformer.cli.failed_inputs import (
    EXIT_SOME_FAILED,
    FailedInput,
    report_failures,
    write_failures,
)
from wav2vec2_conformer.cli.model_flags import (
    AudioFiles,
    BatchSeconds,
    ComputeType,
    Device,
    Failures,
    Quiet,
    check_failures_path,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.cli.transcript_files import plan_stems

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.classification import SingleLabelScores
    from wav2vec2_conformer.inference import Failure
    from wav2vec2_conformer.inference.classification import Classification
    from wav2vec2_conformer.inference.classifier import Classifier


def classify(
    files: AudioFiles = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            help="Checkpoint folder or hub name, with a classification head.",
            show_default="bundled head for spoken digits",
        ),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Labels to show, most probable first.")] = 5,
    window_seconds: Annotated[
        float, typer.Option(help="Longer audio runs in windows of this length.")
    ] = 30.0,
    hop_seconds: Annotated[
        float | None,
        typer.Option(
            help="From the start of a window to the next.", show_default="a window's length"
        ),
    ] = None,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    batch_seconds: BatchSeconds = 60.0,
    demo: Annotated[
        bool, typer.Option("--demo", help="Classify the clips in the package.")
    ] = False,
    quiet: Quiet = False,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output-dir",
            help="Write a file for each input into this folder.",
            rich_help_panel="Output",
        ),
    ] = None,
    output_format: Annotated[
        Literal["txt", "json", "jsonl", "csv"],
        typer.Option("-f", "--output-format", rich_help_panel="Output"),
    ] = "txt",
    windows: Annotated[
        bool,
        typer.Option("--windows", help="The scores of each window too.", rich_help_panel="Output"),
    ] = False,
    failures: Failures = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Test set (JSON Lines: audio_filepath, label; or a folder for each label): "
            "print how often the model is right.",
            rich_help_panel="Test set",
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(
            help="Draw the confusion matrix into this PNG (extra plots).",
            rich_help_panel="Test set",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the bootstrap.", rich_help_panel="Test set")
    ] = 0,
) -> None:
    """Label audio: keywords, emotions, languages, sound events, or numbers.

    Lines `label<TAB>probability` go to stdout, `name<TAB>label<TAB>probability` for several
    inputs, or with -f json one JSON object a line. With -o each input gets a file of its own.
    With --manifest stdout has the scores of the model on a test set instead.
    """
    _check_options(manifest, confusion, failures, has_files=bool(files) or demo)
    sources = choose_sources(files or [], demo=demo) if manifest is None else []
    output = ClassificationOutput(output_dir, output_format, windows)
    output.make_folder()
    if confusion is not None:
        from wav2vec2_conformer.evaluation.confusion_plot import check_plotting

        check_plotting()  # what is missing is said before the model runs
    classifier = _load(
        model,
        device=device,
        compute_type=compute_type,
        window_s=window_seconds,
        hop_s=hop_seconds,
    )
    failed: list[FailedInput] = []
    if manifest is not None:
        num_inputs = _score_test_set(
            classifier,
            manifest,
            output,
            failed,
            top_k=top_k,
            batch_seconds=batch_seconds,
            seed=seed,
            confusion=confusion,
            is_quiet=quiet,
        )
    else:
        num_inputs = len(sources)
        stems = plan_stems(sources)

        def run(
            on_progress: Callable[[float], None],
        ) -> "Iterator[tuple[int, Classification | Failure]]":
            return enumerate(
                classifier.classify_many(
                    sources, top_k=top_k, batch_seconds=batch_seconds, on_progress=on_progress
                )
            )

        for number, result in iter_results(run, sources, failed, is_quiet=quiet):
            name = result.source if len(sources) > 1 else None
            _deliver(output, result, stems[number], failed, name=name)
    if failures is not None:
        write_failures(failures, failed)
    report_failures(failed, num_inputs)


def _check_options(
    manifest: Path | None, confusion: Path | None, failures: Path | None, *, has_files: bool
) -> None:
    """Refuse what does not go together.

    Raises:
        typer.BadParameter: Says what to do instead.
    """
    if has_files and manifest is not None:
        raise typer.BadParameter("--manifest names the files; name no others beside it.")
    if confusion is not None and manifest is None:
        raise typer.BadParameter("--confusion draws the errors on a test set: give --manifest.")
    check_failures_path(failures)
    if confusion is not None and not confusion.parent.is_dir():
        raise typer.BadParameter(f"--confusion: there is no folder {confusion.parent}.")


def _load(
    model: str | None, *, device: str, compute_type: str, window_s: float, hop_s: float | None
) -> "Classifier":
    """Load a model without transformers' messages about it."""
    from wav2vec2_conformer.inference.classifier import Classifier

    silence_loading()
    return Classifier.from_pretrained(
        model, device=device, compute_type=compute_type, window_s=window_s, hop_s=hop_s
    )


def _deliver(
    output: ClassificationOutput,
    result: "Classification",
    stem: str,
    failed: list[FailedInput],
    *,
    name: str | None,
) -> None:
    try:
        output.deliver(result, stem, name=name)
    except OSError as error:
        add_unwritten(failed, result.source, f"into {output.folder}", error)


def _score_test_set(
    classifier: "Classifier",
    manifest: Path,
    output: ClassificationOutput,
    failed: list[FailedInput],
    *,
    top_k: int,
    batch_seconds: float,
    seed: int,
    confusion: Path | None,
    is_quiet: bool,
) -> int:
    """Classify a test set and print its scores; return its number of clips."""
    from wav2vec2_conformer.cli.classification_report import format_scores, scores_as_json
    from wav2vec2_conformer.evaluation.classification import SingleLabelScores
    from wav2vec2_conformer.evaluation.labelled_clips import (
        classify_clips,
        read_labelled_clips,
        score_clips,
    )
    from wav2vec2_conformer.inference.classification import keep_best

    if confusion is not None and classifier.problem_type != "single_label_classification":
        raise typer.BadParameter(
            "--confusion needs a model that gives each clip one label, but the problem type of "
            f"this one is {classifier.problem_type}."
        )
    clips = read_labelled_clips(manifest, classifier.labels, classifier.problem_type)
    sources = [str(utterance.audio_path) for utterance in clips.utterances]
    stems = plan_stems(sources)

    def run(
        on_progress: Callable[[float], None],
    ) -> "Iterator[tuple[int, Classification | Failure]]":
        return classify_clips(
            classifier, clips, batch_seconds=batch_seconds, on_progress=on_progress
        )

    results = {}
    for number, result in iter_results(run, sources, failed, is_quiet=is_quiet):
        results[number] = result
        if output.folder is not None:
            _deliver(output, keep_best(result, top_k), stems[number], failed, name=None)
    if not results:
        return len(sources)
    scores = score_clips(clips, results, seed=seed)
    if output.format_name in {"json", "jsonl"}:
        record = {
            "manifest": str(manifest),
            "problem_type": classifier.problem_type,
            "num_clips": len(results),
            "num_failed": len(sources) - len(results),
            "seed": seed,
            **scores_as_json(scores),
        }
        typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        typer.echo(format_scores(scores, manifest=str(manifest), num_clips=len(results)), nl=False)
    if confusion is not None and isinstance(scores, SingleLabelScores):
        _draw(confusion, scores)
    return len(sources)


def _draw(path: Path, scores: "SingleLabelScores") -> None:
    """Write the picture of a confusion matrix, as a whole or not at all."""
    from wav2vec2_conformer.evaluation.confusion_plot import plot_confusion

    picture = plot_confusion(scores.confusion, [label.label for label in scores.labels])
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(picture)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        typer.echo(f"error: cannot write {path}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_SOME_FAILED) from error
