"""A tiny checkpoint, clips of noise, and the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.conftest import LAYER_NORM_CONFIG
from transformers import (
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

from wav2vec2_conformer.cli import main
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

RATE_HZ = 16_000
VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJ"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model whose transcripts are long and differ from clip to clip."""
    folder = tmp_path_factory.mktemp("checkpoint")
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(VOCABULARY)}))
    Wav2Vec2Processor(
        feature_extractor=Wav2Vec2FeatureExtractor(return_attention_mask=True),
        tokenizer=Wav2Vec2CTCTokenizer(str(vocabulary)),
    ).save_pretrained(folder)
    torch.manual_seed(6)
    model = Wav2Vec2ConformerForCTC(
        Wav2Vec2ConformerConfig(vocab_size=len(VOCABULARY), **LAYER_NORM_CONFIG)
    )
    torch.nn.init.normal_(model.lm_head.weight)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def transcriber(checkpoint: Path) -> Transcriber:
    return Transcriber.from_pretrained(checkpoint, device="cpu")


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Three clips of noise: a.wav, b.flac and, in a folder below, another a.wav."""
    (tmp_path / "more").mkdir()
    paths = [tmp_path / "a.wav", tmp_path / "b.flac", tmp_path / "more" / "a.wav"]
    rng = np.random.default_rng(0)
    for path, duration_s in zip(paths, (1.0, 0.6, 0.8), strict=True):
        noise = rng.normal(0, 0.1, round(duration_s * RATE_HZ))
        soundfile.write(path, noise, RATE_HZ)
    return paths


class Command:
    """Runs the entry point in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        self.monkeypatch.setattr(sys, "argv", ["w2vc", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main.run()
        out, err = self.capsys.readouterr()
        return int(caught.value.code or 0), out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)
