"""S7 and S11: long recordings through `transcribe`, and how time and memory grow."""

from dataclasses import replace
from statistics import median

from wav2vec2_conformer.benchmark.comparison import fill_speed, missing_reason
from wav2vec2_conformer.benchmark.names import OURS, TRANSFORMERS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage
from wav2vec2_conformer.benchmark.speech_file import write_recording
from wav2vec2_conformer.benchmark.turns import Outcome

_SPEED_GOAL, _MEMORY_GOAL_MB = 1.3, 600.0
_LINEAR_GOAL, _FLAT_GOAL_MB = 1.1, 100.0
_NEEDS_GB = {"large": 3.0, "base": 2.0, "tiny": 1.0}
_WARM_UP_S = 2.0


def measure_long_recording(session: Session) -> list[Row]:
    """Return the rows of a long file: speed, memory."""
    duration_s = session.size.recording_s
    warm_up, recording = session.folder / "warm-up.flac", session.folder / "long.flac"
    session.on_step("writing the recording")
    write_recording(warm_up, _WARM_UP_S)
    write_recording(recording, duration_s)
    names = (TRANSFORMERS, OURS)
    arguments = {"warm_up": str(warm_up)}
    outcomes = session.alternate(
        "recording",
        {name: ("recording", {"implementation": name, **arguments}) for name in names},
        [Stage({"file": {"path": str(recording)}}, session.rounds)],
        needs_gb=_NEEDS_GB[session.size.name],
    )
    recording.unlink()
    work = f"{duration_s / 60:g} min file, bundled model"
    speed = Row("S7", work, "transformers pipeline, 30 s chunks", "times", _SPEED_GOAL)
    speed = fill_speed(speed, outcomes, OURS, TRANSFORMERS, "file")
    if speed.reached is not None:
        speed = replace(speed, difference=_compare_words(outcomes))
    memory = Row("S7", f"{work}, memory", "-", "megabytes", _MEMORY_GOAL_MB, at_most=True)
    ours_mb = outcomes[OURS].values("file", "memory_mb")
    if not ours_mb:
        return [speed, replace(memory, reason=missing_reason(outcomes, (OURS,)))]
    peer_mb = outcomes[TRANSFORMERS].values("file", "memory_mb")
    told = f"transformers {median(peer_mb):.0f} MB" if peer_mb else ""
    return [speed, replace(memory, reached=median(ours_mb), difference=told)]


def _compare_words(outcomes: dict[str, Outcome]) -> str:
    """Return how many words of the two transcripts differ."""
    import jiwer  # noqa: PLC0415 - only here, after the work

    texts = [outcomes[name].samples["file"][0].pop("text") for name in (TRANSFORMERS, OURS)]
    if not texts[0].split():
        return "no words"
    return f"{jiwer.wer(texts[0].lower(), texts[1].lower()):.1%} of the words differ"


def measure_growth(session: Session) -> list[Row]:
    """Return the rows of growth: time for a second of audio, memory."""
    lengths_s = session.size.growth_s
    paths = {length_s: session.folder / f"{length_s:g}.flac" for length_s in lengths_s}
    for length_s, path in paths.items():
        write_recording(path, length_s)
    requests = {f"{length_s:g} s": {"path": str(path)} for length_s, path in paths.items()}
    arguments = {"implementation": OURS, "warm_up": str(paths[lengths_s[1]])}
    outcomes = session.alternate(
        "growth",
        {OURS: ("recording", arguments)},
        [Stage(requests, session.rounds)],
        needs_gb=_NEEDS_GB[session.size.name],
    )
    ours = outcomes[OURS]
    first, last = f"{lengths_s[0]:g} s", f"{lengths_s[-1]:g} s"
    work = f"transcribe {first} to {last}, bundled model"
    linear = Row(
        "S11", f"{work}: time for a second of audio", first, "times", _LINEAR_GOAL, at_most=True
    )
    flat = Row("S11", f"{work}: more memory", first, "megabytes", _FLAT_GOAL_MB, at_most=True)
    if ours.failure:
        return [replace(row, reason=missing_reason(outcomes, (OURS,))) for row in (linear, flat)]
    seconds = {
        key: median(ours.values(key, "cpu_s")) / length_s
        for key, length_s in zip(requests, lengths_s, strict=True)
    }
    linear = replace(
        linear,
        reached=seconds[last] / seconds[first],
        difference=", ".join(f"{key}: {1e3 * value:.1f} ms" for key, value in seconds.items()),
    )
    memory = {key: median(ours.values(key, "memory_mb") or [0.0]) for key in requests}
    if not any(memory.values()):
        return [linear, replace(flat, reason=missing_reason(outcomes, (OURS,)))]
    told = ", ".join(f"{key}: {value:.0f} MB" for key, value in memory.items())
    return [linear, replace(flat, reached=memory[last] - memory[first], difference=told)]
