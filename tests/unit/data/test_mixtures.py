"""Simulated conversations: what is in them, and that a seed repeats them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.data.manifest import Utterance, read_manifest
from wav2vec2_conformer.data.mixture_files import write_mixtures
from wav2vec2_conformer.data.mixtures import (
    SAMPLE_RATE_HZ,
    Mixture,
    MixtureRecipe,
    draw_mixture,
    group_by_speaker,
)
from wav2vec2_conformer.data.noise import mean_power
from wav2vec2_conformer.data.rttm import read_rttm
from wav2vec2_conformer.data.speaker_turns import label_frames, parse_segments
from wav2vec2_conformer.data.spoken_parts import find_spoken_parts
from wav2vec2_conformer.data.uem import read_uem
from wav2vec2_conformer.errors import InputError

Voices = dict[str, list[Utterance]]
TONES_HZ = {"low": 300.0, "middle": 900.0, "high": 2_700.0}


@pytest.fixture
def voices(tmp_path: Path) -> Voices:
    """Three speakers who hum a tone of their own, with silence around it and a pause in it."""
    utterances = []
    for number, (speaker, hz) in enumerate(TONES_HZ.items()):
        for take in range(2):
            duration_s = 4.0 + number + take
            time = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
            tone = 0.1 * (1 + take) * np.sin(2 * np.pi * hz * time)
            tone[(time < 0.4) | (time > duration_s - 0.3) | ((time > 2) & (time < 2.6))] = 0
            path = tmp_path / f"{speaker}{take}.wav"
            soundfile.write(path, tone, SAMPLE_RATE_HZ)
            utterances.append(Utterance(path, duration_s, "", speaker=speaker))
    return group_by_speaker(utterances)


def draw(voices: Voices, seed: int = 0, **settings: object) -> Mixture:
    return draw_mixture(voices, MixtureRecipe(**settings), np.random.default_rng(seed))


def count_speakers(mixture: Mixture) -> np.ndarray:
    """Return how many speak in each step of 10 ms."""
    speakers = sorted({turn.speaker for turn in mixture.turns})
    num_frames = mixture.waveform.size // 160
    return label_frames(mixture.turns, speakers, num_frames=num_frames, frame_s=0.01).sum(axis=1)


def test_the_same_seed_gives_the_same_conversation(voices: Voices) -> None:
    settings = {"noise_probability": 0.5, "room_probability": 0.5, "duration_s": 8.0}
    first, again, other = (draw(voices, seed, **settings) for seed in (3, 3, 4))
    assert np.array_equal(first.waveform, again.waveform)
    assert first.turns == again.turns
    assert first.turns != other.turns


@pytest.mark.parametrize("overlap_ratio", [0.0, 0.1, 0.25])
def test_the_overlap_ratio_is_reached(voices: Voices, overlap_ratio: float) -> None:
    counts = np.concatenate(
        [
            count_speakers(draw(voices, seed, num_speakers=(3, 3), overlap_ratio=overlap_ratio))
            for seed in range(6)
        ]
    )
    found = (counts > 1).sum() / (counts > 0).sum()
    assert found == pytest.approx(overlap_ratio, abs=0.04)
    if not overlap_ratio:
        assert not (counts > 1).any()


def test_turns_are_where_the_speakers_tone_is_heard(voices: Voices) -> None:
    mixture = draw(voices, num_speakers=(3, 3), overlap_ratio=0.2, gain_db=0.0)
    frames = mixture.waveform[: mixture.waveform.size // 1600 * 1600].reshape(-1, 1600)
    spectra = np.abs(np.fft.rfft(frames * np.hanning(1600), axis=1))  # bins of 10 Hz
    for speaker, hz in TONES_HZ.items():
        heard = spectra[:, round(hz / 10)] > 0.1 * spectra[:, round(hz / 10)].max()
        labels = label_frames(
            [turn for turn in mixture.turns if turn.speaker == speaker],
            [speaker],
            num_frames=len(frames),
            frame_s=0.1,
        )
        assert (heard == (labels[:, 0] > 0)).mean() > 0.9  # but for frames half of which is


@pytest.mark.parametrize("num_speakers", [(1, 1), (2, 2), (1, 3)])
def test_there_are_as_many_speakers_as_asked_for(
    voices: Voices, num_speakers: tuple[int, int]
) -> None:
    found = {
        len({turn.speaker for turn in draw(voices, seed, num_speakers=num_speakers).turns})
        for seed in range(16)
    }
    assert found == set(range(num_speakers[0], num_speakers[1] + 1))


def test_speakers_have_one_level_up_to_the_gain(voices: Voices) -> None:
    def powers(gain_db: float) -> list[float]:
        mixture = draw(voices, num_speakers=(3, 3), overlap_ratio=0.0, gain_db=gain_db)
        levels = {}
        for turn in mixture.turns:
            inside = slice(round(turn.start_s * 16_000) + 800, round(turn.end_s * 16_000) - 800)
            levels[turn.speaker] = 10 * np.log10(mean_power(mixture.waveform[inside]))
        return list(levels.values())

    assert np.ptp(powers(0.0)) < 1.0
    assert 1.0 < np.ptp(powers(10.0)) < 21.0


def test_noise_has_its_ratio_and_is_heard_in_pauses(voices: Voices) -> None:
    settings = {"duration_s": 10.0, "overlap_ratio": 0.0}
    clean = draw(voices, **settings)
    noisy = draw(voices, **settings, noise_probability=1.0, noise_snr_db=(20.0, 20.0))
    assert noisy.turns == clean.turns
    noise = noisy.waveform - clean.waveform
    assert 10 * np.log10(mean_power(clean.waveform) / mean_power(noise)) == pytest.approx(20, abs=1)
    silent = count_speakers(clean) == 0
    assert mean_power(noisy.waveform.reshape(-1, 160)[silent].reshape(-1)) > 0


def test_a_room_lets_turns_ring_on(voices: Voices) -> None:
    settings = {"duration_s": 10.0, "overlap_ratio": 0.0, "pause_s": (0.5, 1.0)}
    dry = draw(voices, **settings)
    wet = draw(voices, **settings, room_probability=1.0, room_rt60_s=(0.5, 0.5))
    assert wet.turns == dry.turns
    end = round(dry.turns[0].end_s * SAMPLE_RATE_HZ)
    after = slice(end + 400, end + 1_600)
    assert mean_power(wet.waveform[after]) > 10 * mean_power(dry.waveform[after])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_speakers": (3, 2)}, "num_speakers must be a lower"),
        ({"num_speakers": (0, 2)}, "at least 1, got 0"),
        ({"overlap_ratio": 0.6}, "0 to 0.5, got 0.6"),
        ({"duration_s": 0.0}, "must be positive"),
        ({"turn_s": (0.0, 1.0)}, "must be positive"),
        ({"noise_probability": -0.1}, "noise_probability must be at least 0"),
    ],
)
def test_recipes_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        MixtureRecipe(**settings)


def test_voices_must_be_known_and_enough(voices: Voices, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 speakers need as many voices, got 3"):
        draw(voices, num_speakers=(2, 4))
    with pytest.raises(InputError, match="has no speaker"):
        group_by_speaker([Utterance(tmp_path / "low0.wav", 1.0, "")])


def test_files_of_a_set_say_the_same_and_begin_alike(voices: Voices, tmp_path: Path) -> None:
    recipe = MixtureRecipe(duration_s=5.0)
    folders = [tmp_path / "two", tmp_path / "three"]
    for folder, num_mixtures in zip(folders, (2, 3), strict=True):
        folder.mkdir()
        write_mixtures(voices, recipe, folder, num_mixtures=num_mixtures, seed=5)
    [two, three] = [
        read_manifest(folder / "manifest.jsonl", needs_text=False) for folder in folders
    ]
    assert [len(two), len(three)] == [2, 3]
    turns = read_rttm(folders[1] / "references.rttm")
    parts = read_uem(folders[1] / "references.uem")
    for utterance in three:
        name = utterance.audio_path.stem
        assert turns[name] == parse_segments(utterance.extra["segments"], name)
        assert parts[name] == ((0.0, 5.0),)
        assert soundfile.info(utterance.audio_path).duration == 5.0
    for ours, other in zip(two, three, strict=False):
        assert ours.extra == other.extra
        assert ours.audio_path.read_bytes() == other.audio_path.read_bytes()


def test_spoken_parts_leave_silence_out_and_keep_short_pauses() -> None:
    time = np.arange(32_000) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * 200 * time).astype(np.float32)
    tone[(time < 0.3) | ((time > 0.8) & (time < 0.9)) | ((time > 1.2) & (time < 1.7))] = 1e-4
    spoken = find_spoken_parts(tone, SAMPLE_RATE_HZ)
    edges = np.flatnonzero(np.diff(spoken.astype(int), prepend=0, append=0))
    assert edges.tolist() == pytest.approx([30, 120, 170, 200], abs=1)


def test_steady_sound_is_spoken_all_the_way() -> None:
    assert find_spoken_parts(np.full(1_600, 0.1, dtype=np.float32), SAMPLE_RATE_HZ).all()
