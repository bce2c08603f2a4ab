"""`wav2vec2-conformer verify`: who speaks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wav2vec2_conformer.cli.audio_files import expand_folders
from wav2vec2_conformer.cli.embed import parse_layer
from wav2vec2_conformer.cli.failed_inputs import FailedInput, report_failures
from wav2vec2_conformer.cli.model_flags import (
    ComputeType,
    Device,
    SpeakerModelName,
    silence_loading,
)
from wav2vec2_conformer.cli.result_loop import iter_results

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.verifier import Verifier

VoiceLayer = Annotated[
    str | None,
    typer.Option(
        help="Layer whose mean is the voice.",
        show_default="verification.json's, or the speaker head, or an eighth of the depth",
    ),
]
_NUM_COMPARED = 2


def verify(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two audio files to compare; with --store, files or folders whose speaker is "
            "looked for."
        ),
    ] = None,
    *,
    store: Annotated[
        Path | None, typer.Option(help="Tell which of these known speakers it is (see enroll).")
    ] = None,
    trials: Annotated[
        Path | None,
        typer.Option(
            help="Score a list of pairs: lines `1 a.wav b.wav` (one speaker) or `0 a.wav b.wav`."
        ),
    ] = None,
    audio_folder: Annotated[
        Path | None,
        typer.Option(
            help="What paths of the list start from.", show_default="the list's own folder"
        ),
    ] = None,
    model: SpeakerModelName = None,
    layer: VoiceLayer = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Score from which on it is one speaker.", show_default="verification.json's"
        ),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(
            help="Normalize scores by those with other speakers (a store made by enroll; AS-norm)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    scores: Annotated[
        Path | None,
        typer.Option(help="Write `score first second` lines.", rich_help_panel="Trials"),
    ] = None,
    det: Annotated[
        Path | None,
        typer.Option(
            help="Plot misses over false alarms (png, svg or pdf; extra plots).",
            rich_help_panel="Trials",
        ),
    ] = None,
    p_target: Annotated[
        float,
        typer.Option(help="Of minDCF: how likely one speaker is.", rich_help_panel="Trials"),
    ] = 0.01,
    c_miss: Annotated[
        float, typer.Option(help="Of minDCF: cost of a miss.", rich_help_panel="Trials")
    ] = 1.0,
    c_fa: Annotated[
        float, typer.Option(help="Of minDCF: cost of a false alarm.", rich_help_panel="Trials")
    ] = 1.0,
    save_threshold: Annotated[
        bool,
        typer.Option(
            "--save-threshold",
            help="Keep the threshold of equal errors, and the layer, in the model's folder "
            "(verification.json).",
            rich_help_panel="Trials",
        ),
    ] = False,
    device: Device = "auto",
    compute_type: ComputeType = "float32",
) -> None:
    """Tell whether two files are of one speaker, or which known speaker a file is of.

    A voice is the vector of the checkpoint's speaker head. Where it has none, it is the mean of
    a lower layer's frames, which hears the room and the microphone too.
    """
    names = files or []
    _check_mode(names, store, trials, save_threshold=save_threshold, det=det, scores=scores)
    if save_threshold and (model is None or not Path(model).is_dir()):
        raise typer.BadParameter("--save-threshold writes into the folder of -m: name a folder.")
    verifier = load_verifier(
        model,
        layer=parse_layer(layer),
        threshold=threshold,
        cohort=cohort,
        device=device,
        compute_type=compute_type,
    )
    if verifier.has_default_threshold and not save_threshold:
        typer.echo(
            f"note: no threshold was measured for this model and layer; {verifier.threshold:g} is "
            "a default. Measure one: verify --trials LIST --save-threshold, or give --threshold.",
            err=True,
        )
    if trials is not None:
        from wav2vec2_conformer.cli.verification_trials import run_trials

        run_trials(
            verifier,
            trials,
            audio_folder=audio_folder,
            costs={"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa},
            scores_path=scores,
            det_path=det,
            as_json=as_json,
            settings_folder=Path(model) if save_threshold and model is not None else None,
            has_cohort=cohort is not None,
        )
    elif store is not None:
        _identify(verifier, expand_folders(names), store, as_json=as_json)
    else:
        _compare(verifier, names[0], names[1], as_json=as_json)


def load_verifier(model: str | None, **options: Any) -> "Verifier":
    """Load a model without transformers' messages about it."""
    from wav2vec2_conformer.inference.verifier import Verifier

    silence_loading()
    return Verifier.from_pretrained(model, **options)


def _check_mode(
    names: list[str],
    store: Path | None,
    trials: Path | None,
    *,
    save_threshold: bool,
    det: Path | None,
    scores: Path | None,
) -> None:
    """Refuse what does not go together.

    Raises:
        typer.BadParameter: It does not.
    """
    if trials is None and (save_threshold or det is not None or scores is not None):
        raise typer.BadParameter("--save-threshold, --det and --scores belong to --trials.")
    if trials is not None and (names or store is not None):
        raise typer.BadParameter("--trials names its files itself: leave out FILES and --store.")
    if trials is None and store is None and len(names) != _NUM_COMPARED:
        raise typer.BadParameter(
            f"name two files to compare, got {len(names)}; or give --store or --trials."
        )
    if store is not None and not names:
        raise typer.BadParameter("--store needs files whose speaker is looked for.")
    for path in (det, scores):
        if path is not None and not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {path.parent}.")


def _compare(verifier: "Verifier", first: str, second: str, *, as_json: bool) -> None:
    result = verifier.verify(first, second)
    if as_json:
        answer = {
            "first": first,
            "second": second,
            "score": result.score,
            "is_same_speaker": result.is_same_speaker,
            "threshold": result.threshold,
        }
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    decision = "same speaker" if result.is_same_speaker else "different speakers"
    typer.echo(f"{decision}\tscore {result.score:.4f}\tthreshold {result.threshold:.4f}")


def _identify(verifier: "Verifier", sources: list[str], store: Path, *, as_json: bool) -> None:
    from wav2vec2_conformer.inference.speaker_store import read_speakers

    known = read_speakers(store, verifier.embedder.fingerprint)
    failed: list[FailedInput] = []
    for _, result in iter_results(
        lambda _: enumerate(verifier.identify_many(sources, known)),
        sources,
        failed,
        is_quiet=True,
    ):
        if as_json:
            answer = {
                "file": result.source,
                "speaker": result.speaker,
                "scores": dict(result.scores),
                "threshold": result.threshold,
            }
            typer.echo(json.dumps(answer, ensure_ascii=False))
        else:
            name, score = result.scores[0]
            decision = result.speaker or f"unknown (nearest: {name})"
            typer.echo(
                f"{result.source}\t{decision}\tscore {score:.4f}\tthreshold {result.threshold:.4f}"
            )
    report_failures(failed, len(sources))
