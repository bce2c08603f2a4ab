"""`wav2vec2-conformer lm tune`: the weights with which a language model helps a model most."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from wav2vec2_conformer.cli.model_flags import Device, ModelName

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.emissions import Emissions
    from wav2vec2_conformer.evaluation.fusion_tuning import Trial
    from wav2vec2_conformer.evaluation.word_error import WordErrors


def tune(
    *,
    manifest: Annotated[
        Path, Option(help="JSON Lines with audio_filepath, duration, text: not the test set.")
    ],
    lm: Annotated[Path, Option("--lm", help="ARPA file, plain or .gz, or a binary of KenLM.")],
    model: ModelName = None,
    alphas: Annotated[
        str, Option(help="Weights of the language model to start from.")
    ] = "0.25 0.5 0.75 1",
    betas: Annotated[str, Option(help="Scores of a word to start from.")] = "0 1 2 3",
    refinements: Annotated[
        int, Option(min=0, help="Halve the steps so often around the best.")
    ] = 2,
    unknown_word_score: Annotated[
        float, Option(help="Added for each word that the language model does not know.")
    ] = -10.0,
    beam_width: Annotated[int, Option(min=1, help="Prefixes kept in each frame.")] = 100,
    save: Annotated[bool, Option(help="Write language_model.json into the model's folder.")] = True,
    copy: Annotated[
        bool, Option("--copy", help="Copy the language model into the model's folder.")
    ] = False,
    cache: Annotated[
        Path | None, Option(help=".npz file that keeps the model's output for further runs.")
    ] = None,
    device: Device = "auto",
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Find the weights of a language model that make the fewest word errors.

    The model runs once, then the search runs for each pair of weights. The best pair is saved
    in the model's folder, and used from there by default.
    """
    grid = _parse_values(alphas, "--alphas"), _parse_values(betas, "--betas")
    folder = Path(model) if save and model is not None and Path(model).is_dir() else None
    _check_place(folder, lm, copy=copy, model=model, save=save)
    from wav2vec2_conformer.evaluation.fusion_tuning import best_trial, iter_trials
    from wav2vec2_conformer.inference.decoder import DecodingOptions
    from wav2vec2_conformer.inference.fused_language_model import (
        FusionWeights,
        save_bundled_language_model,
    )
    from wav2vec2_conformer.language_models.language_model_file import load_language_model

    language_model = load_language_model(lm)
    emissions = _get_emissions(model, manifest, cache, device, is_shown=not quiet)
    status = _Status(len(emissions.references), is_shown=not quiet)

    def measure(alpha: float, beta: float) -> "WordErrors":
        status.start(f"alpha {alpha:g} beta {beta:g}")
        options = DecodingOptions(
            beam_width=beam_width,
            language_model=language_model,
            alpha=alpha,
            beta=beta,
            unknown_word_score=unknown_word_score,
        )
        return emissions.measure_errors(options, status.advance)

    greedy = emissions.measure_errors(DecodingOptions())
    typer.echo(f"greedy, no language model: WER {greedy.wer:.2%}, CER {greedy.cer:.2%}")
    typer.echo(f"{'alpha':>8} {'beta':>8} {'WER':>8} {'CER':>8}")
    trials: list[Trial] = []
    for trial in iter_trials(measure, *grid, num_refinements=refinements):
        status.clear()
        is_best = not trials or best_trial([*trials, trial]) is trial
        trials.append(trial)
        typer.echo(_format(trial) + ("  best so far" if is_best else ""))
    best = best_trial(trials)
    typer.echo(f"best: {_format(best).strip()}")
    if folder is not None:
        weights = FusionWeights(best.alpha, best.beta, unknown_word_score, beam_width)
        path = save_bundled_language_model(folder, lm, weights, copy=copy)
        typer.echo(path)


def _check_place(
    folder: Path | None, lm: Path, *, copy: bool, model: str | None, save: bool
) -> None:
    """Say before the work starts what cannot be saved after it."""
    if folder is None:
        if copy:
            raise typer.BadParameter(
                "there is no folder to copy into: name one with --model, and save."
            )
        if save:
            shown = "the bundled model" if model is None else model
            typer.echo(
                f"note: {shown} is no folder of yours, so the result is printed and not saved.",
                err=True,
            )
        return
    if not copy and lm.resolve().parent != folder.resolve():
        raise typer.BadParameter(
            f"{lm} lies outside the model's folder {folder}: give --copy to copy it there, or "
            "--no-save to save nothing."
        )


def _get_emissions(
    model: str | None, manifest: Path, cache: Path | None, device: str, *, is_shown: bool
) -> "Emissions":
    from transformers.utils import logging

    from wav2vec2_conformer.checkpoints.location import locate_checkpoint
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.data.manifest import read_manifest
    from wav2vec2_conformer.evaluation.emissions import (
        compute_emissions,
        fingerprint,
        read_emissions,
        write_emissions,
    )
    from wav2vec2_conformer.inference.loading import load_ctc

    utterances = read_manifest(manifest)
    key = fingerprint(locate_checkpoint(model), manifest)
    if cache is not None:
        emissions = read_emissions(cache, key)
        if emissions is not None:
            return emissions
        if cache.exists():
            typer.echo(f"note: {cache} is of another model or manifest, and made anew.", err=True)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    loaded, processor = load_ctc(model, device=device, compute_type="float32")
    total_s = sum(utterance.duration_s for utterance in utterances)
    with AudioProgress(len(utterances), total_s, is_shown=is_shown) as progress:
        emissions = compute_emissions(loaded, processor, utterances, on_progress=progress.add_audio)
    if cache is not None:
        write_emissions(cache, emissions, key)
    return emissions


class _Status:
    """One line on stderr that says how far a trial is, where stderr is a terminal."""

    def __init__(self, num_utterances: int, *, is_shown: bool) -> None:
        self._num_utterances = num_utterances
        self._is_shown = is_shown and sys.stderr.isatty()
        self._name = ""
        self._num_done = 0
        self._shown_s = 0.0

    def start(self, name: str) -> None:
        self._name, self._num_done = name, 0

    def advance(self) -> None:
        self._num_done += 1
        if self._is_shown and time.monotonic() - self._shown_s > 0.2:  # noqa: PLR2004  seconds
            self._shown_s = time.monotonic()
            sys.stderr.write(f"\r{self._name}: {self._num_done}/{self._num_utterances}\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _format(trial: "Trial") -> str:
    errors = trial.errors
    return f"{trial.alpha:8.4g} {trial.beta:8.4g} {errors.wer:8.2%} {errors.cer:8.2%}"


def _parse_values(text: str, name: str) -> list[float]:
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise typer.BadParameter(
            f'expected numbers such as "0 0.5 1", got {text!r}.', param_hint=name
        ) from error
