"""Flags of the beam search."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer

from wav2vec2_conformer.cli.decoding_flags import (
    ALPHA,
    BETA,
    HOT_WORD_WEIGHT,
    decoding_options,
    read_hot_words,
)
from wav2vec2_conformer.inference.decoder import DecodingOptions

ARPA = Path(__file__).parents[1] / "language_models" / "small.arpa"


@pytest.mark.parametrize(
    ("value", "phrases"),
    [
        ("acme", ["acme"]),
        ("acme,New York", ["acme", "New York"]),
        (" acme , ,b,", ["acme", "b"]),
        ("مرحبا", ["مرحبا"]),
    ],
)
def test_words_and_phrases_stand_between_commas(value: str, phrases: list[str]) -> None:
    assert read_hot_words(value, 4.0) == dict.fromkeys(phrases, 4.0)


def test_a_file_has_one_a_line_and_weights(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeffacme\nNew York\t2.5\n\n  b  \t\n", encoding="utf-8")
    assert read_hot_words(f"@{path}", 4.0) == {"acme": 4.0, "New York": 2.5, "b": 4.0}


@pytest.mark.parametrize("value", ["", " , ", "@empty.txt"])
def test_no_word_at_all_is_wrong_usage(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(typer.BadParameter, match="there is no word"):
        read_hot_words(value, 1.0)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"missing\.txt: No such file"):
        read_hot_words(f"@{tmp_path / 'missing.txt'}", 1.0)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(typer.BadParameter, match=r"latin\.txt: it is no UTF-8 text"):
        read_hot_words(f"@{tmp_path / 'latin.txt'}", 1.0)


def test_a_weight_that_is_no_number_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("acme\nb\tmuch\n")
    with pytest.raises(typer.BadParameter, match=r"words.txt:2: the weight .* 'much'"):
        read_hot_words(f"@{path}", 1.0)


NOTHING: dict[str, Any] = {
    "model": None,
    "greedy": False,
    "beam_width": None,
    "num_best": None,
    "language_model": None,
    "alpha": None,
    "beta": None,
    "hot_words": None,
    "hot_word_weight": None,
}


def test_no_flag_is_no_search() -> None:
    assert decoding_options(**NOTHING) is None


def test_the_defaults_that_help_shows_are_those_of_the_library() -> None:
    options = DecodingOptions()
    shown = (ALPHA, BETA, HOT_WORD_WEIGHT)
    assert shown == (options.alpha, options.beta, options.hot_word_weight)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"beam_width": 7}, DecodingOptions(beam_width=7)),
        ({"num_best": 3}, DecodingOptions(num_best=3)),
        ({"num_best": 1}, DecodingOptions()),
        ({"hot_words": "a,b"}, DecodingOptions(hot_words={"a": 10.0, "b": 10.0})),
        (
            {"hot_words": "a", "hot_word_weight": 0.0},
            DecodingOptions(hot_words={"a": 0.0}),
        ),
    ],
)
def test_flags_are_options(plain: str, flags: dict[str, object], expected: DecodingOptions) -> None:
    assert decoding_options(**NOTHING | {"model": plain} | flags) == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"alpha": 0.5}, "give --lm"),
        ({"beta": 0.0}, "give --lm"),
        ({"hot_word_weight": 1.0}, "needs --hotwords"),
        ({"greedy": True, "beam_width": 4}, "no other flag"),
        ({"greedy": True, "hot_words": "a"}, "no other flag"),
    ],
)
def test_a_weight_of_nothing_is_wrong_usage(
    plain: str, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        decoding_options(**NOTHING | {"model": plain} | flags)


def test_greedy_leaves_the_language_model_of_the_folder_out(own_language_model: str) -> None:
    assert decoding_options(**NOTHING | {"model": own_language_model}) is None
    options = decoding_options(**NOTHING | {"model": own_language_model, "greedy": True})
    assert options == DecodingOptions()


def test_other_flags_change_what_the_folder_says(own_language_model: str) -> None:
    options = decoding_options(
        **NOTHING | {"model": own_language_model, "hot_words": "a", "beta": 0.25}
    )
    assert options is not None
    assert options.language_model is not None
    assert (options.alpha, options.beta, options.hot_words) == (0.75, 0.25, {"a": 10.0})


def test_a_given_language_model_is_weighed_as_if_it_were_alone(own_language_model: str) -> None:
    options = decoding_options(
        **NOTHING | {"model": own_language_model, "language_model": ARPA, "beta": 0.0}
    )
    assert options is not None
    assert (options.alpha, options.beta) == (DecodingOptions().alpha, 0.0)


@pytest.fixture
def plain(tmp_path: Path) -> str:
    """A model's folder without a language model, as far as decoding looks at it."""
    (tmp_path / "config.json").write_text("{}")
    return str(tmp_path)


@pytest.fixture
def own_language_model(plain: str) -> str:
    """A model's folder with a language model and its weights."""
    tmp_path = Path(plain)
    shutil.copy(ARPA, tmp_path)
    weights = {"alpha": 0.75, "beta": 0.5, "unknown_word_score": -9.0, "beam_width": 20}
    settings = {"schema_version": 1, "language_model": ARPA.name, **weights}
    (tmp_path / "language_model.json").write_text(json.dumps(settings))
    return plain
