import json
from pathlib import Path

import pytest

from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.fused_language_model import (
    SETTINGS_NAME,
    FusionWeights,
    load_bundled_language_model,
    save_bundled_language_model,
)
from wav2vec2_conformer.language_models.ngram_building import build_language_model

WEIGHTS = FusionWeights(alpha=0.6, beta=-1.5, unknown_word_score=-8.0, beam_width=50)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "lm.arpa"
    build_language_model(["A B", "B A"], path, order=2)
    return path


def settings(**changes: object) -> str:
    entries = {
        "schema_version": 1,
        "language_model": "lm.arpa",
        "alpha": 0.5,
        "beta": 1,
        "unknown_word_score": -10,
        "beam_width": 100,
    }
    return json.dumps({**entries, **changes})


def test_what_is_saved_is_loaded(model: Path, arpa: Path) -> None:
    path = save_bundled_language_model(model, arpa, WEIGHTS, copy=True)
    assert path == model / SETTINGS_NAME
    assert sorted(entry.name for entry in model.iterdir()) == [SETTINGS_NAME, "lm.arpa"]
    loaded = load_bundled_language_model(model)
    assert loaded is not None
    language_model, weights = loaded
    assert weights == WEIGHTS
    assert "A" in language_model
    assert "C" not in language_model


def test_a_folder_without_one_has_none(model: Path) -> None:
    assert load_bundled_language_model(model) is None
    assert load_bundled_language_model("owner/name-on-the-hub") is None


def test_a_file_that_is_in_the_folder_needs_no_copy(model: Path, arpa: Path) -> None:
    arpa.rename(model / "lm.arpa")
    save_bundled_language_model(model, model / "lm.arpa", WEIGHTS, copy=False)
    assert load_bundled_language_model(model) is not None


def test_a_list_of_words_is_copied_with_its_model(model: Path, arpa: Path) -> None:
    (arpa.parent / "lm.arpa.words").write_text("A\nB\n")
    save_bundled_language_model(model, arpa, WEIGHTS, copy=True)
    assert (model / "lm.arpa.words").read_text() == "A\nB\n"


def test_a_file_outside_is_not_referred_to(model: Path, arpa: Path) -> None:
    with pytest.raises(InputError, match="outside the model's folder"):
        save_bundled_language_model(model, arpa, WEIGHTS, copy=False)
    assert not list(model.iterdir())


def test_a_missing_file_leaves_nothing_behind(model: Path, arpa: Path) -> None:
    arpa.unlink()
    with pytest.raises(InputError, match="No such file"):
        save_bundled_language_model(model, arpa, WEIGHTS, copy=True)
    assert not list(model.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "../lm.arpa",
        "/etc/passwd",
        "sub/lm.arpa",
        "..",
        ".",
        "",
        "c:lm.arpa",
        "..\\lm.arpa",
        3,
        None,
    ],
)
def test_the_file_must_lie_in_the_folder(model: Path, arpa: Path, name: object) -> None:
    assert arpa.is_file()
    (model / SETTINGS_NAME).write_text(settings(language_model=name))
    with pytest.raises(CheckpointError, match="must be the name of a file beside it"):
        load_bundled_language_model(model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "expected a JSON object, got list"),
        (settings(schema_version=2), "schema_version must be 1, got 2"),
        (settings(language_model="none.arpa"), "none.arpa, which is not beside it"),
        (settings(alpha=-1), "alpha must be a finite number and at least 0, got -1"),
        (settings(alpha="0.5"), "alpha must be a finite number"),
        (settings(beta=None), "beta must be a finite number, got None"),
        (settings(unknown_word_score=float("nan")), "unknown_word_score must be"),
        (settings(beam_width=0), "beam_width must be a finite number and at least 1"),
        (settings(beam_width=True), "beam_width must be"),
    ],
)
def test_damaged_settings_are_told(model: Path, arpa: Path, content: str, message: str) -> None:
    arpa.rename(model / "lm.arpa")
    (model / SETTINGS_NAME).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load_bundled_language_model(model)
