"""Exports in the hands of the programs that they are laid out for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxscript")

from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.export import export_model
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.onnx_runtime import OnnxGraph

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    """Recordings of several lengths, one of them quiet and off its zero line."""
    rng = np.random.default_rng(1)
    loud, short, quiet = (rng.normal(0, 0.2, n).astype(np.float32) for n in (30_000, 9_000, 21_234))
    return [loud, short, quiet * 0.01 + np.float32(0.02)]


def expected_words(checkpoint: Path, clips: list[np.ndarray]) -> list[list[str]]:
    transcriber = Transcriber.from_pretrained(checkpoint, device="cpu")
    words = [transcriber.transcribe(clip, RATE_HZ).text.split() for clip in clips]
    assert len({" ".join(text) for text in words}) == len(clips)  # each says something else
    assert all(words)
    return words


def test_sherpa_onnx_reads_the_same_words(
    exported: Callable[[str], Any], clips: list[np.ndarray]
) -> None:
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    export = exported("sherpa-onnx")
    recognizer = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model=str(export.folder / "model.onnx"), tokens=str(export.folder / "tokens.txt")
    )
    words = []
    for clip in clips:
        stream = recognizer.create_stream()
        stream.accept_waveform(RATE_HZ, clip)
        recognizer.decode_stream(stream)
        words.append(stream.result.text.split())
    assert words == expected_words(export.checkpoint, clips)


def load_in_onnx_asr(folder: Path) -> Any:
    """Load an export in onnx-asr; 0.12, which has no such model yet, is told of its interface."""
    onnx_asr = pytest.importorskip("onnx_asr")
    try:
        return onnx_asr.load_model("wav2vec2-ctc", folder)
    except onnx_asr.utils.ModelNotSupportedError:
        from onnx_asr.adapters import TextResultsAsrAdapter
        from onnx_asr.asr import _AsrWithCtcDecoding
        from onnx_asr.preprocessors.preprocessor import IdentityPreprocessor
        from onnx_asr.preprocessors.resampler import Resampler

    class Wav2Vec2Ctc(_AsrWithCtcDecoding):
        _preprocessor_name = "identity"

        @staticmethod
        def _get_model_files(_: str | None = None) -> dict[str, str]:
            return {}

        @property
        def _subsampling_factor(self) -> int:
            return self.config["subsampling_factor"]

        def _encode(self, waveforms: Any, lengths: Any) -> Any:
            graph = OnnxGraph(folder / "model.onnx")
            inputs = {"input_values": waveforms, "input_lengths": lengths}
            log_probs = graph.run(inputs)["logprobs"]
            # One frame too many, as its own class counts.
            frames = lengths // self._subsampling_factor + 1
            return log_probs, np.minimum(frames, log_probs.shape[1])

    files = {"vocab": folder / "vocab.txt", "config": folder / "config.json"}
    model = Wav2Vec2Ctc(files, lambda _: IdentityPreprocessor(), {})
    return TextResultsAsrAdapter(model, Resampler(RATE_HZ, {}))


def test_onnx_asr_reads_the_same_words_in_a_padded_batch(
    exported: Callable[[str], Any], clips: list[np.ndarray]
) -> None:
    export = exported("onnx-asr")
    texts = load_in_onnx_asr(export.folder).recognize(clips, sample_rate=RATE_HZ)
    assert [text.split() for text in texts] == expected_words(export.checkpoint, clips)
    config = json.loads((export.folder / "config.json").read_text())
    assert config == {"model_type": "wav2vec2-ctc", "subsampling_factor": 640}


def test_folders_of_other_programs_are_not_mistaken_for_ours(
    exported: Callable[[str], Any],
) -> None:
    with pytest.raises(CheckpointError, match=r"laid out for onnx-asr.*--layout transformers"):
        Transcriber.from_pretrained(exported("onnx-asr").folder, device="cpu")


@pytest.mark.parametrize("layout", ["onnx-asr", "sherpa-onnx"])
def test_other_programs_take_no_other_heads(
    exported: Callable[[str], Any], tmp_path: Path, layout: Any
) -> None:
    checkpoint = exported("xvector").checkpoint
    with pytest.raises(InputError, match=rf"{layout} runs CTC models.*the head xvector"):
        export_model(checkpoint, tmp_path / "new", layout=layout)
    assert not list(tmp_path.iterdir())


def test_sherpa_onnx_takes_no_model_of_recordings_as_they_are(
    exported: Callable[[str], Any], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for file in exported("sherpa-onnx").checkpoint.iterdir():
        (checkpoint / file.name).write_bytes(file.read_bytes())
    settings = checkpoint / "preprocessor_config.json"
    values = json.loads(settings.read_text()) | {"do_normalize": False}
    settings.write_text(json.dumps(values))
    with pytest.raises(InputError, match="do_normalize is false"):
        export_model(checkpoint, tmp_path / "new", layout="sherpa-onnx")
