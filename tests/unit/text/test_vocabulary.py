"""The released vocabulary, and processors that survive saving."""

import json

import pytest
from transformers import Wav2Vec2Processor

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.normalization import count_unknown, normalize_text
from wav2vec2_conformer.text.vocabulary import (
    LIBRISPEECH_VOCABULARY,
    build_processor,
    build_vocabulary,
    format_vocabulary,
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


SCRIPTS = {
    "english": "It\u2019s a caf\u00e9, (twenty-one) IT'S 'quoted' \u2014 3!",
    "turkish": "\u0130stanbul \u0131l\u0131k",
    "arabic with diacritics": (
        "\u0627\u0644\u0633\u0651\u064e\u0644\u064e\u0627\u0645\u064f\u060c "
        "\u0639\u064e\u0644\u064e\u064a\u0652\u0643\u064f\u0645\u061f"
    ),
    "hindi": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0939\u093f\u0928\u094d\u0926\u0940\u0964",
    "chinese": "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u4f60",
    "korean, decomposed": "\u1112\u1161\u11ab\u1100\u1173\u11af",
}


@pytest.mark.parametrize("letter_case", ["lower", "upper"])
@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_vocabulary_spells_the_texts_it_was_built_of(text, letter_case):
    vocabulary = build_vocabulary([text], letter_case=letter_case)
    spelled = normalize_text(text, vocabulary)
    assert not count_unknown([spelled], vocabulary)
    tokenizer = build_processor(vocabulary).tokenizer
    ids = tokenizer(spelled).input_ids
    assert vocabulary["<unk>"] not in ids
    assert tokenizer.decode(ids, group_tokens=False) == spelled
    used = set(spelled.replace(" ", "|"))
    assert set(vocabulary) == {"<pad>", "<unk>", "|"} | used


def test_marks_are_tokens_and_composed_letters_are_one():
    hindi = build_vocabulary([SCRIPTS["hindi"]])
    assert {"\N{DEVANAGARI SIGN VIRAMA}", "\N{DEVANAGARI VOWEL SIGN E}"} <= hindi.keys()
    assert "\N{DEVANAGARI DANDA}" not in hindi
    assert "\u00e9" in build_vocabulary(["e\u0301"])
    assert list(build_vocabulary([SCRIPTS["korean, decomposed"]])) == [
        *("<pad>", "<unk>", "|", "\uae00", "\ud55c"),
    ]
    assert "\N{ARABIC SHADDA}" in build_vocabulary([SCRIPTS["arabic with diacritics"]])


def test_both_cases_are_kept_where_asked():
    vocabulary = build_vocabulary(["Go go"], letter_case="keep")
    assert list(vocabulary) == ["<pad>", "<unk>", "|", "G", "g", "o"]
    assert normalize_text("Go, go!", vocabulary) == "Go go"


def test_rare_characters_are_left_out():
    texts = ["aaa bb c"]
    assert list(build_vocabulary(texts, min_count=2)) == ["<pad>", "<unk>", "|", "a", "b"]
    with pytest.raises(InputError, match=r"no character 9 times or more.*3 characters are rarer"):
        build_vocabulary(texts, min_count=9)
    with pytest.raises(InputError, match="min_count must be at least 1, got 0"):
        build_vocabulary(texts, min_count=0)


def test_built_vocabulary_is_written_and_read_back(tmp_path):
    vocabulary = build_vocabulary(SCRIPTS.values())
    path = tmp_path / "vocab.json"
    path.write_text(format_vocabulary(vocabulary), encoding="utf-8")
    assert read_vocabulary(path) == vocabulary
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(vocabulary) + 2
