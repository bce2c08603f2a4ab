"""Jobs and replicas on a Ray cluster of this machine; one for all tests of this file."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import openai
import psutil
import pyarrow.parquet as pq
import pytest
import soundfile

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.scale.batch_transcription import transcribe_dataset
from wav2vec2_conformer.scale.cluster import connect
from wav2vec2_conformer.scale.part_files import PartFiles, as_row
from wav2vec2_conformer.scale.parts import plan_parts
from wav2vec2_conformer.scale.recordings import list_recordings
from wav2vec2_conformer.scale.serving import make_application
from wav2vec2_conformer.scale.worker import WorkerSettings
from wav2vec2_conformer.server.settings import ServerSettings

from .conftest import RATE_HZ, Command

pytestmark = [
    pytest.mark.usefixtures("cluster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of Ray's use of others and itself
]
NUM_CLIPS = 12
# The part that is under way when its worker is killed.
KILLED_AT = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    before = dict(os.environ)
    # Ray's workers are nice (15): beside other tests they would hardly ever run.
    os.environ.update({"RAY_worker_niceness": "0"})
    with connect("local", num_cpus=3):
        yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Noise of different lengths, and a file that is not there."""
    lines = []
    for number in range(NUM_CLIPS):
        rng = np.random.default_rng(number)
        length_s = 0.5 + 0.1 * number
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, rng.normal(0, 0.1, round(length_s * RATE_HZ)), RATE_HZ)
        lines.append({"audio_filepath": path.name, "duration": length_s})
    lines.append({"audio_filepath": "gone.wav", "duration": 1.0})
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


class KilledWorker(Thread):
    """Kills the worker that has begun the part of a pipe, and puts a file in the pipe's place."""

    def __init__(self, files: PartFiles, part: str, pipe: Path) -> None:
        super().__init__()
        self.files, self.part, self.pipe = files, part, pipe
        self.content = pipe.read_bytes()
        pipe.unlink()
        os.mkfifo(pipe)
        self.killed: int | None = None

    def run(self) -> None:
        deadline = time.monotonic() + 300
        while (noted := self.files.running(self.part)) is None:
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        self.pipe.unlink()
        self.pipe.write_bytes(self.content)
        os.kill(noted["pid"], signal.SIGKILL)
        self.killed = noted["pid"]


def test_a_job_survives_its_worker_and_nothing_is_lost_or_doubled(
    run: Command,
    checkpoint: Path,
    transcriber: Transcriber,
    manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [manifest.parent / f"{number}.wav" for number in range(NUM_CLIPS)]
    expected = [as_row(path.name, str(path), transcriber.transcribe(path)) for path in paths]
    output = manifest.parent / "out"
    # A part for each recording: all of them are longer than that.
    monkeypatch.setattr("wav2vec2_conformer.scale.parts._choose_seconds", lambda _: 0.1)
    names = [part.name for part in plan_parts(list_recordings(str(manifest)))]
    killer = KilledWorker(PartFiles(str(output)), names[KILLED_AT], paths[KILLED_AT])
    killer.start()
    arguments = ["--ray", "local", "--manifest", manifest, "--output", output, "--workers", "2"]
    code, out, err = run("transcribe", "-m", checkpoint, "--device", "cpu", *arguments)
    killer.join()
    assert killer.killed is not None
    assert not psutil.pid_exists(killer.killed)
    assert (code, out) == (3, "")
    assert "12 recordings (0.00 h) transcribed, 1 failed" in err
    assert f"{manifest.parent}/gone.wav: no such file." in err
    rows = pq.read_table(output).to_pylist()
    assert sorted(rows, key=lambda row: row["audio"]) == sorted(
        expected, key=lambda row: str(row["audio"])
    )


def test_a_model_that_is_not_there_ends_a_job_with_its_reason(manifest: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        transcribe_dataset(
            str(manifest),
            str(manifest.parent / "out"),
            settings=WorkerSettings(model="nowhere"),
        )


def test_the_official_client_talks_to_replicas(
    checkpoint: Path, transcriber: Transcriber, manifest: Path
) -> None:
    from ray import serve
    from ray.serve.config import HTTPOptions

    none: dict[str, Any] = dict.fromkeys(
        ("speaker_model", "diarization_model", "classification_model"), "none"
    )
    settings = ServerSettings(models=f"mine={checkpoint}", device="cpu", **none)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
    try:
        serve.run(make_application(settings, num_cpus=1), name="speech")
        assert httpx.get(f"{address}/ready").status_code == 200
        clip = manifest.parent / "5.wav"
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            result = client.audio.transcriptions.create(file=clip, model="mine")
        assert result.text == transcriber.transcribe(clip).text
    finally:
        serve.shutdown()
