"""Classifications as files: text, JSON and tables."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.formats.timed_text import one_line

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.classification import Classification

CLASSIFICATION_FORMATS: Final = ("txt", "json", "jsonl", "csv")
SCHEMA_VERSION: Final = 1
_CSV_COLUMNS = ("file", "window", "start", "end", "label", "score")


def format_classification(
    result: "Classification", format_name: str, *, windows: bool = False, header: bool = True
) -> str:
    r"""Return a classification as the content of a file.

    Args:
        result: What to write.
        format_name: `txt`: a line `label<TAB>score` for each label, and after them the windows'
            lines `start<TAB>end<TAB>label<TAB>score`. `json`: one object, indented; `jsonl`:
            on one line. `csv`: a row for each label; the column `window` is empty for the
            whole recording and counts from 0.
        windows: Whether the scores of each window are written too.
        header: Whether the first line of csv names the columns.

    Returns:
        The whole file; it ends with a line end. Times are in seconds.

    Raises:
        InputError: When there is no such format.
    """
    if format_name == "txt":
        return _format_txt(result, windows=windows)
    if format_name in {"json", "jsonl"}:
        indent = 2 if format_name == "json" else None
        record = classification_as_json(result, windows=windows)
        return json.dumps(record, ensure_ascii=False, indent=indent) + "\n"
    if format_name == "csv":
        return _format_csv(result, windows=windows, header=header)
    raise InputError(
        f"format must be one of {', '.join(CLASSIFICATION_FORMATS)}, but is {format_name!r}."
    )


def classification_as_json(result: "Classification", *, windows: bool = False) -> dict[str, Any]:
    """Return a classification as values of JSON.

    Args:
        result: What to write.
        windows: Whether the scores of each window are in it.
    """
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "file": result.source,
        "duration": round(result.duration_s, 3),
        "problem_type": result.problem_type,
        "scores": _scores_as_json(result.scores),
    }
    if windows:
        record["windows"] = [
            {
                "start": round(window.start_s, 3),
                "end": round(window.end_s, 3),
                "scores": _scores_as_json(window.scores),
            }
            for window in result.windows
        ]
    return record


def _scores_as_json(scores: Mapping[str, float]) -> list[dict[str, Any]]:
    # A list, because readers of JSON may lose the order of an object.
    return [{"label": label, "score": round(score, 6)} for label, score in scores.items()]


def _format_txt(result: "Classification", *, windows: bool) -> str:
    lines = [f"{one_line(label)}\t{score:.4f}" for label, score in result.scores.items()]
    if windows:
        lines += [
            f"{window.start_s:.3f}\t{window.end_s:.3f}\t{one_line(label)}\t{score:.4f}"
            for window in result.windows
            for label, score in window.scores.items()
        ]
    return "".join(f"{line}\n" for line in lines)


def _format_csv(result: "Classification", *, windows: bool, header: bool) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    if header:
        writer.writerow(_CSV_COLUMNS)
    writer.writerows(_rows(result, "", 0.0, result.duration_s, result.scores))
    if windows:
        for number, window in enumerate(result.windows):
            writer.writerows(
                _rows(result, str(number), window.start_s, window.end_s, window.scores)
            )
    return table.getvalue()


def _rows(
    result: "Classification", window: str, start_s: float, end_s: float, scores: Mapping[str, float]
) -> Iterator[tuple[str, ...]]:
    for label, score in scores.items():
        yield result.source, window, f"{start_s:.3f}", f"{end_s:.3f}", label, f"{score:.6f}"
