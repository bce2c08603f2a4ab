"""A transcriber of a plain folder loads what a transcript takes, and the rest when asked for."""

from pathlib import Path

import pytest
import torch
from transformers import Wav2Vec2Processor

from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.checkpoints.plain_processor import PlainProcessor
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.inference.loading import load_ctc, load_ctc_network
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.models.ctc_network import CtcNetwork
from wav2vec2_conformer.models.int8 import is_int8
from wav2vec2_conformer.nn.int8_linear import has_int8_products

CLIP = bundled_clips()[0]


@pytest.fixture
def transcriber() -> Transcriber:
    loaded = Transcriber.from_pretrained(device="cpu", decoding=DecodingOptions())
    assert type(loaded.network) is CtcNetwork
    return loaded


def test_model_and_processor_are_those_of_transformers(transcriber: Transcriber) -> None:
    before = transcriber.transcribe(CLIP)
    assert before.text
    assert type(transcriber.network) is CtcNetwork
    model, processor = transcriber.model, transcriber.processor
    assert type(model) is Wav2Vec2ConformerForCTC
    assert transcriber.network is transcriber.model is model
    assert type(processor) is Wav2Vec2Processor
    assert transcriber.processor is processor
    assert transcriber.transcribe(CLIP) == before


def test_what_is_done_to_the_model_is_heard(transcriber: Transcriber) -> None:
    head = transcriber.model.lm_head
    silent = torch.nn.Linear(head.in_features, head.out_features)
    torch.nn.init.zeros_(silent.weight)
    torch.nn.init.zeros_(silent.bias)
    silent.bias.data[transcriber.model.config.pad_token_id] = 10.0
    transcriber.model.lm_head = silent
    assert transcriber.transcribe(CLIP).text == ""


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16"])
def test_both_ways_of_loading_compute_the_same(compute_type: str) -> None:
    texts = []
    for load, kind in ((load_ctc_network, CtcNetwork), (load_ctc, Wav2Vec2ConformerForCTC)):
        model, processor = load(None, device="cpu", compute_type=compute_type)
        assert type(model) is kind
        assert isinstance(processor, PlainProcessor) == (kind is CtcNetwork)
        texts.append(Transcriber(model, processor).transcribe(CLIP))
    assert texts[0].text
    assert texts[0] == texts[1]


@pytest.mark.may_skip
@pytest.mark.skipif(not has_int8_products(), reason="this processor has no VNNI")
def test_an_int8_model_is_not_saved(tmp_path: Path) -> None:
    options = DecodingOptions()
    transcriber = Transcriber.from_pretrained(device="cpu", compute_type="int8", decoding=options)
    assert type(transcriber.network) is CtcNetwork
    assert is_int8(transcriber.model)
    with pytest.raises(InputError, match="convert"):
        transcriber.model.save_pretrained(tmp_path)


def test_other_folders_are_loaded_by_transformers(tiny_checkpoint: Path) -> None:
    assert (tiny_checkpoint / "processor_config.json").is_file()
    transcriber = Transcriber.from_pretrained(tiny_checkpoint, device="cpu")
    assert type(transcriber.network) is Wav2Vec2ConformerForCTC
