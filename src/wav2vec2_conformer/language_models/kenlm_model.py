"""N-gram models read by KenLM: fast to load, and its binary files.

Paper: Heafield 2011, "KenLM: Faster and Smaller Language Model Queries",
https://aclanthology.org/W11-2123. The packages kenlm-ex, ufal-kenlm and kenlm all install the
same module, `kenlm`.
"""

import math
import mmap
import struct
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.language_models.word_list import MARKERS, WordList

_LN_10 = math.log(10.0)

# Version 5 of the binary format: magic bytes and test values up to byte 88, then the fixed
# parameters (order, probing multiplier, model type, whether the words are stored, version of
# the search), then the number of n-grams of each length.
_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
_HEADER = struct.Struct("<88x B3x f i ?3x I Q")
_FIRST_WORD = b"<unk>\0"


def is_kenlm_installed() -> bool:
    """Whether KenLM's Python module can be imported."""
    return find_spec("kenlm") is not None


class KenlmModel:
    """Scores words with KenLM. A `LanguageModel`.

    A word that the model does not know is scored as `<unk>`.

    Args:
        path: An ARPA file or a binary of KenLM.
        word_list: The words of the model, which KenLM itself does not tell. None makes every
            beginning of a word possible (`has_prefix`); single words are known all the same.

    Raises:
        MissingExtraError: KenLM is not installed.
        InputError: KenLM refuses the file.
    """

    def __init__(self, path: str | Path, word_list: WordList | None = None) -> None:
        if not is_kenlm_installed():
            raise MissingExtraError("Reading a language model with KenLM", "kenlm-ex", "lm")
        self._kenlm: Any = import_module("kenlm")
        config = self._kenlm.Config()
        config.show_progress = False
        config.arpa_complain = self._kenlm.ARPALoadComplain.NONE
        try:
            self._model: Any = self._kenlm.Model(str(path), config)
        except OSError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: KenLM cannot read the language model: {reason}") from error
        self.word_list = word_list
        self.order: int = self._model.order

    def start(self) -> Any:
        """Return the state at the start of an utterance."""
        state = self._kenlm.State()
        self._model.BeginSentenceWrite(state)
        return state

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Return the log-probability of a word after a state, and the state after it."""
        following = self._kenlm.State()
        return self._model.BaseScore(state, word, following) * _LN_10, following

    def score_end(self, state: Any) -> float:
        """Return the log-probability that the utterance ends after a state."""
        return self.score(state, "</s>")[0]

    def __contains__(self, word: str) -> bool:
        """Whether the model knows a word."""
        return word in self._model and word not in MARKERS

    def has_prefix(self, prefix: str) -> bool:
        """Whether the model knows a word that begins so; True where its words are not known."""
        return self.word_list is None or self.word_list.has_prefix(prefix)


def is_kenlm_binary(path: str | Path) -> bool:
    """Whether a file begins as the binaries of KenLM do."""
    with Path(path).open("rb") as file:
        return file.read(len(_MAGIC)).startswith(_MAGIC[:32])


def read_binary_words(path: str | Path) -> list[str] | None:
    """Read the words that KenLM's `build_binary` stores behind the model.

    Args:
        path: A binary of KenLM.

    Returns:
        The words, or None where the file holds none (it was built with `-v`, or is of another
        version of the format).
    """
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        if len(content) < _HEADER.size or content[: len(_MAGIC)] != _MAGIC:
            return None
        *_, has_words, _, num_words = _HEADER.unpack(content[: _HEADER.size])
        start = content.rfind(_FIRST_WORD) if has_words else -1
        if start < 0:
            return None
        words = content[start:].split(b"\0")[:-1]
    # KenLM counts <unk> only if the ARPA file had it.
    if len(words) - num_words not in (0, 1):
        return None
    return [word.decode(errors="replace") for word in words]
