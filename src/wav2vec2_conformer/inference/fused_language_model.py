"""The language model that lies in a model's folder, and the weights it was tuned with.

The folder's `language_model.json` names the file and says how to decode with it:

    {"schema_version": 1, "language_model": "lm.arpa.gz", "alpha": 0.6, "beta": 1.0,
     "unknown_word_score": -10.0, "beam_width": 100}
"""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.language_models.language_model import LanguageModel
from wav2vec2_conformer.language_models.language_model_file import WORDS_SUFFIX, load_language_model

SETTINGS_NAME = "language_model.json"
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """How a search weighs a language model.

    Attributes:
        alpha: Weight of its log-probabilities, not negative.
        beta: Added for each word.
        unknown_word_score: Added for each word that it does not know.
        beam_width: Prefixes kept in each frame.
    """

    alpha: float
    beta: float
    unknown_word_score: float
    beam_width: int


def load_bundled_language_model(
    model_folder: str | Path,
) -> tuple[LanguageModel, FusionWeights] | None:
    """Load the language model of a model's folder.

    Args:
        model_folder: A folder, or a name on the hub, which has none.

    Returns:
        The language model and its weights; None where the folder has no `language_model.json`.

    Raises:
        CheckpointError: `language_model.json` is damaged, or names a file that is not there or
            in another folder.
        InputError: The language model is damaged.
        MissingExtraError: It is a binary of KenLM, which is not installed.
    """
    path = Path(model_folder) / SETTINGS_NAME
    if not path.is_file():
        return None
    name, weights = _read_settings(path)
    return load_language_model(path.with_name(name)), weights


def save_bundled_language_model(
    model_folder: str | Path, language_model: str | Path, weights: FusionWeights, *, copy: bool
) -> Path:
    """Make a language model the one that a model decodes with by default.

    Args:
        model_folder: The model's folder.
        language_model: The file.
        weights: Its weights.
        copy: Copy the file into the folder. Otherwise it must be there already.

    Returns:
        The `language_model.json` that was written.

    Raises:
        InputError: The file is not in the folder and not to be copied, or cannot be written.
    """
    folder, source = Path(model_folder), Path(language_model)
    if not copy and source.resolve().parent != folder.resolve():
        raise InputError(
            f"{source}: lies outside the model's folder {folder}. Copy it there (--copy on the "
            "command line)."
        )
    path = folder / SETTINGS_NAME
    settings = {
        "schema_version": _SCHEMA_VERSION,
        "language_model": source.name,
        **asdict(weights),
    }
    try:
        if source.resolve().parent != folder.resolve():
            words = source.with_name(source.name + WORDS_SUFFIX)
            for file in (source, *([words] if words.is_file() else [])):
                with _whole(folder / file.name) as temporary:
                    shutil.copyfile(file, temporary)
        with _whole(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}.") from error
    return path


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a name to write to, which becomes the file when all has gone well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_settings(path: Path) -> tuple[str, FusionWeights]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(settings).__name__}")
    if settings.get("schema_version") != _SCHEMA_VERSION:
        raise CheckpointError(
            f"{path}: schema_version must be {_SCHEMA_VERSION}, got "
            f"{settings.get('schema_version')!r}. Another version of this package wrote it."
        )
    name = settings.get("language_model")
    # On every system: neither separators nor a drive, so the file is in this folder.
    if not isinstance(name, str) or not name.strip(".") or any(c in name for c in "/\\:\0"):
        raise CheckpointError(
            f"{path}: language_model must be the name of a file beside it, got {name!r}"
        )
    if not path.with_name(name).is_file():
        raise CheckpointError(f"{path}: names the language model {name}, which is not beside it")
    weights = FusionWeights(
        alpha=_read_number(path, settings, "alpha", minimum=0.0),
        beta=_read_number(path, settings, "beta"),
        unknown_word_score=_read_number(path, settings, "unknown_word_score"),
        beam_width=int(_read_number(path, settings, "beam_width", minimum=1.0)),
    )
    return name, weights


def _read_number(
    path: Path, settings: dict[str, Any], key: str, *, minimum: float = -math.inf
) -> float:
    value = settings.get(key)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value < minimum
    ):
        bound = f" and at least {minimum:g}" if minimum > -math.inf else ""
        raise CheckpointError(f"{path}: {key} must be a finite number{bound}, got {value!r}")
    return float(value)
