"""Training a language leaves the base alone, and its folder works on its own and with others."""

import copy

import pytest
import torch

from wav2vec2_conformer.checkpoints.adapters import add_language, choose_language
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.models.adapters import adapter_tensors
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import build_processor, build_vocabulary
from wav2vec2_conformer.training.adaptation.language import add_language_adapter, save_language

TEXTS = {"ara": "السلام عليكم", "eng": "peace be upon you"}


@pytest.fixture
def base_folder(tiny_config_kwargs, tmp_path):
    Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs)).save_pretrained(
        tmp_path / "base"
    )
    return tmp_path / "base"


def train_language(base_folder, language, folder):
    """Train an adapter for a few updates; return model and folder."""
    processor = build_processor(build_vocabulary([TEXTS[language]]))
    model = Wav2Vec2ConformerForCTC.from_pretrained(
        base_folder,
        adapter_attn_dim=4,
        vocab_size=len(processor.tokenizer),
        ctc_loss_reduction="mean",
        ignore_mismatched_sizes=True,
    )
    add_language_adapter(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    model.train()
    for _ in range(4):
        labels = torch.tensor([processor.tokenizer(TEXTS[language]).input_ids[:6]])
        model(torch.randn(1, 12_000), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    save_language(model.eval(), processor, folder, language)
    return model


def test_only_adapters_and_output_layer_are_trained(base_folder, tmp_path):
    model = train_language(base_folder, "ara", tmp_path / "ara")
    base = Wav2Vec2ConformerForCTC.from_pretrained(base_folder).state_dict()
    own = set(adapter_tensors(model))
    assert {n for n, p in model.named_parameters() if p.requires_grad} == own
    trained = model.state_dict()
    assert trained.keys() - own == base.keys() - own
    for name in base.keys() - own:
        assert torch.equal(trained[name], base[name]), name
    adapters = [v for n, v in adapter_tensors(model).items() if n.endswith("linear_2.weight")]
    assert all(value.any() for value in adapters)


def test_trained_languages_take_turns_on_the_base(base_folder, tmp_path):
    waveform = torch.randn(1, 12_000)
    expected = {}
    for language in TEXTS:
        model = train_language(base_folder, language, tmp_path / language)
        with torch.inference_mode():
            expected[language] = model(waveform).logits
    both = tmp_path / "eng"
    add_language(both, tmp_path / "ara", "ara")
    model, processor = Wav2Vec2ConformerForCTC.from_pretrained(both), load_processor(both)
    for language in ("ara", "eng", "ara"):
        model.load_adapter(language)
        choose_language(processor, language)
        with torch.inference_mode():
            assert torch.equal(model(waveform).logits, expected[language])
        assert len(processor.tokenizer) == model.config.vocab_size


def test_folder_of_a_language_transcribes_as_it_is(base_folder, tmp_path):
    train_language(base_folder, "ara", tmp_path / "ara")
    transcript = Transcriber.from_pretrained(tmp_path / "ara").transcribe(
        torch.randn(16_000).numpy(), sample_rate_hz=16_000
    )
    assert set(transcript.text) <= set(TEXTS["ara"])
    assert transcript.text


def test_base_without_adapters_and_bad_names_are_refused(tiny_config_kwargs, tmp_path):
    model = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ConfigurationError, match="no language adapters"):
        add_language_adapter(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(InputError, match="such as 'ara'"):
        save_language(model, build_processor(build_vocabulary(["ab"])), tmp_path / "x", "a/b")
    assert not list(tmp_path.iterdir())
