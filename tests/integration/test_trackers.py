"""Metrics reach the trackers that are installed, on this machine, without an account."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

# Where a tracker is to write, and the files that then hold the metrics.
TRACKERS = {
    "wandb": ({"WANDB_MODE": "offline"}, "wandb/offline-run-*/run-*.wandb"),
    "trackio": ({"TRACKIO_DIR": "trackio"}, "trackio/*.db"),
    "mlflow": (
        {"MLFLOW_TRACKING_URI": "file:mlruns", "MLFLOW_ALLOW_FILE_STORE": "true"},
        "mlruns/*/*/metrics/*",
    ),
}


@pytest.mark.may_skip
@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_run_is_tracked(tmp_path: Path, tiny_config_kwargs, tracker: str) -> None:
    if importlib.util.find_spec(tracker) is None:
        pytest.skip(f"{tracker} is not installed, which is an extra of its own")
    places, pattern = TRACKERS[tracker]
    clips = tmp_path / "clips"
    clips.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        soundfile.write(clips / f"{number}.wav", rng.normal(0, 0.1, 24_000), 16_000)
    (tmp_path / "config.json").write_text(json.dumps(tiny_config_kwargs))
    flags = {"train": "clips", "valid": "clips", "config": "config.json", "output-dir": "out"}
    flags |= {"min-duration-s": 1, "max-steps": 2, "eval-steps": 2, "logging-steps": 1}
    flags |= {"num-workers": 0, "report-to": tracker}
    arguments = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from wav2vec2_conformer.cli.main import run; run()"),
            *("pretrain", *arguments),
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", **places},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "out" / "final" / "model.safetensors").is_file()
    files = [path for path in tmp_path.glob(pattern) if path.is_file()]
    written = b"".join(path.name.encode() + path.read_bytes() for path in files)
    for name in (b"contrastive_loss", b"eval"):
        assert name in written
