"""Hypotheses in files: to score what another program recognized, or to score again.

JSON Lines with `audio_filepath` and `pred_text` (as NVIDIA NeMo writes them), or the JSON
Lines of `transcribe` (`file` and `text`); or plain text with a line for each utterance of the
manifest.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.recognition import Recognition
from wav2vec2_conformer.evaluation.reference_set import Reference

_JSON_SUFFIXES = frozenset({".json", ".jsonl"})
_KEYS = (("audio_filepath", "pred_text"), ("file", "text"))


def read_hypotheses(path: str | Path, references: Sequence[Reference]) -> Recognition:
    """Read the hypotheses of a test set.

    A line belongs to the utterance whose audio file it names: as the manifest does, or by a
    path from the current folder or from the folder of the hypotheses. Lines of other files are
    passed over.

    Args:
        path: A `.jsonl` or `.json` file (JSON Lines), or a text file of any other name.
        references: The test set.

    Returns:
        Failures are the utterances without a line.

    Raises:
        InputError: The file cannot be read, a line is not usable, a text file has another
            number of lines than the test set, or no line belongs to it.
    """
    path = Path(path)
    try:
        # Not `splitlines`, which also splits at characters that a text may hold (U+2028).
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    if path.suffix.lower() not in _JSON_SUFFIXES:
        if len(lines) != len(references):
            raise InputError(
                f"{path}: a text file of hypotheses has a line for each utterance, but this "
                f"one has {len(lines)} lines and the manifest {len(references)} utterances"
            )
        return Recognition(str(path), dict(enumerate(lines)), {})
    by_file = _parse_lines(lines, path)
    by_path = {
        (folder / file).resolve(): text
        for folder in (path.parent, Path())
        for file, text in by_file.items()
    }
    hypotheses: dict[int, str] = {}
    for position, reference in enumerate(references):
        text = by_file.get(reference.name)
        if text is None:
            text = by_path.get(reference.audio_path.resolve())
        if text is not None:
            hypotheses[position] = text
    if not hypotheses:
        named = ", ".join(list(by_file)[:3]) or "none"
        raise InputError(
            f"{path}: no line belongs to an utterance of the manifest. Its files: {named}; "
            f"the manifest's: {', '.join(r.name for r in references[:3])}"
        )
    failures = {
        position: f"{reference.name}: {path.name} has no hypothesis for it"
        for position, reference in enumerate(references)
        if position not in hypotheses
    }
    return Recognition(str(path), hypotheses, failures)


def format_hypotheses(recognition: Recognition, references: Sequence[Reference]) -> str:
    """Return hypotheses as JSON Lines that `read_hypotheses` reads."""
    rows = [
        {
            "audio_filepath": references[position].name,
            "duration": references[position].duration_s,
            "text": references[position].text,
            "pred_text": text,
        }
        for position, text in sorted(recognition.hypotheses.items())
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _parse_lines(lines: Sequence[str], path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        file, text = _parse_line(line, f"{path}, line {number}")
        if texts.setdefault(file, text) != text:
            raise InputError(f"{path}, line {number}: a second, other hypothesis for {file}")
    return texts


def _parse_line(line: str, place: str) -> tuple[str, str]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON: {error}") from error
    if isinstance(entry, dict):
        for file_key, text_key in _KEYS:
            file, text = entry.get(file_key), entry.get(text_key)
            if isinstance(file, str) and isinstance(text, str):
                return file, text
    raise InputError(
        f"{place}: expected a JSON object with the strings audio_filepath and pred_text "
        "(or file and text)"
    )
