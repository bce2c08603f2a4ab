"""A list of trials through a verifier: error rates, scores and a plot."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wav2vec2_conformer.cli.failed_inputs import (
    EXIT_NOTHING_DONE,
    FailedInput,
    report_failures,
)
from wav2vec2_conformer.cli.result_loop import iter_results
from wav2vec2_conformer.cli.transcript_files import write_text

if TYPE_CHECKING:
    from wav2vec2_conformer.data.trials import Trial
    from wav2vec2_conformer.evaluation.verification import VerificationErrors
    from wav2vec2_conformer.inference.verifier import Verifier


def run_trials(
    verifier: "Verifier",
    path: Path,
    *,
    audio_folder: Path | None,
    costs: dict[str, float],
    scores_path: Path | None,
    det_path: Path | None,
    as_json: bool,
    settings_folder: Path | None,
    has_cohort: bool,
) -> None:
    """Score the pairs of a list and print their error rates. Each clip is embedded once.

    Args:
        verifier: Scores.
        path: The list.
        audio_folder: What its paths start from; None for its own folder.
        costs: `p_target`, `c_miss` and `c_fa` of minDCF.
        scores_path: Where the scores go; None for nowhere.
        det_path: Where the plot goes; None for nowhere.
        as_json: Prints JSON.
        settings_folder: Folder of the checkpoint that is to keep the threshold; None for none.
        has_cohort: Whether scores are normalized.

    Raises:
        ManifestError: When the list cannot be read.
        InputError: When error rates cannot be computed.
        MissingExtraError: When a plot is wanted and matplotlib is not installed.
        typer.Exit: When clips failed; the pairs of the others are scored all the same.
    """
    from wav2vec2_conformer.data.trials import read_trials
    from wav2vec2_conformer.evaluation.verification import compute_error_curve, score_trials

    if det_path is not None:
        from wav2vec2_conformer.evaluation.det_curve import check_plot

        check_plot(det_path)
    trials = read_trials(path, audio_folder)
    failed: list[FailedInput] = []
    scored, scores, num_clips = _score_all(verifier, trials, failed)
    if not scored:
        report_failures(failed, num_clips)
    targets = [trial.is_target for trial in scored]
    errors = score_trials(scores, targets, threshold=verifier.threshold, **costs)
    if scores_path is not None:
        lines = [
            f"{score:.6f} {trial.first} {trial.second}\n"
            for trial, score in zip(scored, scores, strict=True)
        ]
        _write(scores_path, lambda target: write_text(target, "".join(lines)))
    if det_path is not None:
        from wav2vec2_conformer.evaluation.det_curve import plot_det

        curve = compute_error_curve(scores, targets)
        _write(det_path, lambda target: plot_det(curve, errors, target))
    if settings_folder is not None:
        _save_threshold(verifier, errors.eer_threshold, settings_folder, has_cohort=has_cohort)
    _print(errors, num_clips, as_json=as_json)
    report_failures(failed, num_clips)


def _score_all(
    verifier: "Verifier", trials: list["Trial"], failed: list[FailedInput]
) -> tuple[list["Trial"], list[float], int]:
    """Return the trials whose clips both can be used, their scores, and the number of clips."""
    clips = list(dict.fromkeys(clip for trial in trials for clip in (trial.first, trial.second)))
    results = iter_results(
        lambda _: enumerate(verifier.embed_many(clips)),
        list(map(str, clips)),
        failed,
        is_quiet=True,
    )
    vectors = {clips[number]: vector for number, vector in results}
    scored = [trial for trial in trials if trial.first in vectors and trial.second in vectors]
    scores = [verifier.score(vectors[trial.first], vectors[trial.second]) for trial in scored]
    return scored, scores, len(clips)


def _write(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file.

    Raises:
        typer.Exit: When it cannot be written; why is printed.
    """
    try:
        write(path)
    except OSError as error:
        typer.echo(f"error: cannot write {path}: {error.strerror}.", err=True)
        raise typer.Exit(EXIT_NOTHING_DONE) from error


def _print(errors: "VerificationErrors", num_clips: int, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"num_clips": num_clips, **asdict(errors)}))
        return
    typer.echo(
        f"trials   {errors.num_targets} of one speaker, {errors.num_nontargets} of two; "
        f"{num_clips} clips\n"
        f"EER      {errors.eer:.2%} (threshold {errors.eer_threshold:.4f})\n"
        f"minDCF   {errors.min_dcf:.4f} (p_target {errors.p_target:g}, c_miss "
        f"{errors.c_miss:g}, c_fa {errors.c_fa:g})\n"
        f"at {errors.threshold:<6.4g}misses {errors.miss_rate:.2%}, false alarms "
        f"{errors.false_alarm_rate:.2%}"
    )


def _save_threshold(
    verifier: "Verifier", threshold: float, folder: Path, *, has_cohort: bool
) -> None:
    """Keep a threshold beside the model; the other kind's stays if it is of the same layer."""
    from wav2vec2_conformer.inference.verification_settings import (
        SETTINGS_FILE,
        VerificationSettings,
        read_settings,
    )

    layer = verifier.embedder.layer
    if not isinstance(layer, int) and layer != "xvector":
        raise typer.BadParameter("--save-threshold needs a layer's number or the speaker head.")
    number = layer if isinstance(layer, int) else None
    before = read_settings(folder)
    if before is None or before.layer != number:
        before = VerificationSettings(layer=number)
    settings = VerificationSettings(
        layer=number,
        threshold=before.threshold if has_cohort else threshold,
        normalized_threshold=threshold if has_cohort else before.normalized_threshold,
    )
    _write(folder / SETTINGS_FILE, lambda _: settings.write(folder))
    typer.echo(f"threshold {threshold:.4f} saved in {folder / SETTINGS_FILE}", err=True)
