"""`wav2vec2-conformer diarize` and `simulate`."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.data.rttm import read_rttm
from wav2vec2_conformer.data.speaker_turns import label_frames, parse_segments
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)

from .conftest import RATE_HZ, Command

TONES_HZ = {"low": 200.0, "high": 1_500.0}


@pytest.fixture(scope="module")
def speech_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random encoder whose head is fitted to tell hums from silence."""
    folder = tmp_path_factory.mktemp("speech")
    torch.manual_seed(0)
    model = Wav2Vec2ConformerForAudioFrameClassification(
        Wav2Vec2ConformerConfig(
            hidden_size=48,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=20,
            hidden_act="swish",
            conv_dim=(16,) * 7,
            conv_depthwise_kernel_size=5,
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
            id2label={0: "speech"},
            label2id={"speech": 0},
            problem_type="multi_label_classification",
        )
    ).eval()
    waveforms, labels = draw_hums(np.random.default_rng(0))
    with torch.no_grad():
        frames = model.wav2vec2_conformer(waveforms).last_hidden_state.flatten(0, 1)
        wanted = 8.0 * labels.flatten(0, 1) - 4.0  # logits
        design = torch.cat([frames, torch.ones(len(frames), 1)], dim=1)
        solution = torch.linalg.lstsq(design, wanted).solution
        model.classifier.weight.copy_(solution[:-1].T)
        model.classifier.bias.copy_(solution[-1])
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def draw_hums(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalized recordings of hums between silences, and which frames are hummed."""
    time = np.arange(3 * RATE_HZ) / RATE_HZ
    waveforms, labels = [], []
    for _ in range(24):
        is_on = np.repeat(rng.random(6) < 0.6, RATE_HZ // 2)
        hz = rng.choice(list(TONES_HZ.values()))
        # A frame begins at a multiple of the period: it would know one phase alone.
        phase = 2 * np.pi * np.repeat(rng.random(6), RATE_HZ // 2)
        hum = np.sin(2 * np.pi * hz * time + phase)
        waveform = is_on * (hum + 1e-3 * rng.normal(size=time.size))
        waveforms.append((waveform - waveform.mean()) / waveform.std())
        labels.append(is_on[200::320][:149, None])
    return torch.tensor(np.stack(waveforms)).float(), torch.tensor(np.stack(labels)).long()


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """A manifest of two speakers, who hum."""
    lines = []
    rng = np.random.default_rng(0)
    for speaker, hz in TONES_HZ.items():
        time = np.arange(5 * RATE_HZ) / RATE_HZ
        hum = 0.2 * np.sin(2 * np.pi * hz * time) + 1e-4 * rng.normal(size=time.size)
        soundfile.write(tmp_path / f"{speaker}.wav", hum, RATE_HZ)
        entry = {"audio_filepath": f"{speaker}.wav", "duration": 5, "text": "", "speaker": speaker}
        lines.append(json.dumps(entry) + "\n")
    path = tmp_path / "voices.jsonl"
    path.write_text("".join(lines))
    return path


@pytest.fixture
def conversations(voices: Path, run: Command, tmp_path: Path) -> Path:
    folder = tmp_path / "conversations"
    code, out, _ = run(
        *("simulate", voices, "-o", folder, "--num", 2, "--duration", 12, "--overlap", 0),
        *("--pause", 0.5, 1.5, "--gain", 0),
    )
    assert code == 0
    assert out == f"{folder / 'manifest.jsonl'}\n"
    return folder


def test_simulated_conversations_are_a_manifest_with_references(conversations: Path) -> None:
    utterances = read_manifest(conversations / "manifest.jsonl", needs_text=False)
    references = read_rttm(conversations / "references.rttm")
    assert [u.audio_path.name for u in utterances] == ["mixture-00000.flac", "mixture-00001.flac"]
    for utterance in utterances:
        turns = parse_segments(utterance.extra["segments"], "here")
        assert references[utterance.audio_path.stem] == turns
        assert {turn.speaker for turn in turns} == set(TONES_HZ)


def test_speech_is_found_where_it_is(
    speech_checkpoint: Path, conversations: Path, run: Command
) -> None:
    code, out, _ = run("diarize", conversations, "-m", speech_checkpoint, "--vad")
    assert code == 0
    path = conversations / "found.rttm"
    path.write_text(out)
    truth = read_rttm(conversations / "references.rttm")
    for name, turns in read_rttm(path).items():
        assert {turn.speaker for turn in turns} == {"speech"}
        found = label_frames(turns, ["speech"], num_frames=590, frame_s=0.02)[:, 0]
        true = label_frames(truth[name], list(TONES_HZ), num_frames=590, frame_s=0.02).any(axis=1)
        assert (found == true).mean() > 0.9


def test_files_are_written_and_scored(
    speech_checkpoint: Path, checkpoint: Path, conversations: Path, run: Command, tmp_path: Path
) -> None:
    code, out, err = run(
        *("diarize", conversations, "-m", speech_checkpoint, "--embedding-model", checkpoint),
        *("--num-speakers", 2, "-o", tmp_path / "out", "--json", "--plot"),
        *("--references", conversations / "references.rttm"),
        *("--uem", conversations / "references.uem", "--collar", 0.25),
    )
    assert (code, err) == (0, "")
    scores = json.loads(out)
    assert scores["collar"] == 0.25
    assert 0 < scores["der"] < 0.6
    assert scores["missed"] + scores["false_alarm"] < 0.2 * scores["speech"]
    assert set(scores["recordings"]) == {"mixture-00000", "mixture-00001"}
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"mixture-0000{i}.{s}" for i in (0, 1) for s in ("json", "png", "rttm")]
    record = json.loads((tmp_path / "out" / "mixture-00001.json").read_text())
    [turns] = read_rttm(tmp_path / "out" / "mixture-00001.rttm").values()
    assert parse_segments(record["segments"], "json") == turns
    assert len(record["speakers"]) == 2
    assert (tmp_path / "out" / "mixture-00000.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_names_its_conventions(
    speech_checkpoint: Path, conversations: Path, run: Command
) -> None:
    code, out, _ = run(
        *("diarize", conversations, "-m", speech_checkpoint, "--max-speakers", 1),
        *("--embedding-model", speech_checkpoint, "--skip-overlap"),
        *("--references", conversations / "references.rttm"),
    )
    assert code == 0
    first, titles, *rows, interval = out.splitlines()
    assert first == "recordings: 2; collar: 0 s on each side; overlapped speech: left out"
    assert titles.split()[:2] == ["recording", "speech"]
    assert [row.split()[0] for row in rows] == ["mixture-00000", "mixture-00001", "all"]
    assert "95 %" in interval


def test_json_without_a_folder_is_an_object_a_line(
    speech_checkpoint: Path, conversations: Path, run: Command
) -> None:
    code, out, _ = run("diarize", conversations, "-m", speech_checkpoint, "--vad", "--json")
    assert code == 0
    assert [len(json.loads(line)["speakers"]) for line in out.splitlines()] == [1, 1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--plot"], "give -o DIR"),
        (["--uem", "x.uem"], "give --references"),
        (["--num-speakers", "2", "--max-speakers", "3"], "goes without"),
    ],
)
def test_flags_that_do_not_go_together_are_a_usage_error(
    conversations: Path, run: Command, flags: list[str], words: str
) -> None:
    code, _, err = run("diarize", conversations, *flags)
    assert code == 2
    assert words in err


def test_inputs_without_references_are_named_before_the_model_runs(
    conversations: Path, clips: list[Path], run: Command
) -> None:
    references = conversations / "references.rttm"
    code, _, err = run("diarize", clips[0], "-m", "missing", "--references", references)
    assert code == 2
    assert "says nothing of 1 of 1 inputs: a" in " ".join(err.split())


def test_a_failed_input_is_told_and_the_others_are_done(
    speech_checkpoint: Path, conversations: Path, run: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    failures = tmp_path / "failures.jsonl"
    code, out, err = run(
        *("diarize", tmp_path / "empty.wav", conversations / "mixture-00000.flac", "--vad"),
        *("-m", speech_checkpoint, "--failures", failures),
    )
    assert code == 3
    assert "mixture-00000" in out
    assert "empty.wav" in err
    assert json.loads(failures.read_text())["file"].endswith("empty.wav")
