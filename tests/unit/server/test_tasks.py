"""The endpoints beside OpenAI's."""

import httpx
import numpy as np
import pytest

from wav2vec2_conformer.server.model_set import ModelSet
from wav2vec2_conformer.server.running import serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings

from .conftest import RATE_HZ, as_wav


def test_an_alignment_has_the_librarys_times(
    http: httpx.Client, wav: bytes, models: ModelSet
) -> None:
    text = "something is terribly wrong"
    answer = http.post("/v1/audio/alignments", files={"file": wav}, data={"text": text})
    expected = models.recognizer(None).aligner.align(wav, text)
    words = answer.json()["segments"][0]["words"]
    assert [(w["word"], w["start"], w["end"]) for w in words] == [
        (word.text, word.start_s, word.end_s) for word in expected.words
    ]
    assert "file" not in answer.json()


def test_an_alignment_needs_a_text_that_fits(http: httpx.Client, wav: bytes) -> None:
    answer = http.post("/v1/audio/alignments", files={"file": wav})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "text")
    answer = http.post("/v1/audio/alignments", files={"file": wav}, data={"text": "word " * 500})
    assert answer.status_code == 422
    assert "text" in answer.json()["error"]["message"]


def test_embeddings_are_the_librarys(http: httpx.Client, wav: bytes, models: ModelSet) -> None:
    answer = http.post("/v1/audio/embeddings", files={"file": wav}).json()
    expected = models.recognizer(None).embedder.embed(wav).vector
    np.testing.assert_allclose(answer["data"][0]["embedding"], expected, rtol=1e-5)
    speaker = http.post("/v1/audio/embeddings", files={"file": wav}, data={"model": "speaker"})
    assert speaker.json()["layer"] != answer["layer"]


def test_a_voice_is_that_of_the_same_recording(
    http: httpx.Client, wav: bytes, speech: np.ndarray
) -> None:
    files = {"file": wav, "other_file": wav}
    same = http.post("/v1/audio/verifications", files=files).json()
    assert same["score"] == pytest.approx(1, abs=1e-4)
    assert same["same_speaker"]
    files = {"file": wav, "other_file": as_wav(speech[-RATE_HZ:])}
    other = http.post("/v1/audio/verifications", files=files, data={"threshold": "1.5"}).json()
    assert other["score"] < same["score"]
    assert (other["same_speaker"], other["threshold"]) == (False, 1.5)


def test_a_verification_needs_two_files(http: httpx.Client, wav: bytes) -> None:
    answer = http.post("/v1/audio/verifications", files={"file": wav})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "other_file")


def test_turns_are_told_as_json_and_rttm(http: httpx.Client, wav: bytes, models: ModelSet) -> None:
    answer = http.post("/v1/audio/diarizations", files={"file": wav}).json()
    expected = models.diarizer.diarize(wav)
    assert [turn["start"] for turn in answer["segments"]] == pytest.approx(
        [turn.start_s for turn in expected.turns], abs=1e-3
    )
    rttm = http.post(
        "/v1/audio/diarizations", files={"file": wav}, data={"response_format": "rttm"}
    )
    assert len(rttm.text.splitlines()) == len(expected.turns)


@pytest.mark.parametrize("value", ["0", "many", "inf"])
def test_numbers_that_cannot_be_are_refused(http: httpx.Client, wav: bytes, value: str) -> None:
    answer = http.post("/v1/audio/diarizations", files={"file": wav}, data={"num_speakers": value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "num_speakers")


def test_labels_are_the_librarys(http: httpx.Client, wav: bytes, models: ModelSet) -> None:
    if models.classifier is None:
        pytest.skip("the package holds no classification head")
    answer = http.post("/v1/audio/classifications", files={"file": wav}, data={"top_k": "2"}).json()
    expected = models.classifier.classify(wav, top_k=2)
    assert {s["label"]: s["score"] for s in answer["scores"]} == pytest.approx(
        dict(expected.scores), abs=1e-5
    )


def test_a_task_without_a_model_is_told(wav: bytes, models: ModelSet) -> None:
    bare = ModelSet(models.recognizers)
    with serve_in_thread(ServerSettings(port=0), load=lambda _: bare) as address:
        for task in ("verifications", "diarizations", "classifications"):
            answer = httpx.post(f"{address}/v1/audio/{task}", files={"file": wav})
            assert answer.status_code == 404
            assert "-model" in answer.json()["error"]["message"]
        listed = httpx.get(f"{address}/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["whisper-1", "second"]
