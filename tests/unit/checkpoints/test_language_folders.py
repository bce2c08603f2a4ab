"""A folder with languages: each has its vocabulary, and tokenizers change between them."""

import json

import pytest
from transformers import Wav2Vec2Processor

from wav2vec2_conformer.checkpoints.adapters import (
    add_language,
    add_vocabulary,
    build_language_processor,
    choose_language,
    read_vocabularies,
)
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.text.vocabulary import (
    LIBRISPEECH_VOCABULARY,
    build_processor,
    build_vocabulary,
    write_processor,
)

ARABIC = build_vocabulary(["السلام عليكم ورحمة الله"])
TEXTS = {"ara": "السلام|عليكم", "eng": "PEACE|BE"}


@pytest.fixture
def folder(tmp_path):
    vocabularies = {"ara": ARABIC, "eng": LIBRISPEECH_VOCABULARY}
    write_processor(build_language_processor(vocabularies, "eng"), tmp_path / "languages")
    return tmp_path / "languages"


def test_tokenizer_of_each_language_is_that_of_the_language_alone(folder):
    processor = load_processor(folder)
    alone = {"ara": build_processor(ARABIC), "eng": build_processor(LIBRISPEECH_VOCABULARY)}
    assert processor.tokenizer.target_lang == "eng"
    for language in ("ara", "eng", "ara", "eng"):
        choose_language(processor, language)
        tokenizer, expected = processor.tokenizer, alone[language].tokenizer
        ids = expected(TEXTS[language]).input_ids
        assert tokenizer(TEXTS[language]).input_ids == ids
        assert tokenizer.decode(ids) == expected.decode(ids) == TEXTS[language].replace("|", " ")
        assert tokenizer.pad_token_id == expected.pad_token_id == 0
        assert len(tokenizer) == len(expected)
        assert tokenizer.get_vocab() == expected.get_vocab()


def test_transformers_reads_the_folder_with_the_language_asked_for(folder):
    loaded = Wav2Vec2Processor.from_pretrained(folder, target_lang="ara")
    assert loaded.tokenizer.encoder == ARABIC
    assert read_vocabularies(folder) == {"ara": ARABIC, "eng": LIBRISPEECH_VOCABULARY}


def test_unknown_language_is_answered_with_those_there_are(folder):
    with pytest.raises(CheckpointError, match=r"no vocabulary of 'fra'; it has ara, eng"):
        choose_language(load_processor(folder), "fra")
    with pytest.raises(CheckpointError, match=r"it has one of a single language"):
        choose_language(build_processor(ARABIC), "ara")


def test_first_language_of_a_plain_folder_takes_the_place_of_its_vocabulary(tmp_path):
    write_processor(build_processor(LIBRISPEECH_VOCABULARY), tmp_path)
    assert read_vocabularies(tmp_path) == {}
    add_vocabulary(tmp_path, "ara", ARABIC)
    add_vocabulary(tmp_path, "eng", LIBRISPEECH_VOCABULARY)
    processor = load_processor(tmp_path)
    assert processor.tokenizer.target_lang == "eng"
    choose_language(processor, "ara")
    assert processor.tokenizer.encoder == ARABIC


def test_blank_must_be_the_same_token_in_all_languages(folder):
    moved = {"|": 0, "<unk>": 1, "<pad>": 2, "a": 3}
    before = (folder / "vocab.json").read_text()
    with pytest.raises(InputError, match=r"vocabulary of fra: <pad> must have the id 0.* got 2"):
        add_vocabulary(folder, "fra", moved)
    assert (folder / "vocab.json").read_text() == before


def test_language_is_copied_whole_or_not_at_all(folder, tmp_path):
    source = tmp_path / "source"
    write_processor(build_language_processor({"ell": build_vocabulary(["αβγ"])}, "ell"), source)
    with pytest.raises(CheckpointError, match=r"has no adapter.ell.safetensors .*languages: none"):
        add_language(folder, source, "ell")
    (source / "adapter.ell.safetensors").write_bytes(b"weights")
    add_language(folder, source, "ell")
    assert (folder / "adapter.ell.safetensors").read_bytes() == b"weights"
    assert sorted(read_vocabularies(folder)) == ["ara", "ell", "eng"]
    with pytest.raises(CheckpointError, match=r"no vocabulary of 'fra'; languages: ell"):
        add_language(folder, source, "fra")


@pytest.mark.parametrize(
    ("content", "message"),
    [("[]", "expected a JSON object, got list"), ("{", "cannot be read as a vocabulary")],
)
def test_damaged_vocabulary_is_named(tmp_path, content, message):
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        read_vocabularies(tmp_path)


def test_folder_without_tokenizer_is_named(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps(ARABIC))
    with pytest.raises(CheckpointError, match=r"tokenizer_config.json: cannot be read"):
        add_vocabulary(tmp_path, "ara", ARABIC)
