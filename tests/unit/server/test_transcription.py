"""Parts of a transcription: text as it is heard, peaks, and bodies."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from wav2vec2_conformer.inference.transcript import Segment, Transcript, Word
from wav2vec2_conformer.server.transcript_bodies import verbose_body
from wav2vec2_conformer.server.transcription import TextSoFar, measure_peaks


class Session:
    """Says a word each second."""

    def __init__(self) -> None:
        self.num_reads = 0

    def finish(self, duration_s: float) -> SimpleNamespace:
        self.num_reads += 1
        return SimpleNamespace(words=[Word(f"w{n}", n, n + 0.5) for n in range(int(duration_s))])


def test_words_are_told_once_and_the_last_ones_later() -> None:
    session = Session()
    so_far = TextSoFar(session)
    pieces = [so_far.read(8.0), so_far.read(9.0), so_far.read(10.0)]
    words = session.finish(10.0).words
    pieces.append(so_far.take(words))
    assert pieces[0] == "w0 w1 w2"
    assert "".join(pieces) == " ".join(word.text for word in words)


def test_reading_a_long_recording_stays_cheap() -> None:
    session = Session()
    so_far = TextSoFar(session)
    for heard_s in range(30, 7200, 24):  # two hours, window after window
        so_far.read(heard_s)
    assert session.num_reads < 60


def test_peaks_are_the_loudest_samples() -> None:
    samples = np.array([0.1, -0.5, 0.2, 0.0, 3.0, -0.25], np.float32)
    assert measure_peaks(samples, 3) == [0.5, 0.2, 1.0]
    assert measure_peaks(samples[:2], 1000) == [0.1, 0.5]
    assert measure_peaks(samples[:0], 10) == []


def test_a_segments_mean_logarithm_is_that_of_its_words() -> None:
    words = (Word("a", 0, 1, 0.5), Word("b", 1, 2, 0.25))
    segment = Segment("a b", 0, 2, words)
    transcript = Transcript("file", "a b", words, 2.0, (segment,), 0.375)
    body = verbose_body(transcript, language=None, has_words=True, has_segments=True)
    mean = (math.log(0.5) + math.log(0.25)) / 2
    assert body["segments"][0]["avg_logprob"] == pytest.approx(mean, abs=1e-4)
    assert body["words"][1] == {"word": "b", "start": 1, "end": 2, "confidence": 0.25}
    assert body["language"] == "und"
    only_words = verbose_body(transcript, language="en", has_words=True, has_segments=False)
    assert "segments" not in only_words
