"""fairseq's dictionaries and the vocabularies of transformers.

Both number the same tokens in the same way; only two names are exchanged. In fairseq the blank of
CTC is `<s>`, number 0; in transformers the blank is `<pad>`. A `dict.ltr.txt` has a line `symbol
count` for each symbol after the four special ones.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wav2vec2_conformer.checkpoints.inert import InertObject
from wav2vec2_conformer.checkpoints.stored_config import to_plain
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, read_vocabulary

BLANK, PAD, END, UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
SPECIAL_SYMBOLS = (BLANK, PAD, END, UNKNOWN)
_OVERWRITES = "#fairseq:overwrite"

# Orders of the English letters that fine-tuned models in circulation were trained with.
_KNOWN_ORDERS: dict[str, list[str]] = {
    "frequency of LibriSpeech 960h": list(LIBRISPEECH_VOCABULARY)[4:],
    "frequency of another corpus": [*"|EATROSINHLDYUCGMWPFBKV'XJZQ"],
}


def read_dictionary(path: str | Path) -> dict[str, int]:
    """Return the vocabulary of a `dict.*.txt` of fairseq or a `vocab.json` of transformers.

    Args:
        path: The file; its ending tells which of both it is.

    Raises:
        CheckpointError: It cannot be read, or is no dictionary.
    """
    path = Path(path)
    if path.suffix == ".json":
        try:
            return read_vocabulary(path)
        except InputError as error:
            raise CheckpointError(str(error)) from error
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as a dictionary: {error}.") from error
    symbols = list(SPECIAL_SYMBOLS)
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip().removesuffix(_OVERWRITES).rstrip().rsplit(" ", 1)
        if len(fields) != 2 or not fields[1].isdecimal():  # noqa: PLR2004 - symbol and count
            raise CheckpointError(
                f"{path}, line {number}: expected a symbol and a count, such as 'E 12', got "
                f"{line!r}."
            )
        if fields[0] in symbols and not line.rstrip().endswith(_OVERWRITES):
            raise CheckpointError(f"{path}, line {number}: {fields[0]!r} stands there twice.")
        symbols.append(fields[0])
    return to_vocabulary(symbols)


def known_vocabularies() -> dict[str, dict[str, int]]:
    """Return the vocabularies of fine-tuned models in circulation, by name."""
    return {
        name: to_vocabulary([*SPECIAL_SYMBOLS, *letters]) for name, letters in _KNOWN_ORDERS.items()
    }


def find_dictionary(folder: Path, labels: Any) -> Path | None:
    """Return the dictionary in a folder, None when there is none.

    Args:
        folder: Where to look.
        labels: What fairseq calls the kind of transcript, such as "ltr"; part of the file's name.
    """
    names = [f"dict.{labels}.txt"] if isinstance(labels, str) and labels.isidentifier() else []
    for name in [*names, "dict.ltr.txt"]:
        if (folder / name).is_file():
            return folder / name
    return None


def stored_vocabulary(contents: Mapping[Any, Any]) -> dict[str, int] | None:
    """Return the vocabulary of the dictionary inside a file, None when there is none."""
    task_state = contents.get("task_state")
    if not isinstance(task_state, dict):
        return None
    dictionary = task_state.get("target_dictionary")
    if not isinstance(dictionary, InertObject):
        return None
    symbols = to_plain(dictionary.attributes().get("symbols"))
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        return None
    return to_vocabulary(symbols)


def to_vocabulary(symbols: Sequence[str]) -> dict[str, int]:
    """Return transformers' vocabulary for fairseq's symbols: the blank becomes `<pad>`."""
    return {token: index for index, token in enumerate(_exchange(symbols))}


def to_symbols(vocabulary: Mapping[str, int]) -> list[str]:
    """Return fairseq's symbols for transformers' vocabulary: the blank becomes `<s>`."""
    return _exchange(sorted(vocabulary, key=vocabulary.__getitem__))


def _exchange(tokens: Sequence[str]) -> list[str]:
    names = {BLANK: PAD, PAD: BLANK}
    return [names.get(token, token) for token in tokens]
