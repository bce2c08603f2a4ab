"""Flags of the beam search."""

from pathlib import Path

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


NOTHING = {
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
def test_flags_are_options(flags: dict[str, int | str], expected: DecodingOptions) -> None:
    assert decoding_options(**NOTHING | flags) == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"alpha": 0.5}, "give --lm"),
        ({"beta": 0.0}, "give --lm"),
        ({"hot_word_weight": 1.0}, "needs --hotwords"),
    ],
)
def test_a_weight_of_nothing_is_wrong_usage(flags: dict[str, float], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        decoding_options(**NOTHING | flags)
