"""A folder of noise, a tiny configuration, and settings of a short run on them."""

import json

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings


@pytest.fixture
def noise(tmp_path):
    """Nine clips of 1 to 2 seconds."""
    folder = tmp_path / "noise"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(9):
        samples = rng.normal(0, 0.1, 16_000 + 2_000 * number)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
    return folder


@pytest.fixture
def config(tmp_path, tiny_config_kwargs):
    path = tmp_path / "config.json"
    values = {**tiny_config_kwargs, "model_type": "wav2vec2-conformer", "num_negatives": 5}
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def build_settings(tmp_path, noise, config):
    """Return settings with changes."""

    def build(**changes):
        values = {
            "train": (noise,),
            "valid": noise,
            "output_dir": tmp_path / "out",
            "config": config,
            "batch_seconds": 5.0,
            "min_duration_s": 0.5,
            "max_duration_s": 1.5,
            "max_steps": 4,
            "warmup_steps": 2,
            "learning_rate": 1e-3,
            "logging_steps": 2,
            "eval_steps": 2,
            "save_steps": 2,
            "num_workers": 0,
            "use_cpu": True,
            "report_to": "none",
        }
        return PretrainingSettings(**{**values, **changes})

    return build
