"""Languages take turns in one model: exactly, at once, and nothing but their weights moves."""

import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from wav2vec2_conformer.checkpoints.adapters import save_adapter
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError, InputError
from wav2vec2_conformer.models.adapters import adapter_tensors, list_languages, put_adapter
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.nn.adapter_language import LanguageAdapter

WAVEFORMS = torch.linspace(-1, 1, 8000).sin().repeat(2, 1)


def draw_language(model, num_tokens, seed):
    """Give a model the weights of a language that was trained."""
    torch.manual_seed(seed)
    tensors = {
        name: torch.randn(
            num_tokens if name.startswith("lm_head") else len(value), *value.shape[1:]
        )
        for name, value in adapter_tensors(model).items()
    }
    put_adapter(model, tensors, "drawn")


@pytest.fixture
def folder(tiny_config_kwargs, tmp_path):
    """A base model with the files of two languages, of 12 and 20 tokens."""
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs, adapter_attn_dim=4)
    model = Wav2Vec2ConformerForCTC(config)
    model.save_pretrained(tmp_path)
    for language, num_tokens, seed in [("eng", 12, 1), ("ara", 20, 2)]:
        draw_language(model, num_tokens, seed)
        save_adapter(model, tmp_path, language)
    return tmp_path


def logits(model):
    with torch.inference_mode():
        return model(WAVEFORMS).logits


def test_block_adds_what_the_adapter_returns():
    adapter = LanguageAdapter(6, 3)
    x = torch.randn(2, 5, 6)
    normed = torch.nn.functional.layer_norm(x, (6,))
    narrow = (normed @ adapter.linear_1.weight.T + adapter.linear_1.bias).clamp(min=0)
    expected = narrow @ adapter.linear_2.weight.T + adapter.linear_2.bias
    torch.testing.assert_close(adapter(x), expected)


def test_swapping_is_bit_exact_in_both_directions(folder):
    fresh = {
        language: Wav2Vec2ConformerForCTC.from_pretrained(folder, target_lang=language)
        for language in ("eng", "ara")
    }
    expected = {language: logits(model) for language, model in fresh.items()}
    assert {language: values.shape[2] for language, values in expected.items()} == {
        "eng": 12,
        "ara": 20,
    }
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder)
    for language in ("ara", "eng", "ara", "ara", "eng"):
        model.load_adapter(language)
        assert model.target_lang == language
        assert model.config.vocab_size == expected[language].shape[2]
        assert torch.equal(logits(model), expected[language])


def test_adapters_take_effect_in_every_block(folder):
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder, target_lang="eng")
    before = logits(model)
    adapters = [m for m in model.modules() if isinstance(m, LanguageAdapter)]
    assert len(adapters) == model.config.num_hidden_layers
    for adapter in adapters:
        with torch.no_grad():
            adapter.linear_2.bias.add_(torch.randn(16))
        after = logits(model)
        assert not torch.allclose(after, before)
        before = after


def test_base_keeps_its_place_in_memory_and_its_values(folder):
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder, target_lang="eng")
    own = set(adapter_tensors(model))
    base = {n: (p.data_ptr(), p.clone()) for n, p in model.named_parameters() if n not in own}
    model.load_adapter("ara")
    parameters = dict(model.named_parameters())
    assert len(base) + len(own) == len(parameters)
    for name, (address, value) in base.items():
        assert parameters[name].data_ptr() == address
        assert torch.equal(parameters[name], value)


def test_swapping_at_the_large_size_takes_less_than_a_tenth_of_a_second(tmp_path):
    config = Wav2Vec2ConformerConfig(
        vocab_size=150,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=8,  # the base is not touched, so its size does not matter
        conv_dim=(8,) * 7,
        position_embeddings_type=None,
        adapter_attn_dim=16,
    )
    with torch.device("meta"):
        model = Wav2Vec2ConformerForCTC(config)
    for name, value in adapter_tensors(model).items():
        module, _, parameter = name.rpartition(".")
        setattr(
            model.get_submodule(module), parameter, torch.nn.Parameter(torch.zeros(value.shape))
        )
    save_adapter(model, tmp_path, "ara")
    model.config._name_or_path = model.name_or_path = str(tmp_path)
    times_s = []
    for _ in range(5):
        start_s = time.perf_counter()
        model.load_adapter("ara")
        times_s.append(time.perf_counter() - start_s)
    assert min(times_s) < 0.1


def test_same_language_is_read_again_only_if_asked(folder):
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder, target_lang="eng")
    with torch.no_grad():
        model.lm_head.bias.add_(1.0)
    changed = logits(model)
    model.load_adapter("eng", force_load=False)
    assert torch.equal(logits(model), changed)
    model.load_adapter("eng")
    assert not torch.equal(logits(model), changed)


def test_type_and_training_of_the_weights_stay(folder):
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder, dtype=torch.bfloat16)
    model.requires_grad_(requires_grad=False)
    model.load_adapter("ara")
    assert {p.dtype for p in adapter_tensors(model).values()} == {torch.bfloat16}
    assert not any(p.requires_grad for p in model.parameters())


def test_new_adapters_change_nothing_but_the_head(tiny_config_kwargs, tmp_path):
    plain = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs)).eval()
    plain.save_pretrained(tmp_path)
    model = Wav2Vec2ConformerForCTC.from_pretrained(tmp_path, adapter_attn_dim=4)
    assert torch.equal(logits(model), logits(plain))
    draw_language(model, 12, 1)
    head = model.lm_head.weight.clone()
    model.init_adapter_layers()
    assert not torch.equal(model.lm_head.weight, head)
    hidden = [m.wav2vec2_conformer(WAVEFORMS).last_hidden_state for m in (model, plain)]
    assert torch.equal(*hidden)


def test_file_that_does_not_fit_changes_nothing(folder):
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder, target_lang="eng")
    expected = logits(model)
    tensors = load_file(folder / "adapter.ara.safetensors")
    wide = {n: v[:, :2] if n.endswith("linear_2.weight") else v for n, v in tensors.items()}
    few = {n: v for n, v in tensors.items() if ".layers.1." not in n}
    save_file({n: v.contiguous() for n, v in wide.items()}, folder / "adapter.xyz.safetensors")
    save_file(few | {"odd": torch.zeros(1)}, folder / "adapter.few.safetensors")
    (folder / "adapter.cut.safetensors").write_bytes(b"short")
    for language, message in [
        ("xyz", r"'xyz': .*linear_2.weight has the shape \(16, 2\), this model wants \(16, 4\)"),
        ("few", r"6 weights are missing .*layers\.1\.adapter_layer.*1 are unknown \(odd\)"),
        ("cut", r"adapter.cut.safetensors: cannot be read"),
        ("fra", r"has no adapter.fra.safetensors; its languages are ara, cut, eng, few, xyz"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            model.load_adapter(language)
        assert model.target_lang == "eng"
        assert torch.equal(logits(model), expected)
    with pytest.raises(InputError, match=r"such as 'ara', got '\.\./secret'"):
        model.load_adapter("../secret")


def test_model_without_adapters_says_so(tiny_config_kwargs):
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs)
    with pytest.raises(ConfigurationError, match=r"target_lang='ara': .* no language adapters"):
        Wav2Vec2ConformerForCTC(config, target_lang="ara")
    with pytest.raises(ConfigurationError, match="adapter_attn_dim must be at least 1"):
        Wav2Vec2ConformerConfig(**tiny_config_kwargs, adapter_attn_dim=0)
    model = Wav2Vec2ConformerForCTC(config)
    for call in (model.init_adapter_layers, lambda: adapter_tensors(model)):
        with pytest.raises(ConfigurationError, match="no language adapters"):
            call()


def test_languages_of_a_folder_are_listed(folder):
    assert list_languages(folder) == ["ara", "eng"]
    assert list_languages(folder / "nowhere") == []
