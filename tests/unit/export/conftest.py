"""Tiny checkpoints of every head, each exported once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor

import wav2vec2_conformer
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_conformer.export import export_model
from wav2vec2_conformer.models.wav2vec2_bert import Wav2Vec2BertModel
from wav2vec2_conformer.text.vocabulary import build_processor, write_processor

# The blank is not the first, so that a program that wants it there shows whether it is moved.
TOKENS = ["|", "<unk>", "<s>", "</s>", "<pad>", *"ABCDEFGHIJ"]
TINY = {
    "vocab_size": len(TOKENS),
    "pad_token_id": TOKENS.index("<pad>"),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "hidden_act": "swish",
    "feat_extract_norm": "layer",
    # One frame sees 960 samples and starts 640 after the one before.
    "conv_dim": (8, 8),
    "conv_kernel": (320, 3),
    "conv_stride": (320, 2),
    "conv_depthwise_kernel_size": 5,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
    "num_labels": 3,
    "tdnn_dim": (8, 8),
    "tdnn_kernel": (5, 3),
    "tdnn_dilation": (1, 2),
    "xvector_output_dim": 8,
    # What limits the reference's exports; here it limits nothing.
    "max_source_positions": 50,
}
# Name of an export: class, configuration, arguments.
EXPORTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ctc": ("ForCTC", {"position_embeddings_type": "relative"}, {}),
    "classification": (
        "ForSequenceClassification",
        {"position_embeddings_type": "rotary", "use_weighted_layer_sum": True},
        {},
    ),
    "frames": (
        "ForAudioFrameClassification",
        {"position_embeddings_type": None, "feat_extract_norm": "group"},
        {},
    ),
    "xvector": (
        "ForXVector",
        {"position_embeddings_type": "relative", "add_adapter": True, "num_adapter_layers": 1},
        {},
    ),
    "features": ("Model", {"position_embeddings_type": "convolutional"}, {}),
    "frames-relative": (
        "ForAudioFrameClassification",
        {"position_embeddings_type": "relative", "use_weighted_layer_sum": True},
        {},
    ),
    "onnx-asr": ("ForCTC", {"position_embeddings_type": None}, {"layout": "onnx-asr"}),
    "sherpa-onnx": ("ForCTC", {"position_embeddings_type": "rotary"}, {"layout": "sherpa-onnx"}),
}


@dataclass(frozen=True)
class Export:
    checkpoint: Path
    folder: Path
    report: dict[str, Any]
    model: Any


def save_checkpoint(class_name: str, folder: Path, *, seed: int = 3, **values: Any) -> Any:
    """Save a random model whose outputs differ from clip to clip, and return it."""
    torch.manual_seed(seed)
    model_class = getattr(wav2vec2_conformer, f"Wav2Vec2Conformer{class_name}")
    model = model_class(Wav2Vec2ConformerConfig(**{**TINY, **values})).eval()
    for name, parameter in model.named_parameters():
        if name.startswith(("lm_head", "classifier", "projector")) or "layer_weights" in name:
            torch.nn.init.normal_(parameter)
        elif name.startswith(("tdnn", "feature_extractor")):  # of x-vectors
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    if class_name == "ForCTC":
        write_processor(build_processor({token: i for i, token in enumerate(TOKENS)}), folder)
    else:
        Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return model


@contextmanager
def without_shape_checks() -> Iterator[None]:
    """Trace the model as users do: a symbolic size is no int to the checks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Export]:
    """Return the export of a name, made when it is asked for the first time."""
    made: dict[str, Export] = {}

    def export(name: str) -> Export:
        if name not in made:
            class_name, values, arguments = EXPORTS[name]
            place = tmp_path_factory.mktemp(name)
            model = save_checkpoint(class_name, place / "checkpoint", **values)
            with without_shape_checks():
                report = export_model(place / "checkpoint", place / "export", **arguments)
            made[name] = Export(place / "checkpoint", place / "export", report, model)
        return made[name]

    return export


@pytest.fixture
def other_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint like that of the export `ctc`, with other weights."""
    class_name, values, _ = EXPORTS["ctc"]
    save_checkpoint(class_name, tmp_path / "other", seed=4, **values)
    return tmp_path / "other"


@pytest.fixture(scope="session")
def exported_bert(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return the export of a bare model of log-mel features."""
    place = tmp_path_factory.mktemp("bert")
    torch.manual_seed(3)
    config = Wav2Vec2BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=20,
        feature_projection_input_dim=20,
        conv_depthwise_kernel_size=5,
    )
    model = Wav2Vec2BertModel(config).eval()
    model.save_pretrained(place / "checkpoint")
    extractor = SeamlessM4TFeatureExtractor(feature_size=10, num_mel_bins=10)
    extractor.save_pretrained(place / "checkpoint")
    with without_shape_checks():
        report = export_model(place / "checkpoint", place / "export")
    return Export(place / "checkpoint", place / "export", report, model)
