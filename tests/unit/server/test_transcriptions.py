"""`POST /v1/audio/transcriptions` with OpenAI's own client."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

from wav2vec2_conformer.formats import format_transcript
from wav2vec2_conformer.inference.transcript import Transcript
from wav2vec2_conformer.server.model_set import ModelSet

from .conftest import RATE_HZ, as_wav


@pytest.fixture(scope="module")
def expected(models: ModelSet, wav: bytes) -> Transcript:
    return models.recognizer(None).transcriber.transcribe(wav)


def test_json_has_the_librarys_text(
    client: openai.OpenAI, clip: Path, expected: Transcript
) -> None:
    result = client.audio.transcriptions.create(file=clip, model="whisper-1", language="en")
    assert result.text == expected.text
    assert len(expected.words) > 1
    assert result.usage is not None
    assert result.usage.type == "duration"
    assert result.usage.seconds == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("response_format", "name"), [("text", "txt"), ("srt", "srt"), ("vtt", "vtt")]
)
def test_plain_formats_are_the_librarys(
    client: openai.OpenAI, clip: Path, expected: Transcript, response_format: str, name: str
) -> None:
    text = client.audio.transcriptions.create(
        file=clip, model="whisper-1", response_format=response_format
    )
    assert text == format_transcript(expected, name)


def test_verbose_json_has_words_and_segments(
    client: openai.OpenAI, clip: Path, expected: Transcript
) -> None:
    result = client.audio.transcriptions.create(
        file=clip,
        model="whisper-1",
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert [(w.word, w.start, w.end) for w in result.words] == [
        (word.text, word.start_s, word.end_s) for word in expected.words
    ]
    assert [segment.text for segment in result.segments] == [s.text for s in expected.segments]
    assert (result.language, result.duration) == ("en", 2.2)
    assert result.segments[0].avg_logprob < 0


def test_segments_alone_are_the_default_of_verbose_json(client: openai.OpenAI, clip: Path) -> None:
    result = client.audio.transcriptions.create(
        file=clip, model="whisper-1", response_format="verbose_json"
    )
    assert result.words is None
    assert result.segments


def test_deltas_of_a_stream_join_to_its_text(
    client: openai.OpenAI, models: ModelSet, speech: np.ndarray
) -> None:
    long = np.concatenate([speech] * 4)  # 36 s: two windows
    stream = client.audio.transcriptions.create(
        file=("long.wav", as_wav(long)), model="whisper-1", stream=True
    )
    events = list(stream)
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) > 1
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text
    assert events[-1].text == models.recognizer(None).transcriber.transcribe(long, RATE_HZ).text


def test_the_prompt_favours_its_phrases(client: openai.OpenAI, speech: np.ndarray) -> None:
    file = ("clip.wav", as_wav(speech))
    # Spelled as no model spells them of itself, so that the weights do not matter.
    favoured = {"WEESELS", "MONKIES"}
    plain = client.audio.transcriptions.create(file=file, model="whisper-1").text
    told = client.audio.transcriptions.create(
        file=file,
        model="whisper-1",
        prompt="Weesels, monkies; naïve 10€. One sentence of five words.",
    ).text
    assert not favoured & set(plain.split())
    assert favoured & set(told.split())


def test_who_spoke_is_told_in_diarized_json(
    client: openai.OpenAI, clip: Path, expected: Transcript, models: ModelSet
) -> None:
    result = client.audio.transcriptions.create(
        file=clip, model="whisper-1", response_format="diarized_json"
    )
    assert result.text == expected.text
    turns = models.diarizer.diarize(clip.read_bytes()).turns
    assert {segment.speaker for segment in result.segments} <= {
        *(turn.speaker for turn in turns),
        "unknown",
    }
    assert " ".join(segment.text for segment in result.segments) == expected.text


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"model": "gpt-4o"}, openai.NotFoundError, "whisper-1, second"),
        ({"response_format": "xml"}, openai.BadRequestError, "json, text, srt"),
        ({"timestamp_granularities": ["line"]}, openai.BadRequestError, "word, segment"),
    ],
)
def test_fields_that_cannot_be_are_refused(
    client: openai.OpenAI, clip: Path, fields: dict, error: type[openai.APIStatusError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        client.audio.transcriptions.create(**{"file": clip, "model": "whisper-1", **fields})
    assert caught.value.body["type"] == "invalid_request_error"


def test_a_form_without_a_file_is_refused(http: httpx.Client) -> None:
    answer = http.post("/v1/audio/transcriptions", files={"model": (None, "whisper-1")})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"
    answer = http.post("/v1/audio/transcriptions", json={"file": "a.wav"})
    assert answer.json()["error"]["code"] == "invalid_form"


def test_bytes_are_the_same_alone_and_under_load(
    http: httpx.Client, address: str, speech: np.ndarray
) -> None:
    lengths_s = [0.7, 1.3, 2.2, 3.1, 4.7, 8.9]
    files = [as_wav(speech[: round(length * RATE_HZ)]) for length in lengths_s]
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}

    def post(client: httpx.Client, file: bytes) -> bytes:
        answer = client.post("/v1/audio/transcriptions", files={"file": file}, data=fields)
        assert answer.status_code == 200
        return answer.content

    alone = [post(http, file) for file in files]
    start = threading.Barrier(12)

    def post_together(number: int) -> bytes:
        with httpx.Client(base_url=address, timeout=60) as client:
            start.wait()
            return post(client, files[number % len(files)])

    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(post_together, range(12)))
    assert together == alone * 2
    assert _largest_batch(http) > 1


def _largest_batch(http: httpx.Client) -> float:
    """Return how many windows a batch had at least, by the metrics."""
    lines = http.get("/metrics").text.splitlines()
    counts = {
        line.split('"')[1]: float(line.split()[-1])
        for line in lines
        if line.startswith("w2vc_batch_windows_bucket")
    }
    return 2 if counts["+Inf"] > counts["1.0"] else 1
