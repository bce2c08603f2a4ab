"""The released vocabulary, and processors that survive saving."""

import json

import pytest
from transformers import Wav2Vec2Processor

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.vocabulary import (
    LIBRISPEECH_VOCABULARY,
    build_processor,
    read_vocabulary,
    write_processor,
)


def test_ids_are_those_of_the_released_checkpoints():
    assert len(LIBRISPEECH_VOCABULARY) == 32
    expected = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "E": 5, "'": 27, "Z": 31}
    assert expected.items() <= LIBRISPEECH_VOCABULARY.items()


def test_tokenizer_encodes_and_decodes():
    tokenizer = build_processor(LIBRISPEECH_VOCABULARY).tokenizer
    assert len(tokenizer) == 32
    assert tokenizer.pad_token_id == 0
    ids = tokenizer("IT'S WELL É").input_ids
    assert ids == [10, 6, 27, 12, 4, 18, 5, 15, 15, 4, 3]
    assert tokenizer.decode(ids, group_tokens=False) == "IT'S WELL <unk>"
    assert tokenizer.decode([0, 18, 18, 5, 15, 0, 15, 15, 4]) == "WELL"


def test_vocabulary_without_sentence_tokens_gains_none():
    vocabulary = {"<pad>": 0, "<unk>": 1, "|": 2, "س": 3}
    tokenizer = build_processor(vocabulary).tokenizer
    assert tokenizer.get_vocab() == vocabulary
    assert tokenizer.bos_token_id is None


def test_written_processor_is_read_back(tmp_path):
    write_processor(build_processor(LIBRISPEECH_VOCABULARY), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} >= {
        "vocab.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
    }
    processor = Wav2Vec2Processor.from_pretrained(tmp_path)
    assert processor.tokenizer.get_vocab() == LIBRISPEECH_VOCABULARY
    assert processor.feature_extractor.do_normalize
    assert processor.feature_extractor.return_attention_mask


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as a vocabulary"),
        ("[]", "expected a JSON object of tokens and ids, got list"),
        (json.dumps({"<pad>": 0, "<unk>": 2, "|": 3}), r"must be 0 to 2, .*got \[0, 2, 3\]"),
        (json.dumps({"<pad>": 0, "A": 1}), r"must have the tokens <unk>, \|"),
    ],
)
def test_wrong_vocabulary_is_refused(tmp_path, content, message):
    path = tmp_path / "vocab.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_vocabulary(path)


def test_vocabulary_file_is_read(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps(LIBRISPEECH_VOCABULARY))
    assert read_vocabulary(path) == LIBRISPEECH_VOCABULARY
