"""What decoding takes of a processor, read from its files without transformers.

transformers' tokenizer and feature extractor bring the list of all its models with them, which
takes longer to put together than a transcript. What is not spelled out in the files is left to
them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.text.vocabulary import WORD_DELIMITER

_TOKENIZER, _FEATURE_EXTRACTOR = "Wav2Vec2CTCTokenizer", "Wav2Vec2FeatureExtractor"
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
# With these there is more to know than this reader does.
_FURTHER_FILES = ("processor_config.json", "added_tokens.json", "special_tokens_map.json")
_FURTHER_SETTINGS = ("additional_special_tokens", "extra_special_tokens", "target_lang")


@dataclass(frozen=True, slots=True)
class PlainTokenizer:
    """Names of tokens, in the words of transformers' tokenizers.

    Attributes:
        vocabulary: Tokens and their numbers, from 0 on.
        word_delimiter_token: The token between words.
        do_lower_case: Whether text is told in lower case.
        all_special_ids: Numbers of tokens that are no text.
    """

    vocabulary: dict[str, int]
    word_delimiter_token: str
    do_lower_case: bool
    all_special_ids: list[int]

    def get_vocab(self) -> dict[str, int]:
        """Return tokens and their numbers."""
        return dict(self.vocabulary)

    def convert_tokens_to_ids(self, token: str) -> int:
        """Return the number of a token."""
        return self.vocabulary[token]

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of numbers."""
        tokens = {number: token for token, number in self.vocabulary.items()}
        return [tokens[number] for number in ids]


@dataclass(frozen=True, slots=True)
class PlainFeatureExtractor:
    """How audio has to be, in the words of transformers' feature extractors.

    Attributes:
        sampling_rate: In Hz.
        do_normalize: Whether to zero mean and unit variance.
    """

    sampling_rate: int
    do_normalize: bool


@dataclass(frozen=True, slots=True)
class PlainProcessor:
    """What decoding takes of a processor.

    Attributes:
        folder: Where it was read.
        tokenizer: Names the tokens.
        feature_extractor: Says rate and normalization.
    """

    folder: Path
    tokenizer: PlainTokenizer
    feature_extractor: PlainFeatureExtractor

    def load(self) -> Any:
        """Return the `Wav2Vec2Processor` of the folder."""
        return load_processor(self.folder)


def read_plain_processor(folder: str | Path) -> PlainProcessor | None:
    """Read a processor's files.

    Args:
        folder: A folder, or anything else that a checkpoint is named by.

    Returns:
        None where they do not spell out what is asked, or are damaged: `load_processor` knows
        the rest, or says what is wrong.
    """
    folder = Path(folder)
    if any((folder / name).exists() for name in _FURTHER_FILES):
        return None
    try:
        vocabulary, settings, audio = (
            json.loads((folder / name).read_text(encoding="utf-8"))
            for name in ("vocab.json", "tokenizer_config.json", "preprocessor_config.json")
        )
    except (OSError, ValueError):
        return None
    if not all(isinstance(values, dict) for values in (vocabulary, settings, audio)):
        return None
    tokenizer = _build_tokenizer(vocabulary, settings)
    feature_extractor = _build_feature_extractor(audio)
    if tokenizer is None or feature_extractor is None:
        return None
    return PlainProcessor(folder, tokenizer, feature_extractor)


def _build_tokenizer(vocabulary: dict[str, Any], settings: dict[str, Any]) -> PlainTokenizer | None:
    numbers = list(vocabulary.values())
    delimiter, lowers_case = settings.get("word_delimiter_token"), settings.get("do_lower_case")
    if (
        settings.get("tokenizer_class") != _TOKENIZER
        or any(settings.get(name) for name in _FURTHER_SETTINGS)
        or not all(type(number) is int for number in numbers)
        or sorted(numbers) != list(range(len(numbers)))
        or delimiter != WORD_DELIMITER  # some versions believe no other that a file names
        or delimiter not in vocabulary
        or not isinstance(lowers_case, bool)
    ):
        return None
    special_ids = []
    for name in _SPECIAL_TOKENS:
        # One that is not named has a default; one that is not in the vocabulary is added to it.
        token = settings.get(name, ...)
        if token is not None and not (isinstance(token, str) and token in vocabulary):
            return None
        if token is not None:
            special_ids.append(vocabulary[token])
    added = settings.get("added_tokens_decoder", {})
    if not isinstance(added, dict):
        return None
    for number, token in added.items():
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or str(vocabulary.get(content)) != number:
            return None
    return PlainTokenizer(vocabulary, WORD_DELIMITER, lowers_case, special_ids)


def _build_feature_extractor(audio: dict[str, Any]) -> PlainFeatureExtractor | None:
    rate_hz, normalizes = audio.get("sampling_rate"), audio.get("do_normalize")
    if (
        audio.get("feature_extractor_type") != _FEATURE_EXTRACTOR
        or type(rate_hz) is not int
        or not isinstance(normalizes, bool)
    ):
        return None
    return PlainFeatureExtractor(rate_hz, normalizes)
