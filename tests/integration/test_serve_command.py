"""`serve` and `demo`, as programs."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

# As the entry point does, also before the commands are its own.
START = "import typer; from wav2vec2_conformer.cli.{0} import {0}; typer.run({0})"
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command and return it with its address."""
    programs: list[subprocess.Popen[str]] = []

    def run(command: str, *arguments: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
        program = subprocess.Popen(
            [sys.executable, "-c", START.format(command), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
        programs.append(program)
        output = program.stdout if command == "demo" else program.stderr
        found = None
        while found is None:
            line = output.readline()
            assert line, f"the command ended: {program.communicate()}"
            found = re.search(r"http://\S+", line)
        return program, found[0]

    yield run
    for program in programs:
        if program.poll() is None:
            program.kill()
        program.communicate()


def wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + 60
    while httpx.get(f"{address}/ready").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_serve_answers_and_finishes_what_it_accepted(start: Start, checkpoint: Path) -> None:
    program, address = start(
        "serve", "--port", "0", "--model", f"mine={checkpoint}", W2VC_API_KEYS="secret"
    )
    minutes = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, 120 * 16_000)
    soundfile.write(minutes, noise, 16_000, format="WAV")
    answers: list[httpx.Response] = []
    headers = {"authorization": "Bearer secret"}
    with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        wait_until_ready(address)
        assert httpx.get(f"{address}/v1/models").status_code == 401
        assert client.get("/v1/models").json()["data"][0]["id"] == "mine"

        def post() -> None:
            files = {"file": minutes.getvalue()}
            answers.append(client.post("/v1/audio/transcriptions", files=files))

        posting = [threading.Thread(target=post) for _ in range(3)]
        for thread in posting:
            thread.start()
        deadline = time.monotonic() + 30
        while "w2vc_requests_inside 3.0" not in client.get("/metrics").text:
            assert time.monotonic() < deadline
        program.send_signal(signal.SIGTERM)
        for thread in posting:
            thread.join()
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["text"]
    assert program.wait(30) in {0, -signal.SIGTERM}


def test_demo_prints_the_pages_address_and_ends_with_ctrl_c(start: Start, checkpoint: Path) -> None:
    program, address = start("demo", "--no-browser", "--model", str(checkpoint))
    assert "<title>Speech to text</title>" in httpx.get(address).text
    wait_until_ready(address)
    program.send_signal(signal.SIGINT)
    assert program.wait(30) in {0, 130, -signal.SIGINT}
    assert "Traceback" not in program.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "70000"], "W2VC_PORT"),
        (["--batch-seconds", "0"], "greater than 0"),
        (["--model", "/no/such/folder"], "no such folder"),
    ],
)
def test_what_cannot_be_served_is_told(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START.format("serve"), "--port", "0", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stderr
