"""A tiny random checkpoint and a model whose transcripts are known."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.conftest import LAYER_NORM_CONFIG
from torch import Tensor, nn
from transformers import (
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", "|", "A", "B", "C", "D", "E", "F", "G"]


class LevelModel(nn.Module):
    """Hears the level of the signal: 0.05 is token 5. A frame sees its 400 samples only."""

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(inputs_to_logits_ratio=320, pad_token_id=0)
        self.lm_head = nn.Linear(1, len(VOCABULARY))
        self.batch_shapes: list[tuple[int, ...]] = []

    def forward(
        self, input_values: Tensor, attention_mask: Tensor, *, return_dict: bool
    ) -> SimpleNamespace:
        assert return_dict
        assert attention_mask.shape == input_values.shape
        self.batch_shapes.append(tuple(input_values.shape))
        levels = input_values.unfold(1, 400, 320).median(dim=-1).values * 100
        distances = levels[..., None] - torch.arange(len(VOCABULARY))
        return SimpleNamespace(logits=-10 * distances**2)

    def _get_feat_extract_output_lengths(self, num_samples: int) -> Tensor:
        return torch.tensor(max(0, (num_samples - 400) // 320 + 1))


def make_processor(folder: Path, **feature_extractor: Any) -> Wav2Vec2Processor:
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(VOCABULARY)}))
    return Wav2Vec2Processor(
        feature_extractor=Wav2Vec2FeatureExtractor(return_attention_mask=True, **feature_extractor),
        tokenizer=Wav2Vec2CTCTokenizer(str(vocabulary)),
    )


@pytest.fixture
def level_model() -> LevelModel:
    return LevelModel()


@pytest.fixture
def level_processor(tmp_path: Path) -> Wav2Vec2Processor:
    return make_processor(tmp_path, do_normalize=False)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model whose transcripts are long and depend on every sample."""
    folder = tmp_path_factory.mktemp("tiny-checkpoint")
    make_processor(folder).save_pretrained(folder)
    torch.manual_seed(0)
    model = Wav2Vec2ConformerForCTC(
        Wav2Vec2ConformerConfig(vocab_size=len(VOCABULARY), **LAYER_NORM_CONFIG)
    )
    nn.init.normal_(model.lm_head.weight)
    model.save_pretrained(folder)
    return folder
