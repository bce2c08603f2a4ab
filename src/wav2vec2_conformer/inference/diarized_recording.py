"""A recording on its way through a diarizer: windows come in, turns go out.

Shapes used in this file:
    T  frames
    S  tracks of the model
    N  voices
    G  speakers of the recording
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.inference.diarization import (
    Diarization,
    DiarizationSettings,
    name_speakers,
)
from wav2vec2_conformer.inference.log_probs import check_finite
from wav2vec2_conformer.inference.speaker_clustering import assign_voices, cluster_voices
from wav2vec2_conformer.inference.speech_runs import find_runs
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verifier import Verifier
from wav2vec2_conformer.inference.voices import FindVoices, Voice
from wav2vec2_conformer.inference.windows import Window

# Voices with less speech of their own are given to the speakers that the others make.
_MIN_CLUSTERED_S = 0.6
# So much audio of voices is held before it is embedded.
_MAX_HELD_S = 120.0
_NO_AUDIO = np.empty(0, dtype=np.float32)


class DiarizedRecording:
    """Gathers the probabilities of a recording's windows and finds its speakers.

    Args:
        name: What to call it in messages and results.
        settings: How probabilities become turns.
        frame_samples: Samples from one frame to the next.
        sample_rate_hz: Rate of the windows.
        track_names: Names of the model's tracks, where these are the result.
        find_voices: Finds voices in a window, where speakers have to be told apart; None where
            tracks are the result.
        verifier: Compares voices.
        min_voices: Fewest voices of a speaker.
        same_speaker_score: Cosine from which on two mean voices count as one.
        min_speakers: Fewest speakers of the recording.
        max_speakers: Most speakers of the recording; None for any number.

    Attributes:
        duration_s: Length of the recording; to be set before the end.
        error: Why there is no result.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: DiarizationSettings,
        frame_samples: int,
        sample_rate_hz: int,
        track_names: Sequence[str],
        find_voices: FindVoices | None = None,
        verifier: Verifier | None = None,
        min_voices: int = 1,
        same_speaker_score: float = 1.0,
        min_speakers: int = 1,
        max_speakers: int | None = None,
    ) -> None:
        self.duration_s = 0.0
        self.error: Wav2Vec2ConformerError | None = None
        self._name = name
        self._settings = settings
        self._frame_s = frame_samples / sample_rate_hz
        self._sample_rate_hz = sample_rate_hz
        self._track_names = track_names
        self._find_voices = find_voices
        self._verifier = verifier
        self._min_voices = min_voices
        self._same_speaker_score = same_speaker_score
        self._min_speakers = min_speakers
        self._max_speakers = max_speakers
        self._num_frames = 0
        self._probs: dict[int, NDArray[np.float32]] = {}  # by the first frame
        self._voices: list[Voice] = []
        self._num_held_samples = 0

    def add(self, window: Window, probs: NDArray[np.float32]) -> None:
        """Take the probabilities of a window's kept frames, shape (T, S), in any order."""
        try:
            check_finite(probs, self._name)
            self._num_frames += len(probs)
            if self._find_voices is None:
                self._probs[window.start_frame] = probs.copy()  # not a view of the whole batch
                return
            voices = self._find_voices(window, probs)
            self._voices += voices
            self._num_held_samples += sum(voice.audio.size for voice in voices)
            if self._num_held_samples > _MAX_HELD_S * self._sample_rate_hz:
                self._embed_voices()
        except Wav2Vec2ConformerError as error:
            self.error = error

    def finish(self) -> Diarization | Failure:
        """Return the result when all windows have come."""
        if self.error is None:
            try:
                return Diarization(self._name, self.duration_s, self._find_turns())
            except Wav2Vec2ConformerError as error:
                self.error = error
        return Failure(self._name, self.error)

    def _find_turns(self) -> tuple[SpeakerTurn, ...]:
        if self._find_voices is None:
            tracks = np.empty((self._num_frames, len(self._track_names)), dtype=np.float32)
            for start, probs in self._probs.items():
                tracks[start : start + len(probs)] = probs
            return tuple(sorted(self._iter_turns(tracks, self._track_names)))
        speakers = self._assign_speakers()
        tracks = np.zeros((self._num_frames, max(speakers, default=-1) + 1), dtype=np.float32)
        for voice, speaker in zip(self._voices, speakers, strict=True):
            track = tracks[voice.start_frame : voice.start_frame + len(voice.probs), speaker]
            np.maximum(track, voice.probs, out=track)
        turns = self._iter_turns(tracks, name_speakers(tracks.shape[1]))
        return _rename_in_order(sorted(turns))

    def _iter_turns(self, tracks: NDArray[np.float32], names: Sequence[str]) -> list[SpeakerTurn]:
        """Return the turns of tracks (T, S)."""
        settings = self._settings
        return [
            SpeakerTurn(first * self._frame_s, end * self._frame_s, name)
            for track, name in zip(tracks.T, names, strict=True)
            for first, end in find_runs(
                track,
                onset=settings.onset,
                offset=settings.offset,
                min_speech_frames=round(settings.min_speech_s / self._frame_s),
                min_silence_frames=round(settings.min_silence_s / self._frame_s),
            )
        ]

    def _assign_speakers(self) -> list[int]:
        """Return the number of each voice's speaker."""
        # Windows come in any order; the result must not depend on it.
        self._voices.sort(key=lambda voice: voice.start_frame)
        groups = np.array([voice.group for voice in self._voices])
        num_voices = len(self._voices)
        most = num_voices if self._max_speakers is None else self._max_speakers
        if len(set(groups.tolist())) <= 1 and num_voices <= most:
            return list(range(num_voices))  # one window: nothing is to be joined
        if most == 1:
            return [0] * num_voices
        self._embed_voices()
        vectors = np.stack([voice.vector for voice in self._voices if voice.vector is not None])
        own_s = np.array([voice.own_s for voice in self._voices])
        # Where all are short, the longest have to do.
        is_long = own_s >= min(_MIN_CLUSTERED_S, own_s.max())
        speakers = np.empty(num_voices, dtype=np.int64)
        speakers[is_long] = cluster_voices(
            vectors[is_long],
            groups[is_long],
            same_speaker_score=self._same_speaker_score,
            min_voices=self._min_voices,
            min_speakers=self._min_speakers,
            max_speakers=self._max_speakers,
        )
        num_speakers = int(speakers[is_long].max()) + 1
        means = np.stack(
            [vectors[is_long & (speakers == s)].mean(axis=0) for s in range(num_speakers)]
        )
        speakers[~is_long] = assign_voices(vectors[~is_long], means, groups[~is_long])
        return [int(speaker) for speaker in speakers]

    def _embed_voices(self) -> None:
        """Turn what is held of voices into vectors."""
        held = [voice for voice in self._voices if voice.vector is None]
        if self._verifier is None or not held:
            return
        results = self._verifier.embed_many(
            [voice.audio for voice in held], sample_rate_hz=self._sample_rate_hz
        )
        for voice, result in zip(held, results, strict=True):
            if isinstance(result, Failure):
                raise result.error
            voice.vector = result
            voice.audio = _NO_AUDIO
        self._num_held_samples = 0


def _rename_in_order(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
    """Number anonymous speakers in the order in which they begin."""
    found = dict.fromkeys(turn.speaker for turn in turns)
    names = dict(zip(found, name_speakers(len(found)), strict=True))
    renamed = [SpeakerTurn(turn.start_s, turn.end_s, names[turn.speaker]) for turn in turns]
    return tuple(sorted(renamed))
