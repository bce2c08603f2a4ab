"""The results of a run, and the JSON file that keeps them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import InputError


@dataclass(frozen=True, slots=True)
class Results:
    """What a run found.

    Attributes:
        about: Machine, versions, commit, size, rounds, threads, duration.
        rows: The figures, in order.
        samples: All answers of all measuring processes.
    """

    about: dict[str, Any]
    rows: tuple[Row, ...]
    samples: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write everything as JSON.

        Raises:
            OSError: When the file cannot be written.
        """
        rows = [{**asdict(row), "verdict": row.verdict} for row in self.rows]
        content = {"about": self.about, "rows": rows, "samples": self.samples}
        with write_whole(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Read what `Results.write` wrote.

    Raises:
        InputError: The file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = []
        for entry in content["rows"]:
            del entry["verdict"]
            rows.append(Row(**entry))
        return Results(content["about"], tuple(rows), content["samples"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is no results.json of `wav2vec2-conformer bench`: {error!r}"
        ) from error
