"""What a batch job writes: a Parquet file for each part, and what failed and what runs beside it.

OUT/part-0f3a….parquet              transcripts of a part, written as a whole
OUT/_failures/part-0f3a….jsonl      its recordings without one, and why
OUT/_running/part-0f3a….json        a part that a worker has begun and not finished
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from wav2vec2_conformer.scale.storage import list_names, open_place, write_whole

if TYPE_CHECKING:
    import pyarrow as pa

    from wav2vec2_conformer.inference.transcript import Transcript

SUFFIX: Final = ".parquet"
_FAILURES, _FAILURES_SUFFIX = "_failures", ".jsonl"
_RUNNING, _RUNNING_SUFFIX = "_running", ".json"


@dataclass(frozen=True, slots=True)
class FailedRecording:
    """A recording without a transcript.

    Attributes:
        id: The recording's.
        location: Its file, or the shard that holds it.
        error: Class of the error.
        message: What is wrong.
    """

    id: str
    location: str
    error: str
    message: str


def as_row(name: str, location: str, transcript: "Transcript") -> dict[str, Any]:
    """Return a row of the output; times in seconds to the millisecond, as in JSON files."""
    return {
        "id": name,
        "audio": location,
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "words": [
            {
                "word": word.text,
                "start": round(word.start_s, 3),
                "end": round(word.end_s, 3),
                "score": round(word.confidence, 4),
            }
            for word in transcript.words
        ],
    }


def output_schema() -> "pa.Schema":
    """Return the columns of the output and their types."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    times = [(name, pa.float64()) for name in ("start", "end", "score")]
    words = pa.list_(pa.struct([("word", pa.string()), *times]))
    return pa.schema(
        {
            "id": pa.string(),
            "audio": pa.string(),
            "duration": pa.float64(),
            "text": pa.string(),
            "confidence": pa.float64(),
            "words": words,
        }
    )


class PartFiles:
    """The folder of a job's output.

    Args:
        folder: Path or URL.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._fs, self._path = open_place(folder)

    def names(self) -> set[str]:
        """Return the names of the parts that have transcripts."""
        return set(list_names(self._fs, self._path, SUFFIX))

    def failed_names(self) -> set[str]:
        """Return the names of the parts in which something failed."""
        return set(list_names(self._fs, f"{self._path}/{_FAILURES}", _FAILURES_SUFFIX))

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a part; none where there is no file."""
        if not self._fs.exists(self._path_of(name)):
            return []
        rows: list[dict[str, Any]] = self.read_table(name).to_pylist()
        return rows

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> "pa.Table":
        """Return a part, or some columns of it."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - of an extra

        with self._fs.open(self._path_of(name), "rb") as file:
            return pq.read_table(file, columns=None if columns is None else list(columns))

    def write(
        self, name: str, rows: Iterable[dict[str, Any]], failed: Sequence[FailedRecording]
    ) -> None:
        """Write a part: transcripts, and what failed or nothing.

        Raises:
            OSError: When that is not possible.
        """
        import pyarrow as pa  # noqa: PLC0415 - of an extra
        import pyarrow.parquet as pq  # noqa: PLC0415

        # First what failed: whoever finds transcripts finds that there should be more.
        failures = self._failures_of(name)
        if failed:
            lines = [json.dumps(asdict(failure), ensure_ascii=False) for failure in failed]
            write_whole(self._fs, failures, "".join(f"{line}\n" for line in lines).encode())
        table = pa.Table.from_pylist(list(rows), schema=output_schema())
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_whole(self._fs, self._path_of(name), buffer.getvalue())
        if not failed:
            self._remove(failures)

    def failures(self, names: Iterable[str]) -> Iterator[FailedRecording]:
        """Yield what failed in some parts."""
        failed = self.failed_names()
        for name in names:
            if name in failed:
                lines = self._fs.cat_file(self._failures_of(name)).decode().split("\n")
                yield from (FailedRecording(**json.loads(line)) for line in lines if line)

    def forget_failures(self, name: str) -> None:
        """Remove what failed in a part: it has been transcribed in others."""
        self._remove(self._failures_of(name))

    def remove_parts(self, names: Iterable[str]) -> None:
        """Remove parts that are in another file now, and the folder where nothing is left."""
        for name in names:
            self._remove(self._path_of(name))
        if not self.failed_names():
            self._fs.rm(self._path, recursive=True)

    def running(self, name: str) -> dict[str, Any] | None:
        """Return what a worker has noted of a part that it has not finished."""
        path = self._running_of(name)
        if not self._fs.exists(path):
            return None
        noted: dict[str, Any] = json.loads(self._fs.cat_file(path))
        return noted

    def note_running(self, name: str, values: dict[str, Any] | None) -> None:
        """Note how a part runs; None when it is finished."""
        path = self._running_of(name)
        if values is None:
            self._remove(path)
        else:
            write_whole(self._fs, path, json.dumps(values).encode())

    def _path_of(self, name: str) -> str:
        return f"{self._path}/{name}{SUFFIX}"

    def _failures_of(self, name: str) -> str:
        return f"{self._path}/{_FAILURES}/{name}{_FAILURES_SUFFIX}"

    def _running_of(self, name: str) -> str:
        return f"{self._path}/{_RUNNING}/{name}{_RUNNING_SUFFIX}"

    def _remove(self, path: str) -> None:
        try:
            self._fs.rm_file(path)
        except FileNotFoundError:
            return  # it was not there
