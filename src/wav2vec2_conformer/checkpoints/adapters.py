"""Writing the adapter of a language, and the vocabularies of all languages, into a folder.

A folder with languages holds the base model, `adapter.{language}.safetensors` for each, and one
`vocab.json` with a vocabulary for each: `{"ara": {"<pad>": 0, ...}, "eng": {...}}`. That is the
layout of the checkpoints of MMS, which transformers' tokenizer reads.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.models.adapters import (
    adapter_file_name,
    adapter_tensors,
    list_languages,
)
from wav2vec2_conformer.text.vocabulary import PAD, build_processor, check_vocabulary

if TYPE_CHECKING:  # slow to import, and with a whole processor only
    from transformers import Wav2Vec2Processor

VOCABULARY_FILE = "vocab.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"


def save_adapter(model: Any, folder: str | Path, language: str) -> Path:
    """Write the adapter and output layer that a model holds at present.

    Args:
        model: A CTC model with language adapters.
        folder: Existing folder.
        language: Letters, digits, "-" and "_", such as "ara".

    Returns:
        The file, `adapter.{language}.safetensors`.

    Raises:
        ConfigurationError: The model has no language adapters.
        InputError: The language's name is none.
    """
    path = Path(folder) / adapter_file_name(language)
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in adapter_tensors(model).items()
    }
    temporary = path.with_name(path.name + ".tmp")
    save_file(tensors, temporary, metadata={"format": "pt", "language": language})
    temporary.replace(path)
    return path


def read_vocabularies(folder: str | Path) -> dict[str, dict[str, int]]:
    """Return the vocabulary of each language of a folder; none if it is of one language.

    Raises:
        CheckpointError: `vocab.json` is missing or damaged.
    """
    path = Path(folder) / VOCABULARY_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as a vocabulary: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(content).__name__}")
    if all(isinstance(value, dict) for value in content.values()):
        return content
    return {}


def add_vocabulary(folder: str | Path, language: str, vocabulary: Mapping[str, int]) -> None:
    """Write the vocabulary of a language into a folder, beside those of its other languages.

    The tokenizer of the folder then starts with this language. A vocabulary that was the
    folder's only one, of no named language, is left out.

    Args:
        folder: Folder with a model and its processor.
        language: Name of the language.
        vocabulary: Tokens and ids; "<pad>", the blank of CTC, must be what it is in the others.

    Raises:
        CheckpointError: The folder has no vocabulary or tokenizer configuration.
        InputError: The vocabulary is not usable, or its blank has another id.
    """
    adapter_file_name(language)  # for its check
    check_vocabulary(vocabulary, f"the vocabulary of {language}")
    folder = Path(folder)
    vocabularies = read_vocabularies(folder)
    for other, tokens in vocabularies.items():
        if tokens.get(PAD) != vocabulary[PAD]:
            raise InputError(
                f"the vocabulary of {language}: {PAD} must have the id {tokens.get(PAD)}, as "
                f"for {other}, got {vocabulary[PAD]}: all languages share the blank of CTC"
            )
    vocabularies[language] = dict(vocabulary)
    config_path = folder / TOKENIZER_CONFIG_FILE
    try:
        tokenizer_config = json.loads(config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{config_path}: cannot be read: {error}") from error
    tokenizer_config["target_lang"] = language
    _write_json(folder / VOCABULARY_FILE, dict(sorted(vocabularies.items())))
    _write_json(config_path, tokenizer_config)


def add_language(folder: str | Path, source: str | Path, language: str) -> None:
    """Copy a language from one folder to another of the same base model.

    Args:
        folder: Folder with the base model that gets the language.
        source: Folder that has it, such as the result of training an adapter.
        language: Name of the language.

    Raises:
        CheckpointError: `source` lacks the language's file or vocabulary.
        InputError: The blank is another token than in the folder's other languages.
    """
    file_name = adapter_file_name(language)
    vocabulary = read_vocabularies(source).get(language)
    if vocabulary is None or not (Path(source) / file_name).is_file():
        found = ", ".join(list_languages(source)) or "none"
        raise CheckpointError(
            f"{source}: has no {file_name} or no vocabulary of {language!r}; languages: {found}"
        )
    add_vocabulary(folder, language, vocabulary)
    temporary = Path(folder) / f"{file_name}.tmp"
    shutil.copyfile(Path(source) / file_name, temporary)
    temporary.replace(Path(folder) / file_name)


def choose_language(processor: "Wav2Vec2Processor", language: str) -> None:
    """Let a processor's tokenizer use the vocabulary of a language.

    Args:
        processor: Processor of a folder with languages; it is changed.
        language: Name of the language.

    Raises:
        CheckpointError: There is no vocabulary of it.
    """
    vocabularies = processor.tokenizer.vocab
    if not isinstance(vocabularies.get(language), dict):
        found = sorted(name for name, value in vocabularies.items() if isinstance(value, dict))
        raise CheckpointError(
            f"the tokenizer has no vocabulary of {language!r}; "
            f"it has {', '.join(found) or 'one of a single language'}"
        )
    processor.tokenizer.set_target_lang(language)


def build_language_processor(
    vocabularies: Mapping[str, Mapping[str, int]], language: str
) -> "Wav2Vec2Processor":
    """Return a processor with the vocabularies of several languages.

    Args:
        vocabularies: Tokens and ids of each language.
        language: The one to start with.

    Raises:
        InputError: A vocabulary is not usable.
    """
    for name, vocabulary in vocabularies.items():
        check_vocabulary(vocabulary, f"the vocabulary of {name}")
    processor = build_processor(vocabularies[language])
    tokenizer = processor.tokenizer
    tokenizer.vocab = {name: dict(tokens) for name, tokens in vocabularies.items()}
    tokenizer.set_target_lang(language)
    return processor


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
