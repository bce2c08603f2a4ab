"""`finetune --task ...` on tones: it learns, and what it saves works where it is used."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.errors import InputError, ManifestError
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.verifier import Verifier
from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.model_folder import latest_checkpoint
from wav2vec2_conformer.training.report.examples import read_examples
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import read_feature_extractor

PITCHES_HZ = {"low": 300, "middle": 1000, "high": 3000}


@pytest.fixture
def clips(tmp_path):
    """Return a manifest of 15 tones after half a second of near silence."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(15):
        label = list(PITCHES_HZ)[i % 3]
        num_samples = 14_400 + 800 * (i % 4)
        samples = 0.3 * np.sin(2 * np.pi * PITCHES_HZ[label] / 16_000 * np.arange(num_samples))
        samples[:8000] = 0.0
        samples += 0.003 * rng.standard_normal(num_samples)
        soundfile.write(tmp_path / f"{i}.wav", samples, 16_000)
        duration_s = num_samples / 16_000
        lines.append(
            {
                "audio_filepath": f"{i}.wav",
                "duration": duration_s,
                "label": label,
                "speaker": label,
                "segments": [{"start": 0.5, "end": duration_s, "speaker": label}],
            }
        )
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines))
    return manifest


@pytest.fixture
def settings(tmp_path, clips, tiny_config_kwargs):
    """Return settings that start from a CTC model, whose feature extractor is kept."""
    config = Wav2Vec2ConformerConfig(
        **tiny_config_kwargs
        | {
            "conv_dim": (16,) * 7,
            "hidden_size": 32,
            "feat_extract_norm": "layer",
            "position_embeddings_type": "rotary",
            "apply_spec_augment": False,
            # 80 updates have to be enough, whatever is drawn.
            "hidden_dropout": 0.0,
            "activation_dropout": 0.0,
            "attention_dropout": 0.0,
            "feat_proj_dropout": 0.0,
            "conformer_conv_dropout": 0.0,
            "layerdrop": 0.0,
        }
    )
    torch.manual_seed(0)
    start = tmp_path / "ctc"
    Wav2Vec2ConformerForCTC(config).save_pretrained(start)
    read_feature_extractor(None).save_pretrained(start)
    return FinetuneSettings(
        train=(clips,),
        valid=clips,
        model=str(start),
        output_dir=tmp_path / "out",
        batch_seconds=4.0,
        max_steps=80,
        learning_rate=1e-2,
        warmup_steps=5,
        logging_steps=20,
        eval_steps=80,
        save_steps=80,
        num_workers=0,
        report_to="none",
        use_cpu=True,
    )


def last_scores(settings):
    log = json.loads((latest_checkpoint(settings.output_dir) / "trainer_state.json").read_text())
    return [entry for entry in log["log_history"] if "eval_runtime" in entry][-1]


def clip(settings, index):
    return str(Path(settings.train[0]).parent / f"{index}.wav")


def test_classes_are_learned_and_named(settings):
    settings = replace(settings, task="classification")
    final = finetune(settings)
    assert last_scores(settings)["eval_accuracy"] == 1.0
    assert last_scores(settings)["eval_macro_f1"] == 1.0
    classifier = Classifier.from_pretrained(final)
    for i, label in enumerate(PITCHES_HZ):
        scores = classifier.classify(clip(settings, i)).scores
        assert max(scores, key=scores.__getitem__) == label


def test_several_labels_of_a_clip_are_learned(settings, clips):
    lines = [json.loads(line) for line in clips.read_text().splitlines()]
    for line in lines:
        line["labels"] = [line.pop("label"), "tone"]
    clips.write_text("\n".join(json.dumps(line) for line in lines))
    settings = replace(settings, task="classification", problem_type="multi_label_classification")
    final = finetune(settings)
    assert last_scores(settings)["eval_mean_average_precision"] > 0.8
    scores = Classifier.from_pretrained(final).classify(clip(settings, 1)).scores
    assert scores["tone"] > 0.9
    assert scores["low"] < 0.1


def test_a_frozen_encoder_is_left_as_it_was(settings, tmp_path):
    settings = replace(
        settings,
        task="xvector",
        freeze_encoder=True,
        model_config={"use_weighted_layer_sum": True},
    )
    final = finetune(settings)
    assert last_scores(settings)["eval_eer"] < 0.2
    verifier = Verifier.from_pretrained(final)
    same = verifier.verify(clip(settings, 0), clip(settings, 3)).score
    assert same > verifier.verify(clip(settings, 0), clip(settings, 2)).score
    before, after = (
        Wav2Vec2ConformerForCTC.from_pretrained(folder).base_model.state_dict()
        for folder in (tmp_path / "ctc", final)
    )
    assert [name for name in before if not before[name].equal(after[name])] == []


@pytest.mark.parametrize("frame_loss", ["multilabel", "powerset"])
def test_speech_is_found_in_frames(settings, frame_loss):
    settings = replace(
        settings,
        task="frame-classification",
        frame_labels="speakers",
        num_speakers=2,
        frame_loss=frame_loss,
        speed_perturbation=0.1,
    )
    final = finetune(settings)
    scores = last_scores(settings)
    assert scores["eval_frame_error_rate"] < 0.2
    assert scores["eval_frame_error_rate"] == pytest.approx(
        sum(scores[f"eval_{name}_rate"] for name in ("miss", "false_alarm", "confusion"))
    )
    turns = (
        Diarizer.from_pretrained(final, embedding_model=settings.model)
        .diarize(clip(settings, 0))
        .turns
    )
    assert turns[0].start_s == pytest.approx(0.5, abs=0.15)
    drawn = read_examples(settings.output_dir)[0].timeline
    assert drawn.reference[0].start_s == pytest.approx(0.5, abs=0.04)
    assert drawn.hypothesis[0].start_s == pytest.approx(0.5, abs=0.15)


def test_text_needs_a_vocabulary(settings):
    with pytest.raises(InputError, match=r"has no vocabulary \(vocab\.json\).*Give the characters"):
        finetune(replace(settings, task="ctc"))


@pytest.mark.parametrize(
    ("task", "key", "message"),
    [
        ("classification", "label", "has no label; expected a key label"),
        ("xvector", "speaker", "has no speaker; expected a key speaker"),
        ("frame-classification", "segments", "does not say who speaks when"),
    ],
)
def test_missing_targets_are_named(settings, clips, task, key, message):
    lines = [json.loads(line) for line in clips.read_text().splitlines()]
    for line in lines:
        line.pop(key)
    clips.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(ManifestError, match=message):
        finetune(replace(settings, task=task))


def test_processes_that_decode_audio_end_with_the_run(settings):
    before = set(multiprocessing.active_children())
    finetune(replace(settings, task="classification", max_steps=2, eval_steps=1, num_workers=1))
    assert set(multiprocessing.active_children()) <= before
