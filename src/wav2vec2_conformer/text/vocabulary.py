"""The released English vocabulary, and the processor that belongs to a vocabulary."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

from wav2vec2_conformer.errors import InputError

PAD, UNKNOWN, WORD_DELIMITER = "<pad>", "<unk>", "|"

# Token ids of the checkpoints fine-tuned on 960 hours of LibriSpeech: letters by frequency.
# The padding token is the CTC blank.
LIBRISPEECH_VOCABULARY: dict[str, int] = {
    token: token_id
    for token_id, token in enumerate(
        [PAD, "<s>", "</s>", UNKNOWN, WORD_DELIMITER, *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    )
}


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


def build_processor(vocabulary: Mapping[str, int]) -> Wav2Vec2Processor:
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


def write_processor(processor: Wav2Vec2Processor, folder: str | Path) -> None:
    """Write `vocab.json`, `tokenizer_config.json` and `preprocessor_config.json`.

    These are the files of the released checkpoints, which every version of transformers
    reads; `Wav2Vec2Processor.save_pretrained` writes others since version 5.
    """
    processor.tokenizer.save_pretrained(folder)
    processor.feature_extractor.save_pretrained(folder)
