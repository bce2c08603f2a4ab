"""Vocabularies: the released English one, those of any texts, and their processors."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.text.characters import LetterCase, count_characters

if TYPE_CHECKING:  # slow to import
    from transformers import Wav2Vec2Processor

PAD, UNKNOWN, WORD_DELIMITER = "<pad>", "<unk>", "|"

# Token ids of the checkpoints fine-tuned on 960 hours of LibriSpeech: letters by frequency.
# The padding token is the CTC blank.
LIBRISPEECH_VOCABULARY: dict[str, int] = {
    token: token_id
    for token_id, token in enumerate(
        [PAD, "<s>", "</s>", UNKNOWN, WORD_DELIMITER, *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    )
}


def build_vocabulary(
    texts: Iterable[str], *, min_count: int = 1, letter_case: LetterCase = "lower"
) -> dict[str, int]:
    """Return a vocabulary of the characters that texts of any script are spelled with.

    After "<pad>" (the CTC blank), "<unk>" and "|" (the word delimiter), characters come in the
    order of their code points, so that a change of the texts changes little. A mark, such as a
    vowel sign of Devanagari, is a token of its own unless NFC has one character for it and its
    letter. `text.normalization.normalize_text` spells texts with the result.

    Args:
        texts: The texts of a training set.
        min_count: Rarer characters are left out and become "<unk>".
        letter_case: "lower", "upper", or "keep" for both cases.

    Raises:
        InputError: `min_count` is below 1, or no character is left.
    """
    if min_count < 1:
        raise InputError(f"min_count must be at least 1, got {min_count}")
    counts = count_characters(texts, letter_case=letter_case)
    kept = sorted(character for character, count in counts.items() if count >= min_count)
    if not kept:
        raise InputError(
            f"the texts hold no character {min_count} times or more, so there is nothing to "
            f"build a vocabulary of; {len(counts)} characters are rarer"
        )
    return {token: number for number, token in enumerate([PAD, UNKNOWN, WORD_DELIMITER, *kept])}


def format_vocabulary(vocabulary: Mapping[str, int]) -> str:
    """Return the text of a `vocab.json`, a token a line, which `read_vocabulary` reads."""
    return json.dumps(dict(vocabulary), ensure_ascii=False, indent=0) + "\n"


def read_vocabulary(path: str | Path) -> dict[str, int]:
    """Read a `vocab.json`: a JSON object of tokens and ids.

    Raises:
        InputError: The file is missing, is not such an object, its ids are not 0 to V - 1,
            or it lacks "<pad>", "<unk>" or "|".
    """
    path = Path(path)
    try:
        vocabulary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a vocabulary: {error}") from error
    if not isinstance(vocabulary, dict):
        raise InputError(
            f"{path}: expected a JSON object of tokens and ids, got {type(vocabulary).__name__}"
        )
    check_vocabulary(vocabulary, str(path))
    return vocabulary


def check_vocabulary(vocabulary: Mapping[str, int], name: str = "the vocabulary") -> None:
    """Check that ids are 0 to V - 1, and that the tokens CTC needs are there.

    Raises:
        InputError: They are not.
    """
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise InputError(
            f"{name}: the ids must be 0 to {len(vocabulary) - 1}, each once, "
            f"got {sorted(vocabulary.values())}"
        )
    missing = [t for t in (PAD, UNKNOWN, WORD_DELIMITER) if t not in vocabulary]
    if missing:
        raise InputError(f"{name}: must have the tokens {', '.join(missing)}")


def build_processor(vocabulary: Mapping[str, int]) -> "Wav2Vec2Processor":
    """Return the tokenizer and feature extractor for a vocabulary.

    Args:
        vocabulary: Tokens and ids, with "<pad>" (the CTC blank), "<unk>" and "|" (the word
            delimiter); "<s>" and "</s>" only if it has them.

    Returns:
        A processor for 16 kHz mono audio that normalizes each utterance and returns the
        attention mask.

    Raises:
        InputError: The vocabulary is not usable.
    """
    from transformers import (  # noqa: PLC0415 - slow
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Processor,
    )

    check_vocabulary(vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        vocabulary_path = Path(folder) / "vocab.json"
        vocabulary_path.write_text(json.dumps(dict(vocabulary)), encoding="utf-8")
        tokenizer = Wav2Vec2CTCTokenizer(
            str(vocabulary_path),
            # A token that is not in the vocabulary would be added to it, beyond the head.
            bos_token="<s>" if "<s>" in vocabulary else None,
            eos_token="</s>" if "</s>" in vocabulary else None,
            unk_token=UNKNOWN,
            pad_token=PAD,
            word_delimiter_token=WORD_DELIMITER,
        )
    feature_extractor = Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=16_000,
        padding_value=0.0,
        do_normalize=True,
        return_attention_mask=True,
    )
    return Wav2Vec2Processor(feature_extractor=feature_extractor, tokenizer=tokenizer)


def write_processor(processor: "Wav2Vec2Processor", folder: str | Path) -> None:
    """Write `vocab.json`, `tokenizer_config.json` and `preprocessor_config.json`.

    These are the files of the released checkpoints, which every version of transformers
    reads; `Wav2Vec2Processor.save_pretrained` writes others since version 5.
    """
    processor.tokenizer.save_pretrained(folder)
    processor.feature_extractor.save_pretrained(folder)
