"""Models, health, keys, and who may call."""

import threading

import httpx
import openai
import pytest

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.server.model_set import ModelSet
from wav2vec2_conformer.server.running import listen, serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()][:3] == ["whisper-1", "second", "speaker"]
    assert client.models.retrieve("second").owned_by == "wav2vec2-conformer"
    with pytest.raises(openai.NotFoundError, match="whisper-1"):
        client.models.retrieve("third")


def test_a_server_is_healthy_before_it_is_ready(models: ModelSet, wav: bytes) -> None:
    may_load = threading.Event()
    answers = []

    def load(_settings: ServerSettings) -> ModelSet:
        may_load.wait()
        return models

    def ask() -> None:
        try:
            address = f"http://127.0.0.1:{port}"
            answers.extend(httpx.get(f"{address}/{path}") for path in ("health", "ready"))
            file = {"file": wav}
            answers.append(httpx.post(f"{address}/v1/audio/transcriptions", files=file))
        finally:
            may_load.set()

    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    asking = threading.Thread(target=ask)
    threading.Timer(0.3, asking.start).start()
    with serve_in_thread(ServerSettings(port=port), load=load) as address:
        answers.append(httpx.get(f"{address}/ready"))
    asking.join()
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert int(answers[2].headers["retry-after"]) > 0
    assert answers[2].json()["error"]["code"] == "loading"
    assert answers[2].json()["error"]["type"] == "server_error"


def test_a_model_that_cannot_be_loaded_ends_the_start() -> None:
    def load(_settings: ServerSettings) -> ModelSet:
        raise CheckpointError("/secret/place: no such folder.")

    with (
        pytest.raises(CheckpointError, match="no such folder"),
        serve_in_thread(ServerSettings(port=0), load=load),
    ):
        pytest.fail("the server must not start")


def test_a_key_is_wanted_where_there_is_one(models: ModelSet, clip: object) -> None:
    settings = ServerSettings(port=0, api_keys="first,second")
    with serve_in_thread(settings, load=lambda _: models) as address:

        def list_models(key: str) -> list[object]:
            with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
                return list(client.models.list())

        assert list_models("second")
        for wrong in ("third", "first,second", "first2", "firs"):
            with pytest.raises(openai.AuthenticationError):
                list_models(wrong)
        with (
            openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError, match="API key"),
        ):
            stranger.audio.transcriptions.create(file=clip, model="whisper-1")
        assert httpx.get(f"{address}/metrics").status_code == 401
        # What tells nothing is open: the page, and what watches the server.
        for path in ("/", "/health", "/ready", "/page/app.js"):
            assert httpx.get(f"{address}{path}").status_code == 200


def test_pages_of_other_sites_may_not_call(http: httpx.Client, address: str) -> None:
    refused = http.get("/v1/models", headers={"origin": "https://example.org"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert http.get("/v1/models", headers={"origin": address}).status_code == 200


def test_an_allowed_origin_may_call(models: ModelSet) -> None:
    settings = ServerSettings(port=0, allowed_origins="https://example.org")
    with serve_in_thread(settings, load=lambda _: models) as address:
        answer = httpx.get(f"{address}/v1/models", headers={"origin": "https://example.org"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://example.org"


def test_errors_of_all_kinds_have_one_shape(http: httpx.Client) -> None:
    for answer in (
        http.get("/nothing"),
        http.get("/v1/audio/transcriptions"),
        http.post("/v1/audio/translations"),
        http.get("/page/..%2fapp.py"),
    ):
        assert answer.status_code in {404, 405}
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_every_answer_has_a_number(http: httpx.Client) -> None:
    assert http.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made_up = http.get("/health", headers={"x-request-id": "a b"}).headers["x-request-id"]
    assert len(made_up) == 32
