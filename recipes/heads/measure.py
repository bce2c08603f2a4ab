"""What the bundled heads reach on speakers that they were not trained on, and what they beat."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.audio.cepstra import summarize_cepstra
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn, join_turns
from wav2vec2_conformer.data.trials import Trial, read_trials
from wav2vec2_conformer.evaluation.diarization import DiarizationErrors, score_diarization
from wav2vec2_conformer.evaluation.labelled_clips import (
    classify_clips,
    read_labelled_clips,
    score_clips,
)
from wav2vec2_conformer.evaluation.linear_probe import fit_linear_probe
from wav2vec2_conformer.evaluation.verification import compute_eer, compute_error_curve
from wav2vec2_conformer.inference.classification import Classification
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.diarization import DiarizationSettings
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.embedder import Embedder
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verification_settings import VerificationSettings
from wav2vec2_conformer.inference.verifier import Verifier
from wav2vec2_conformer.training.frame_classification import read_turns


def measure_digits(model: Path, train: Path, test: Path) -> str:
    """Return the accuracy on held-out speakers, beside that of cepstral coefficients."""
    classifier = Classifier.from_pretrained(model)
    clips = read_labelled_clips(test, classifier.labels, classifier.problem_type)
    results = {
        position: result
        for position, result in classify_clips(classifier, clips)
        if isinstance(result, Classification)
    }
    scores = score_clips(clips, results)
    interval = scores.accuracy.interval
    names = list(classifier.labels)
    fitted, held_out = (_read_cepstra(path, names) for path in (train, test))
    probe = fit_linear_probe(*fitted, len(names))
    baseline = float((probe.predict(held_out[0]) == held_out[1]).mean())
    speakers = ", ".join(sorted({str(row.speaker) for row in clips.utterances}))
    return (
        f"| {len(results)} clips of speakers never trained on ({speakers}) | accuracy |\n"
        "|---|---|\n"
        f"| this head | {scores.accuracy.value:.1%} (95 % interval over clips "
        f"{interval.low:.1%} to {interval.high:.1%}) |\n"
        f"| means and deviations of MFCC, logistic regression | {baseline:.1%} |\n"
        f"| always the same digit | {1 / len(names):.1%} |\n"
    )


def measure_speaker(model: Path, held_out: Path, test: Path) -> str:
    """Set the threshold on held-out speakers; return equal error rates on the test speakers."""
    vectors = {}
    trials = {path: read_trials(path, None) for path in (held_out, test)}
    paths = sorted({clip for some in trials.values() for t in some for clip in (t.first, t.second)})
    for name, embedder in (
        ("head", Embedder.from_pretrained(model)),
        ("layers", Embedder.from_pretrained(None, layer="all")),
    ):
        results = list(embedder.embed_many(paths))
        failed = [result for result in results if isinstance(result, Failure)]
        if failed:
            raise failed[0].error
        vectors[name] = {p: r.vector for p, r in zip(paths, results, strict=True)}
    cepstra = {path: summarize_cepstra(load_audio(path)) for path in paths}
    mean, deviation = (f(list(cepstra.values()), axis=0) for f in (np.mean, np.std))
    standardized = {path: (value - mean) / deviation for path, value in cepstra.items()}
    num_layers = next(iter(vectors["layers"].values())).shape[0]
    by_layer = [
        {path: value[layer] for path, value in vectors["layers"].items()}
        for layer in range(num_layers)
    ]
    # Chosen where the threshold is, not on the test speakers.
    chosen = min(range(num_layers), key=lambda layer: _eer(trials[held_out], by_layer[layer])[0])
    eer, threshold = _eer(trials[held_out], vectors["head"])
    layer_eer, layer_threshold = _eer(trials[held_out], by_layer[chosen])
    if eer <= layer_eer:
        settings = VerificationSettings(threshold=float(threshold))
        decision = "`verify` uses the head"
    else:
        settings = VerificationSettings(layer=chosen, threshold=float(layer_threshold))
        decision = f"`verify` uses the mean of layer {chosen}, which is better than the head"
    settings.write(model)
    rows = [
        ("this head", vectors["head"]),
        (f"mean of the encoder's layer {chosen}", by_layer[chosen]),
        ("mean of the encoder's last layer", by_layer[-1]),
        ("means and deviations of MFCC, standardized over both sets", standardized),
    ]
    table = "".join(
        f"| {name} | "
        + " | ".join(f"{_eer(trials[path], of_clips)[0]:.1%}" for path in (held_out, test))
        + " |\n"
        for name, of_clips in rows
    )
    num_held_out, num_test = len(trials[held_out]), len(trials[test])
    return (
        f"| equal error rate | held-out speakers, {num_held_out} pairs, none of one recording | "
        f"test speakers, {num_test} pairs, of one recording each |\n|---|---|---|\n{table}\n"
        f"{decision}; the threshold in `verification.json`, {settings.threshold:.4f}, is that of "
        "equal errors on the held-out speakers.\n"
    )


def measure_diarization(model: Path, tuning: Path, test: Path) -> str:
    """Set the thresholds on held-out speakers; return error rates on the test speakers."""
    candidates = [DiarizationSettings(onset=value, offset=value) for value in (0.35, 0.5, 0.65)]
    chosen = min(
        candidates,
        key=lambda settings: (
            _score(
                _as_one(_diarize(model, tuning, settings, detects_speech=True)),
                tuning,
                is_speech=True,
            ).der
        ),
    )
    # Short pieces are less alike than clips. How far scores of one voice lie below 1 is the
    # encoder's own scale: means of a low layer may all be above 0.9.
    alike = Verifier.from_pretrained().threshold
    chosen = min(
        (
            replace(chosen, same_speaker_score=alike - share * (1 - alike))
            for share in (-0.4, -0.2, 0.0, 0.25, 0.5, 1.0, 2.0)
        ),
        key=lambda settings: _score(_diarize(model, tuning, settings), tuning).der,
    )
    chosen.write(model)
    lengths = {utterance.audio_path.stem: utterance.duration_s for utterance in _read(test)}
    always = {name: (SpeakerTurn(0.0, end_s, "one"),) for name, end_s in lengths.items()}
    found = _diarize(model, test, chosen)
    speech = _diarize(model, test, chosen, detects_speech=True)
    rows = [
        ("this head and `bundled:speaker`", _score(found, test)),
        ("its speech, all of it one speaker's", _score(_as_one(speech), test)),
        ("one speaker all the time", _score(always, test)),
    ]
    table = "".join(
        f"| {name} | {errors.der:.1%} | {errors.missed_s / errors.speech_s:.1%} | "
        f"{errors.false_alarm_s / errors.speech_s:.1%} | "
        f"{errors.confusion_s / errors.speech_s:.1%} |\n"
        for name, errors in rows
    )
    detected = _score(_as_one(speech), test, is_speech=True)
    silent = _score(always, test, is_speech=True)
    return (
        f"{len(lengths)} conversations of 20 s of speakers never trained on; no collar, overlapped "
        f"speech scored; speech from {chosen.onset:g} on, voices alike from "
        f"{chosen.same_speaker_score:.3f} on, chosen on held-out speakers.\n\n"
        "| | DER | missed | false alarms | confused |\n|---|---|---|---|---|\n"
        f"{table}\n"
        f"Voice activity (`--vad`): {detected.der:.1%} of the speech missed or falsely found "
        f"({detected.missed_s / detected.speech_s:.1%} and "
        f"{detected.false_alarm_s / detected.speech_s:.1%}); calling everything speech: "
        f"{silent.der:.1%}.\n"
    )


def _read_cepstra(manifest: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of clips, as those of one layer, and the numbers of their labels."""
    rows = _read(manifest)
    vectors = [[summarize_cepstra(load_audio(row.audio_path))] for row in rows]
    return np.array(vectors), np.array([names.index(str(row.label)) for row in rows])


Turns = Mapping[str, Sequence[SpeakerTurn]]


def _diarize(
    model: Path, manifest: Path, settings: DiarizationSettings, *, detects_speech: bool = False
) -> Turns:
    diarizer = Diarizer.from_pretrained(
        model,
        settings=settings,
        detects_speech=detects_speech,
    )
    found = {}
    paths = [utterance.audio_path for utterance in _read(manifest)]
    for path, result in zip(paths, diarizer.diarize_many(paths), strict=True):
        if isinstance(result, Failure):
            raise result.error
        found[path.stem] = result.turns
    return found


def _score(found: Turns, manifest: Path, *, is_speech: bool = False) -> DiarizationErrors:
    references: Turns = {u.audio_path.stem: read_turns(u) for u in _read(manifest)}
    if is_speech:
        references = _as_one(references)
    parts = {u.audio_path.stem: [(0.0, u.duration_s)] for u in _read(manifest)}
    return score_diarization(references, found, parts).total


def _as_one(turns: Turns) -> Turns:
    """Return turns as those of one speaker, overlaps joined."""
    return {
        name: join_turns([replace(turn, speaker="one") for turn in of_recording], 0.0)
        for name, of_recording in turns.items()
    }


def _read(manifest: Path) -> list[Utterance]:
    return read_utterances(manifest)


def _eer(trials: list[Trial], vectors: dict[Path, np.ndarray]) -> tuple[float, float]:
    unit = {path: vector / np.linalg.norm(vector) for path, vector in vectors.items()}
    scores = [float(unit[trial.first] @ unit[trial.second]) for trial in trials]
    return compute_eer(compute_error_curve(scores, [trial.is_target for trial in trials]))
