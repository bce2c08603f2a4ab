"""Reading a language model from a file, whatever its format."""

from pathlib import Path

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.language_models.arpa import read_arpa, read_arpa_words
from wav2vec2_conformer.language_models.kenlm_model import (
    KenlmModel,
    is_kenlm_binary,
    is_kenlm_installed,
    read_binary_words,
)
from wav2vec2_conformer.language_models.language_model import LanguageModel
from wav2vec2_conformer.language_models.word_list import WordList

WORDS_SUFFIX = ".words"


def load_language_model(path: str | Path) -> LanguageModel:
    """Load an n-gram model of words: an ARPA file, plain or gzip, or a binary of KenLM.

    KenLM reads it where one of its packages is installed; otherwise our own reader does, with
    the same scores, but ARPA files alone. The words of a binary are those that it holds, or
    those of a file with the same name and `.words` behind it, one a line. With neither, the
    model still knows each word, but takes every beginning of a word as possible.

    Args:
        path: The file.

    Raises:
        InputError: The file is missing, is no language model, or is damaged.
        MissingExtraError: It is a binary, and KenLM is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such language model. Name an ARPA file (.arpa, .arpa.gz) or a "
            "binary of KenLM."
        )
    try:
        is_binary = is_kenlm_binary(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    if is_binary:
        return KenlmModel(path, _find_words(path))
    if not is_kenlm_installed():
        return read_arpa(path)
    words = WordList(read_arpa_words(path))
    try:
        return KenlmModel(path, words)
    except InputError:
        # Longer n-grams than KenLM was compiled for, gzip without zlib, or a damaged file, of
        # which our own reader names the line.
        return read_arpa(path)


def _find_words(path: Path) -> WordList | None:
    beside = path.with_name(path.name + WORDS_SUFFIX)
    if not beside.is_file():
        words = read_binary_words(path)
        return None if words is None else WordList(words)
    try:
        return WordList(beside.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{beside}: cannot be read as a list of words: {error}") from error
