"""Conversations simulated from utterances of single speakers.

Speakers take turns with pauses between them; some turns begin before the last one has ended.
In the spirit of Landini et al. 2022, "From Simulated Mixtures to Simulated Conversations as
Training Data for End-to-End Neural Diarization", https://arxiv.org/abs/2204.00890.

Shapes used in this file:
    L  samples
    F  steps of 10 ms
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.data.clip import load_utterance
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.noise import add_noise, draw_pink_noise, draw_white_noise, mean_power
from wav2vec2_conformer.data.rooms import draw_room_response, reverberate
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn, join_turns
from wav2vec2_conformer.data.spoken_parts import STEP_S, find_spoken_parts
from wav2vec2_conformer.errors import AudioError, InputError

SAMPLE_RATE_HZ = 16_000
_STEP_SAMPLES = round(STEP_S * SAMPLE_RATE_HZ)
# Turns of one speaker that are so near count as one.
MAX_GAP_S = 0.3
# Another speaker goes on with this probability, else the same one after a pause.
_CHANGE_PROBABILITY = 0.75
# At most this part of a turn lies under the one before, so that each can be heard alone.
_MAX_COVERED = 0.8
_LEVEL = 0.05  # root mean square of speech before the gain
_PEAK = 0.95

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MixtureRecipe:
    """What simulated conversations are like.

    A range is two numbers between which values are drawn evenly.

    Attributes:
        duration_s: Length of a conversation.
        num_speakers: Fewest and most speakers.
        overlap_ratio: Part of the speech in which several speak at once, 0 to 0.5.
        turn_s: Range of the length of a turn. The utterance's pauses are kept.
        pause_s: Range of the silence between turns.
        gain_db: Speakers' levels are drawn from minus to plus this many decibels.
        noise_probability: Of noise, white or pink.
        noise_snr_db: Range of the signal-to-noise ratio.
        room_probability: Of a room: one reverberation time, a response for each speaker.
        room_rt60_s: Range of the reverberation time.
        room_direct_db: Range of the direct sound's energy over the reverberation's.

    Raises:
        InputError: A value is out of range.
    """

    duration_s: float = 30.0
    num_speakers: tuple[int, int] = (2, 2)
    overlap_ratio: float = 0.1
    turn_s: Range = (1.0, 6.0)
    pause_s: Range = (0.1, 1.0)
    gain_db: float = 5.0
    noise_probability: float = 0.0
    noise_snr_db: Range = (10.0, 30.0)
    room_probability: float = 0.0
    room_rt60_s: Range = (0.1, 0.6)
    room_direct_db: Range = (0.0, 12.0)

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_speakers", "turn_s", "pause_s", "noise_snr_db", "room_rt60_s"):
            low, high = getattr(self, name)
            if not low <= high:
                raise InputError(f"{name} must be a lower and an upper bound, got {low}, {high}")
        if self.num_speakers[0] < 1:
            raise InputError(f"num_speakers must be at least 1, got {self.num_speakers[0]}")
        if not 0 <= self.overlap_ratio <= 0.5:  # noqa: PLR2004  half
            raise InputError(f"overlap_ratio must be 0 to 0.5, got {self.overlap_ratio}")
        for name in ("duration_s", "gain_db", "noise_probability", "room_probability"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not (self.duration_s > 0 and self.turn_s[0] > 0 and self.room_rt60_s[0] > 0):
            raise InputError(
                "duration_s, turn_s and room_rt60_s must be positive, got "
                f"{self.duration_s}, {self.turn_s}, {self.room_rt60_s}"
            )
        if not self.pause_s[0] >= 0:
            raise InputError(f"pause_s must be at least 0, got {self.pause_s}")


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A conversation.

    Attributes:
        waveform: Samples (L,) at 16 kHz.
        turns: Who speaks when, sorted by time; silences above 0.3 s part turns.
    """

    waveform: NDArray[np.float32]
    turns: tuple[SpeakerTurn, ...]


def group_by_speaker(utterances: Iterable[Utterance]) -> dict[str, list[Utterance]]:
    """Return each speaker's utterances, speakers sorted by name.

    Raises:
        InputError: An utterance has no speaker.
    """
    voices: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        if utterance.speaker is None:
            raise InputError(
                f"{utterance.audio_path}: has no speaker; mixtures need utterances whose speaker "
                "is known (key speaker of the manifest)"
            )
        voices.setdefault(utterance.speaker, []).append(utterance)
    return dict(sorted(voices.items()))


def draw_mixture(
    voices: Mapping[str, Sequence[Utterance]], recipe: MixtureRecipe, rng: np.random.Generator
) -> Mixture:
    """Simulate a conversation. The same voices, recipe and generator give the same one.

    Args:
        voices: Utterances of each speaker, as `group_by_speaker` returns them.
        recipe: What it is to be like.
        rng: Source of all draws.

    Raises:
        AudioError: An utterance cannot be decoded.
        InputError: There are fewer voices than speakers.
    """
    if len(voices) < recipe.num_speakers[1]:
        raise InputError(
            f"mixtures of up to {recipe.num_speakers[1]} speakers need as many voices, got "
            f"{len(voices)}"
        )
    num_speakers = int(rng.integers(recipe.num_speakers[0], recipe.num_speakers[1] + 1))
    names = [str(name) for name in rng.choice(list(voices), num_speakers, replace=False)]
    scene = _Scene(names, round(recipe.duration_s * SAMPLE_RATE_HZ))
    speaker = int(rng.integers(num_speakers))
    start = _draw_samples(recipe.pause_s, rng)
    while start < scene.num_samples:
        utterances = voices[names[speaker]]
        turn = _draw_turn(utterances[int(rng.integers(len(utterances)))], recipe.turn_s, rng)
        start -= _plan_overlap(scene, speaker, turn, recipe.overlap_ratio, start, rng)
        scene.add(speaker, turn, start)
        if num_speakers > 1 and rng.random() < _CHANGE_PROBABILITY:
            speaker = (speaker + int(rng.integers(1, num_speakers))) % num_speakers
        start = scene.end + _draw_samples(recipe.pause_s, rng)
    return Mixture(_render(scene, recipe, rng), scene.turns())


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """Samples (L,) of a speaker, and whether steps of 10 ms are spoken (F,)."""

    waveform: NDArray[np.float32]
    is_spoken: NDArray[np.bool_]


class _Scene:
    """Tracks of speakers, filled turn by turn."""

    def __init__(self, names: Sequence[str], num_samples: int) -> None:
        self.num_samples = num_samples
        self.end = 0  # where the last speech ends
        self._names = names
        self.tracks = np.zeros((len(names), num_samples), dtype=np.float32)
        num_steps = -(-num_samples // _STEP_SAMPLES)
        self.is_spoken = np.zeros((len(names), num_steps), dtype=np.bool_)
        self._ends = [0] * len(names)
        self._last_length = 0

    def add(self, speaker: int, turn: _Turn, start: int) -> None:
        track = self.tracks[speaker, start : start + turn.waveform.size]
        track += turn.waveform[: track.size]
        first = start // _STEP_SAMPLES
        steps = self.is_spoken[speaker, first : first + turn.is_spoken.size]
        steps |= turn.is_spoken[: steps.size]
        self._ends[speaker] = start + turn.waveform.size
        self._last_length = turn.waveform.size
        self.end = max(self.end, self._ends[speaker])

    def max_overlap(self, speaker: int, turn: _Turn, start: int) -> int:
        """Return by how many samples a turn may begin before the last speech ends."""
        shortest = min(self._last_length, turn.waveform.size)
        pause = start - self.end
        return min(int(_MAX_COVERED * shortest) + pause, start - self._ends[speaker])

    def turns(self) -> tuple[SpeakerTurn, ...]:
        found = []
        for name, steps in zip(self._names, self.is_spoken, strict=True):
            edges = np.flatnonzero(np.diff(steps.astype(np.int8), prepend=0, append=0))
            found += [
                SpeakerTurn(float(first * STEP_S), float(end * STEP_S), name)
                for first, end in edges.reshape(-1, 2)
            ]
        return join_turns(found, MAX_GAP_S)


def _draw_turn(utterance: Utterance, turn_s: Range, rng: np.random.Generator) -> _Turn:
    """Return a piece of an utterance that begins and ends with speech."""
    waveform = load_utterance(utterance, SAMPLE_RATE_HZ)
    if waveform.size < _STEP_SAMPLES:
        raise AudioError(
            f"{utterance.audio_path}: the utterance is shorter than {STEP_S * 1000:.0f} ms, too "
            "short for a turn"
        )
    is_spoken = find_spoken_parts(waveform, SAMPLE_RATE_HZ)
    spoken = np.flatnonzero(is_spoken)
    length = _draw_samples(turn_s, rng) // _STEP_SAMPLES
    last_start = max(spoken[0], spoken[-1] + 1 - length)
    starts = spoken[spoken <= last_start]
    first = int(starts[rng.integers(starts.size)])
    inside = spoken[(spoken >= first) & (spoken < first + max(length, 1))]
    end = int(inside[-1]) + 1
    piece = waveform[first * _STEP_SAMPLES : end * _STEP_SAMPLES]
    level = np.sqrt(mean_power(piece[np.repeat(is_spoken[first:end], _STEP_SAMPLES)[: piece.size]]))
    return _Turn(piece * np.float32(_LEVEL / max(level, 1e-6)), is_spoken[first:end])


def _plan_overlap(
    scene: _Scene,
    speaker: int,
    turn: _Turn,
    overlap_ratio: float,
    start: int,
    rng: np.random.Generator,
) -> int:
    """Return by how many samples a turn begins before its time, so that the ratio is kept."""
    longest = scene.max_overlap(speaker, turn, start)
    if not overlap_ratio or longest <= 0:
        return 0
    count = scene.is_spoken.sum(axis=0)
    speech, overlap = int((count > 0).sum()), int((count > 1).sum())
    # x steps of overlap make the ratio (overlap + x) / (speech + turn - x).
    wanted = overlap_ratio * (speech + int(turn.is_spoken.sum())) - overlap
    wanted_samples = wanted / (1 + overlap_ratio) * _STEP_SAMPLES
    if wanted_samples <= 0:
        return 0
    # Longer than needed as often as not: overlaps vary, and some turns have none.
    drawn = int(wanted_samples * rng.uniform(0.5, 2.0)) + start - scene.end
    return min(drawn, longest)


def _render(scene: _Scene, recipe: MixtureRecipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what is heard of all speakers together."""
    has_room = rng.random() < recipe.room_probability
    rt60_s = rng.uniform(*recipe.room_rt60_s)
    mixed = np.zeros(scene.num_samples, dtype=np.float32)
    for track in scene.tracks:
        gain = 10 ** (rng.uniform(-recipe.gain_db, recipe.gain_db) / 20)
        heard = track * np.float32(gain)
        if has_room:
            response = draw_room_response(rt60_s, rng.uniform(*recipe.room_direct_db), rng)
            heard = reverberate(heard, response)
        mixed += heard
    if rng.random() < recipe.noise_probability:
        draw = draw_white_noise if rng.random() < 0.5 else draw_pink_noise  # noqa: PLR2004  a coin
        mixed = add_noise(mixed, draw(mixed.size, rng), rng.uniform(*recipe.noise_snr_db))
    peak = float(np.abs(mixed).max(initial=0.0))
    return mixed * np.float32(_PEAK / peak) if peak > _PEAK else mixed


def _draw_samples(range_s: Range, rng: np.random.Generator) -> int:
    return round(rng.uniform(*range_s) * SAMPLE_RATE_HZ)
