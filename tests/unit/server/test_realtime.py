"""`/v1/realtime`: live sockets."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from wav2vec2_conformer.inference.stream_events import FinalSegment
from wav2vec2_conformer.server.model_set import ModelSet
from wav2vec2_conformer.server.running import serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings

from .conftest import RATE_HZ

TRANSCRIPTION = "conversation.item.input_audio_transcription"
COMMIT = json.dumps({"type": "input_audio_buffer.commit"})


def as_pcm(samples: np.ndarray) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def open_socket(address: str, query: str = "rate=16000", **options: Any) -> ClientConnection:
    url = address.replace("http", "ws") + f"/v1/realtime?{query}"
    return connect(url, compression=None, **options)


def iter_events(socket: ClientConnection) -> Iterator[dict[str, Any]]:
    """Yield events up to the answer to a commit."""
    while True:
        event = json.loads(socket.recv(timeout=30))
        yield event
        if event["type"] in {"input_audio_buffer.committed", "error"}:
            return


def streamed_segments(models: ModelSet, samples: np.ndarray) -> list[str]:
    session = models.recognizer(None).transcriber.stream()
    pcm = np.frombuffer(as_pcm(samples), "<i2")
    events = session.feed(pcm) + session.finish()
    return [event.segment.text for event in events if isinstance(event, FinalSegment)]


def test_samples_become_the_text_of_a_session(
    address: str, models: ModelSet, speech: np.ndarray
) -> None:
    speech = speech[: 6 * RATE_HZ]  # two segments
    pcm = as_pcm(speech)
    with open_socket(address) as socket:
        for start in range(0, len(pcm), 6_401):  # blocks that cut samples in two
            socket.send(pcm[start : start + 6_401])
        socket.send(COMMIT)
        events = list(iter_events(socket))
    assert events[0]["type"] == "session.created"
    completed = [event for event in events if event["type"] == f"{TRANSCRIPTION}.completed"]
    assert [event["transcript"] for event in completed] == streamed_segments(models, speech)
    for event in completed:
        deltas = [
            other["delta"]
            for other in events
            if other["type"] == f"{TRANSCRIPTION}.delta" and other["item_id"] == event["item_id"]
        ]
        assert "".join(deltas) == event["transcript"]
        assert " ".join(word["word"] for word in event["words"]) == event["transcript"]
    partials = [event for event in events if event["type"] == "transcript.partial"]
    assert partials
    assert events.index(partials[0]) < events.index(completed[0])
    assert len({event["event_id"] for event in events}) == len(events)


def test_the_official_client_talks_to_it(
    address: str, models: ModelSet, speech: np.ndarray
) -> None:
    speech = speech[: 3 * RATE_HZ]

    async def talk() -> list[str]:
        client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none")
        texts = []
        async with client.realtime.connect(model="whisper-1") as connection:
            audio_format = {"type": "audio/pcm", "rate": RATE_HZ}
            await connection.session.update(
                session={"type": "transcription", "audio": {"input": {"format": audio_format}}}
            )
            data = base64.b64encode(as_pcm(speech)).decode()
            await connection.input_audio_buffer.append(audio=data)
            await connection.input_audio_buffer.commit()
            async for event in connection:
                if event.type == f"{TRANSCRIPTION}.completed":
                    texts.append(event.transcript)
                if event.type == "input_audio_buffer.committed":
                    break
        await client.close()
        return texts

    assert asyncio.run(talk()) == streamed_segments(models, speech)


def test_many_sockets_at_once_hear_the_same(address: str, speech: np.ndarray) -> None:
    pcm = as_pcm(speech[: 3 * RATE_HZ])
    texts = []
    with ExitStack() as stack:
        sockets = [stack.enter_context(open_socket(address)) for _ in range(4)]
        for start in range(0, len(pcm), 16_000):
            for socket in sockets:
                socket.send(pcm[start : start + 16_000])
        for socket in sockets:
            socket.send(COMMIT)
            texts.append([e["transcript"] for e in iter_events(socket) if "transcript" in e])
    assert texts[0]
    assert texts == [texts[0]] * 4


def test_a_socket_can_be_used_again_after_a_commit(address: str, speech: np.ndarray) -> None:
    pcm = as_pcm(speech[: 3 * RATE_HZ])
    texts = []
    with open_socket(address) as socket:
        for _ in range(2):
            socket.send(pcm)
            socket.send(COMMIT)
            texts.append([e["transcript"] for e in iter_events(socket) if "transcript" in e])
        socket.send(COMMIT)  # nothing was said
        assert [event["type"] for event in iter_events(socket)] == ["input_audio_buffer.committed"]
    assert texts[0]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "[]",
        '{"type": "response.create"}',
        '{"type": "input_audio_buffer.append", "audio": "%%%"}',
        '{"type": "session.update", "session": 3}',
        '{"type": "session.update", "session": {"audio": {"input": {"format": {"type": "g711"}}}}}',
        '{"type": "session.update", "session": {"audio": {"input": {"format": {"rate": 5}}}}}',
        b"RIFF" + bytes(100),
    ],
)
def test_a_message_that_means_nothing_ends_the_socket(address: str, message: str | bytes) -> None:
    with open_socket(address) as socket:
        socket.recv()
        socket.send(message)
        error = json.loads(socket.recv(timeout=30))
        assert error["type"] == "error"
        assert error["error"]["type"] == "invalid_request_error"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
    assert socket.close_code == 1008


@pytest.mark.parametrize(
    ("query", "status"),
    [("rate=fast", 400), ("rate=5", 422), ("model=no", 404), ("latency=99", 422)],
)
def test_a_query_that_cannot_be_is_refused(address: str, query: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught, open_socket(address, query):
        pytest.fail("the socket must not open")
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body)["error"]["message"]


def test_sockets_have_limits(models: ModelSet) -> None:
    settings = ServerSettings(
        port=0, max_streams=1, max_stream_s=1, idle_timeout_s=0.5, api_keys="secret"
    )
    with serve_in_thread(settings, load=lambda _: models) as address:
        with pytest.raises(InvalidStatus) as caught, open_socket(address):
            pytest.fail("there was no key")
        assert caught.value.response.status_code == 401
        key = {"subprotocols": ["realtime", "openai-insecure-api-key.secret"]}
        with open_socket(address, **key) as socket:
            assert socket.subprotocol == "realtime"
            with pytest.raises(InvalidStatus) as caught, open_socket(address, **key):
                pytest.fail("there was one already")
            assert caught.value.response.status_code == 429
            socket.recv()
            socket.send(bytes(2 * 2 * RATE_HZ))
            assert json.loads(socket.recv(timeout=30))["error"]["code"] == "audio_too_long"
        with open_socket(address, **key) as socket:
            socket.recv()
            assert json.loads(socket.recv(timeout=30))["error"]["code"] == "idle"
        origin = {"origin": "https://example.org", **key}
        with pytest.raises(InvalidStatus) as caught, open_socket(address, **origin):
            pytest.fail("a page of a stranger")
        assert caught.value.response.status_code == 403
