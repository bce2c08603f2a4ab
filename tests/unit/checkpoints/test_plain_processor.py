"""What decoding takes of a processor is what transformers reads of the same files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import Wav2Vec2CTCTokenizer

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path
from wav2vec2_conformer.checkpoints.plain_processor import read_plain_processor
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.text.vocabulary import (
    LIBRISPEECH_VOCABULARY,
    build_processor,
    build_vocabulary,
    write_processor,
)

ARABIC = build_vocabulary(["سلام عليكم"])


def save(folder: Path, vocabulary: dict[str, int] = LIBRISPEECH_VOCABULARY) -> Path:
    write_processor(build_processor(vocabulary), folder)
    return folder


def change(folder: Path, name: str, **values: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}))


def check(folder: Path) -> None:
    plain, whole = read_plain_processor(folder), load_processor(folder)
    assert plain is not None
    own, others = plain.tokenizer, whole.tokenizer
    delimiter = others.word_delimiter_token
    delimiter_id = others.convert_tokens_to_ids(delimiter)
    assert own.get_vocab() == others.get_vocab()
    assert own.word_delimiter_token == delimiter
    assert own.convert_tokens_to_ids(delimiter) == delimiter_id
    ids = list(range(len(own.vocabulary)))
    assert own.convert_ids_to_tokens(ids) == others.convert_ids_to_tokens(ids)
    assert set(own.all_special_ids) == set(others.all_special_ids) - {delimiter_id}
    assert own.do_lower_case == others.do_lower_case
    assert plain.feature_extractor.sampling_rate == whole.feature_extractor.sampling_rate
    assert plain.feature_extractor.do_normalize == whole.feature_extractor.do_normalize
    assert type(plain.load()) is type(whole)


def test_the_bundled_one() -> None:
    check(bundled_checkpoint_path())


@pytest.mark.parametrize("vocabulary", [LIBRISPEECH_VOCABULARY, ARABIC], ids=["english", "arabic"])
def test_one_of_this_package(tmp_path: Path, vocabulary: dict[str, int]) -> None:
    check(save(tmp_path, vocabulary))


def test_other_settings_are_read(tmp_path: Path) -> None:
    save(tmp_path)
    change(tmp_path, "tokenizer_config.json", do_lower_case=True)
    change(tmp_path, "preprocessor_config.json", do_normalize=False, sampling_rate=8_000)
    check(tmp_path)
    plain = read_plain_processor(tmp_path)
    assert plain is not None
    assert plain.tokenizer.do_lower_case
    assert plain.feature_extractor.sampling_rate == 8_000


def leave_out_a_special_token(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text())
    del values["unk_token"]
    path.write_text(json.dumps(values))


def add_a_token(folder: Path) -> None:
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<laugh>"])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: change(folder, "tokenizer_config.json", bos_token="<start>"),  # noqa: S106 - a token of text
        leave_out_a_special_token,
        add_a_token,
        lambda folder: change(folder, "vocab.json", A=5_000),
        lambda folder: change(folder, "vocab.json", A={"B": 1}),
        lambda folder: change(folder, "tokenizer_config.json", word_delimiter_token="/"),  # noqa: S106
        lambda folder: change(folder, "tokenizer_config.json", word_delimiter_token="E"),  # noqa: S106
        lambda folder: change(folder, "tokenizer_config.json", target_lang="ara"),
        lambda folder: change(folder, "tokenizer_config.json", added_tokens_decoder=["A"]),
        lambda folder: change(folder, "tokenizer_config.json", added_tokens_decoder={"0": "A"}),
        lambda folder: change(folder, "tokenizer_config.json", tokenizer_class="Own"),
        lambda folder: change(folder, "preprocessor_config.json", feature_extractor_type="Own"),
        lambda folder: change(folder, "preprocessor_config.json", sampling_rate="16 kHz"),
        lambda folder: (folder / "preprocessor_config.json").write_text("no JSON"),
        lambda folder: (folder / "vocab.json").write_text("[]"),
        lambda folder: (folder / "vocab.json").unlink(),
    ],
)
def test_what_is_not_spelled_out_is_left_to_transformers(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    save(tmp_path)
    assert read_plain_processor(tmp_path) is not None
    spoil(tmp_path)
    assert read_plain_processor(tmp_path) is None


def test_a_processor_in_one_file_is_left_to_transformers(tmp_path: Path) -> None:
    build_processor(LIBRISPEECH_VOCABULARY).save_pretrained(tmp_path)
    assert read_plain_processor(tmp_path) is None


def test_a_name_on_the_hub_is_left_to_transformers() -> None:
    assert read_plain_processor("somebody/a-model") is None
