"""Every command on folders of Wav2Vec2 and Wav2Vec2-BERT, written and checked by transformers."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import transformers
from numpy.typing import NDArray

from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor

RATE_HZ = 16_000
TINY: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "classifier_proj_size": 8,
    "tdnn_dim": (8, 8, 12),
    "tdnn_kernel": (3, 3, 1),
    "tdnn_dilation": (1, 1, 1),
    "xvector_output_dim": 8,
    "num_labels": 3,
    "conv_dim": (8,) * 7,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "conv_depthwise_kernel_size": 5,
}


class Neighbour:
    """Tiny random checkpoints of one architecture, by task."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        is_bert = name == "Wav2Vec2Bert"
        self.extractor = (
            transformers.SeamlessM4TFeatureExtractor()
            if is_bert
            else transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
        )
        kind = transformers.Wav2Vec2BertProcessor if is_bert else transformers.Wav2Vec2Processor
        self.processor = kind(
            feature_extractor=self.extractor,
            tokenizer=build_processor(LIBRISPEECH_VOCABULARY).tokenizer,
        )

    def make(self, task: str) -> tuple[Path, Any]:
        """Return a folder and transformers' model in it."""
        known = getattr(transformers, f"{self.name}Config")
        settings = {key: value for key, value in TINY.items() if hasattr(known(), key)}
        torch.manual_seed(1)
        model = getattr(transformers, f"{self.name}{task}")(known(**settings)).eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:  # else random models say the same of all clips
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        folder = self.folder / task
        model.save_pretrained(folder)
        (self.processor if task == "ForCTC" else self.extractor).save_pretrained(folder)
        return folder, model

    def run(self, model: Any, waveform: NDArray[np.float32]) -> Any:
        """Return what transformers makes of a clip."""
        given = self.extractor(waveform, sampling_rate=RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            return model(**given)


@pytest.fixture(scope="module", params=["Wav2Vec2", "Wav2Vec2Bert"])
def neighbour(request, tmp_path_factory) -> Neighbour:
    return Neighbour(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def noise(tmp_path) -> tuple[Path, NDArray[np.float32]]:
    """One second of noise, a file and its samples."""
    path = tmp_path / "noise.wav"
    waveform = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    soundfile.write(path, waveform, RATE_HZ, subtype="FLOAT")
    return path, waveform


def test_transcribe_align_and_stream(neighbour, noise, run, tmp_path):
    path, waveform = noise
    folder, model = neighbour.make("ForCTC")
    tokens = neighbour.run(model, waveform).logits.argmax(-1)
    expected = re.sub("<.*?>", "", neighbour.processor.batch_decode(tokens)[0])
    assert len(expected) > 5

    code, out, err = run("transcribe", path, "-m", folder, "--device", "cpu")
    assert code == 0, err
    assert expected in out

    text = tmp_path / "noise.txt"
    text.write_text(expected)
    code, out, err = run("align", path, "--text", text, "-m", folder, "--device", "cpu")
    assert code == 0, err
    segments = json.loads(out.splitlines()[0])["segments"]
    words = [word for segment in segments for word in segment["words"]]
    assert " ".join(word["word"] for word in words) == " ".join(expected.split())
    assert words[-1]["end"] <= 1.0

    code, out, err = run("stream", path, "-m", folder, "--device", "cpu")
    assert code == 0, err
    assert len(out.strip()) > 5


def test_classify(neighbour, noise, run):
    path, waveform = noise
    folder, model = neighbour.make("ForSequenceClassification")
    expected = neighbour.run(model, waveform).logits[0].softmax(0)
    code, out, err = run("classify", path, "-m", folder, "--device", "cpu")
    assert code == 0, err
    scores = {line.split()[0]: float(line.split()[1]) for line in out.splitlines()}
    for index, score in enumerate(expected.tolist()):
        assert scores[f"LABEL_{index}"] == pytest.approx(score, abs=2e-4)


def test_embed_and_verify(neighbour, noise, run, tmp_path):
    path, waveform = noise
    folder, model = neighbour.make("ForXVector")
    expected = neighbour.run(model, waveform).embeddings[0].numpy()
    code, _, err = run("embed", path, "-m", folder, "-o", tmp_path, "--device", "cpu")
    assert code == 0, err
    [file] = tmp_path.glob("*.npy")
    np.testing.assert_allclose(np.load(file).flatten(), expected, atol=1e-3)
    code, out, err = run("verify", path, path, "-m", folder, "--device", "cpu")
    assert code == 0, err
    assert re.search(r"score 1\.0+\b|score 0\.999", out)


def test_inspect_and_convert(neighbour, run, tmp_path):
    folder, model = neighbour.make("ForCTC")
    code, out, err = run("inspect", folder, "--json")
    assert code == 0, err
    described = json.loads(out)
    assert described["model_class"] == type(model).__name__
    assert described["num_parameters"] == model.num_parameters()
    assert described["problems"] == []
    is_bert = neighbour.name == "Wav2Vec2Bert"
    assert described["preprocessing"] == {
        "sample_rate_hz": RATE_HZ,
        "do_normalize": not is_bert,
        "num_mel_bands": 80 if is_bert else None,
        "samples_per_frame": 320,
    }
    code, out, err = run("convert", folder, tmp_path / "copy", "--to", "transformers")
    assert code == 0, err
    copy = type(model).from_pretrained(tmp_path / "copy")
    for name, value in model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value), name
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "copy")
    assert type(extractor) is type(neighbour.extractor)
    code, _, err = run("convert", folder, tmp_path / "copy.pt", "--to", "fairseq")
    assert code == 1
    assert "fairseq's layout is written of Wav2Vec2-Conformer alone" in err


def test_contradicting_settings_are_found(neighbour, run):
    folder, _ = neighbour.make("ForCTC")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 24}))
    code, out, err = run("inspect", folder, "--json")
    assert code in (0, 1), err
    assert "intermediate_size is 24 in the settings, 20 by the tensors" in out + err


def test_finetune(neighbour, noise, run, tmp_path):
    path, _ = noise
    folder, model = neighbour.make("ForCTC")
    manifest = tmp_path / "train.jsonl"
    line = {"audio_filepath": path.name, "duration": 1.0, "text": "NOISE"}
    manifest.write_text("".join(json.dumps(line) + "\n" for _ in range(2)))
    run_folder = tmp_path / "run"
    code, _, err = run(
        "finetune", "--model", folder, "--train", manifest, "--output-dir", run_folder,
        "--max-steps", 1, "--learning-rate", 0.01, "--use-cpu", "--batch-seconds", 2,
    )  # fmt: skip
    assert code == 0, err
    tuned, info = type(model).from_pretrained(run_folder / "final", output_loading_info=True)
    assert not any(info.values())
    changed = [
        name for name, value in model.state_dict().items()
        if not torch.equal(tuned.state_dict()[name], value)
    ]  # fmt: skip
    assert any("encoder" in name for name in changed)
    assert any("lm_head" in name for name in changed)


@pytest.mark.parametrize(
    ("task", "command"),
    [
        ("classification", "classify"),
        ("frame-classification", "diarize"),
        ("xvector", "embed"),
    ],
)
def test_every_head_is_trained_and_used(task, command, neighbour, noise, run, tmp_path):
    path, _ = noise
    folder, _ = neighbour.make("ForCTC")
    manifest = tmp_path / "train.jsonl"
    lines = [
        {
            "audio_filepath": path.name,
            "duration": 1.0,
            "label": name,
            "speaker": name,
            "segments": [{"start": 0.2, "end": 0.8, "speaker": name}],
        }
        for name in ("left", "right")
    ]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, _, err = run(
        "finetune", "--task", task, "--frame-labels", "speech", "--model", folder,
        "--train", manifest, "--output-dir", tmp_path / "run", "--max-steps", 1, "--use-cpu",
        "--batch-seconds", 2, "--num-workers", 0, "--report-to", "none",
    )  # fmt: skip
    assert code == 0, err
    flags = {"embed": ["-o", tmp_path / "vectors"], "diarize": ["--vad"]}.get(command, [])
    code, out, err = run(command, path, "--model", tmp_path / "run" / "final", *flags)
    assert code == 0, err
    if command != "embed":
        assert out
    else:
        assert list((tmp_path / "vectors").glob("*.npy"))
