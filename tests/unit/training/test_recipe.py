"""Recipes have strict names and types, can be changed, and give the same settings again."""

from dataclasses import fields

import pytest

from wav2vec2_conformer.data.augmentation import Augmentation
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.recipe import build_settings, read_recipe, write_recipe
from wav2vec2_conformer.training.settings import FinetuneSettings


@pytest.fixture
def recipe(tmp_path):
    """Return a function that writes a recipe and reads its settings."""

    def read(text, *overrides):
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        return build_settings(FinetuneSettings, read_recipe(path, overrides))

    return read


def test_values_have_the_types_of_their_settings(recipe, tmp_path):
    settings = recipe("train: a.jsonl\nlearning_rate: 3e-4\nmax_duration_s: null\ngain_db: 6\n")
    assert settings.train == (type(tmp_path)("a.jsonl"),)
    assert (settings.learning_rate, settings.max_duration_s, settings.gain_db) == (3e-4, None, 6.0)


def test_what_is_left_out_has_the_default(recipe):
    assert recipe("description: nothing else\n") == FinetuneSettings()


def test_overrides_change_values_and_entries_of_mappings(recipe):
    text = "seed: 1\nmodel_config:\n  layerdrop: 0.1\n"
    settings = recipe(text, "seed=2", "model_config.mask_time_prob=0.5", "bf16=true")
    assert (settings.seed, settings.bf16) == (2, True)
    assert settings.model_config == {"layerdrop": 0.1, "mask_time_prob": 0.5}


def test_names_of_the_trainer_are_taken(recipe):
    settings = recipe("adam_epsilon: 1e-6\ntrainer_arguments:\n  fp16: true\n")
    assert settings.trainer_arguments == {"adam_epsilon": 1e-6, "fp16": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 1.0", r"learning_rat is no setting .* did you mean learning_rate"),
        ("gradient_chekpointing: true", "did you mean gradient_checkpointing"),
        ("torch_compile_backend: eager", "has no effect here; use torch_compile"),
        ("lr_scheduler_type: cosine", "has no effect here; use schedule"),
        ("trainer_arguments: {seed: 1}", r"trainer_arguments\.seed: give seed by itself"),
        ("seed: 1.5", r"seed must be a whole number, got 1\.5"),
        ("seed: true", "seed must be a whole number, got True"),
        ("bf16: 1", "bf16 must be true or false, got 1"),
        ("learning_rate: fast", "learning_rate must be a number, got 'fast'"),
        ("task: tts", "task must be one of ctc, classification, frame-classification, xvector"),
        ("noise_snr_db: [1, 2, 3]", "noise_snr_db must be a list of 2 values"),
        ("model_config: small", "model_config must be a mapping of names to values"),
        ("valid: 3", "valid must be a path, got 3"),
        ("- seed", "a recipe is a mapping of names to values"),
        ("seed: 1\nseed: 2", "no YAML: seed is given twice"),
        ("seed: [", "no YAML"),
    ],
)
def test_what_is_wrong_is_said(recipe, text, message):
    with pytest.raises(InputError, match=message):
        recipe(text)


@pytest.mark.parametrize("override", ["seed", "=1", "seed.=1", ".seed=1"])
def test_overrides_have_one_form(recipe, override):
    with pytest.raises(InputError, match=r"must be key=value or key\.name=value"):
        recipe("seed: 1", override)


def test_an_entry_of_no_mapping_is_refused(recipe):
    with pytest.raises(InputError, match="seed is no mapping but 1"):
        recipe("seed: 1", "seed.x=2")


def test_a_recipe_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"large-10: .* did you mean large-1"):
        read_recipe("large-10")


def test_written_settings_are_read_again(tmp_path):
    settings = build_settings(
        FinetuneSettings,
        {"train": ["a", "b"], "update_seconds": 1600, "adam_epsilon": 1e-6, "valid": "c.jsonl"},
    )
    path = write_recipe(settings, tmp_path / "run" / "recipe.yaml")
    assert build_settings(FinetuneSettings, read_recipe(path)) == settings
    assert [p.name for p in path.parent.iterdir()] == ["recipe.yaml"]


def test_settings_of_the_augmentation_are_those_of_the_augmentation():
    settings = FinetuneSettings()
    for field in fields(Augmentation):
        assert getattr(settings, field.name) == field.default
