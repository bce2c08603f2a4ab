"""More than the server takes: too large, too many, too slow, or gone."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from wav2vec2_conformer.server.model_set import ModelSet
from wav2vec2_conformer.server.running import serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings

from .conftest import RATE_HZ, as_wav


@pytest.fixture(scope="module")
def narrow(models: ModelSet) -> Iterator[str]:
    """A server that takes little."""
    settings = ServerSettings(port=0, max_upload_mb=1, max_requests=2, upload_timeout_s=2)
    with serve_in_thread(settings, load=lambda _: models) as address:
        yield address


def test_a_request_that_is_too_large_is_refused(narrow: str) -> None:
    large = bytes(1_500_000)
    answer = httpx.post(f"{narrow}/v1/audio/transcriptions", files={"file": large})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")


def test_an_upload_without_an_end_is_refused(narrow: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(20):  # more than is taken; the client never says how much
            yield bytes(1 << 17)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    try:
        answer = httpx.post(f"{narrow}/v1/audio/transcriptions", content=pieces(), headers=headers)
    except httpx.WriteError:
        return  # refused while it was still sending
    assert answer.status_code == 413


def test_an_upload_that_is_too_slow_is_given_up(narrow: str) -> None:
    started = time.monotonic()
    with open_upload(narrow, 10_000) as connection:
        connection.settimeout(20)
        answer = connection.recv(4096)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert time.monotonic() - started < 15


def test_a_form_with_too_much_in_it_is_refused(narrow: str) -> None:
    files = [("file", b"a"), ("b", b"a"), ("c", b"a")]
    answer = httpx.post(f"{narrow}/v1/audio/transcriptions", files=files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_form")
    data = {"prompt": "a" * 600_000, "model": ""}
    answer = httpx.post(f"{narrow}/v1/audio/transcriptions", files={"file": b"a"}, data=data)
    assert answer.status_code == 400


def test_more_requests_than_fit_are_refused_and_told_when_to_come(
    narrow: str, speech: np.ndarray
) -> None:
    file = as_wav(speech)

    def post(_number: int) -> httpx.Response:
        return httpx.post(f"{narrow}/v1/audio/transcriptions", files={"file": file}, timeout=60)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(post, range(12)))
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"


def test_a_client_that_goes_away_leaves_nothing_behind(
    narrow: str, wav: bytes, speech: np.ndarray
) -> None:
    for _ in range(4):
        open_upload(narrow, 500_000).close()  # in the middle of its upload
    file = as_wav(np.concatenate([speech] * 3))
    with pytest.raises(httpx.ReadTimeout):  # before its answer
        httpx.post(
            f"{narrow}/v1/audio/transcriptions",
            files={"file": file},
            timeout=httpx.Timeout(30, read=0.15),
        )
    deadline = time.monotonic() + 20
    while inside(narrow) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert inside(narrow) == 0
    answer = httpx.post(f"{narrow}/v1/audio/transcriptions", files={"file": wav}, timeout=30)
    assert answer.status_code == 200


def test_a_request_that_takes_too_long_is_given_up(models: ModelSet, speech: np.ndarray) -> None:
    settings = ServerSettings(port=0, request_timeout_s=0.05)
    minutes = as_wav(np.concatenate([speech] * 8))
    with serve_in_thread(settings, load=lambda _: models) as address:
        answer = httpx.post(
            f"{address}/v1/audio/transcriptions", files={"file": minutes}, timeout=60
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "request_timeout")


def test_a_short_recording_overtakes_a_long_one(models: ModelSet, speech: np.ndarray) -> None:
    long, short = as_wav(np.concatenate([speech] * 12)), as_wav(speech[: 2 * RATE_HZ])
    done: list[str] = []

    def post(name: str, file: bytes) -> None:
        url = f"{address}/v1/audio/transcriptions"
        assert httpx.post(url, files={"file": file}, timeout=120).status_code == 200
        done.append(name)

    with serve_in_thread(ServerSettings(port=0), load=lambda _: models) as address:
        first = threading.Thread(target=post, args=("long", long))
        first.start()
        time.sleep(0.5)
        post("short", short)
        first.join()
    assert done == ["short", "long"]


def test_what_was_accepted_is_finished_when_the_server_stops(
    models: ModelSet, speech: np.ndarray
) -> None:
    file = as_wav(np.concatenate([speech] * 4))
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(
            httpx.post(f"{address}/v1/audio/transcriptions", files={"file": file}, timeout=60)
        )

    with serve_in_thread(ServerSettings(port=0), load=lambda _: models) as address:
        client = threading.Thread(target=post)
        client.start()
        while not inside(address):
            time.sleep(0.01)
    client.join()
    assert answers[0].status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health")


def test_temporary_files_are_gone_with_the_server(
    models: ModelSet, wav: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serve_in_thread(ServerSettings(port=0), load=lambda _: models) as address:
        httpx.post(f"{address}/v1/audio/transcriptions", files={"file": wav}, timeout=30)
        [folder] = tmp_path.iterdir()
        assert not list(folder.iterdir())  # those of the request are gone with it
    assert not list(tmp_path.iterdir())


def open_upload(address: str, num_bytes: int) -> socket.socket:
    """Begin an upload, and send the first half of it."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {num_bytes}\r\n\r\n"
    )
    connection.sendall(head.encode() + part + bytes(num_bytes // 2))
    return connection


def inside(address: str) -> int:
    """Return how many requests are in the house."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    [value] = [line.split()[1] for line in lines if line.startswith("w2vc_requests_inside ")]
    return int(float(value))
