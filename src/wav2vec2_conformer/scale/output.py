"""Where a batch job writes, and what of it is done: a folder of parts, or one file made of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wav2vec2_conformer.scale.part_files import SUFFIX, FailedRecording, PartFiles, output_schema
from wav2vec2_conformer.scale.parts import Part
from wav2vec2_conformer.scale.storage import absolute, open_place, write_through

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Pending:
    """What is left to do.

    Attributes:
        parts: With the recordings that have no transcript yet.
        num_done: Recordings that have one; shards that were not opened count as none.
    """

    parts: tuple[Part, ...]
    num_done: int


class Output:
    """The output of a job.

    Args:
        place: Path or URL: a name that ends in .parquet is one file, every other a folder. The
            parts of one file are in a folder beside it until all are done.

    Attributes:
        folder: The folder of the parts.
    """

    def __init__(self, place: str) -> None:
        place = absolute(place)
        self._merged = place if place.endswith(SUFFIX) else None
        self.folder = place if self._merged is None else f"{place}.parts"
        self._files = PartFiles(self.folder)

    def find_pending(self, parts: Iterable[Part]) -> Pending:
        """Return what is left to do of a job's parts."""
        planned = list(parts)
        names, failed = self._files.names(), self._files.failed_names()
        complete = names - failed
        # Of parts that are not as they were planned: an older list, other lengths of parts.
        others = names - {part.name for part in planned if part.name in complete}
        ids, locations = self._read_done(others)
        pending: list[Part] = []
        num_done = 0
        for part in planned:
            if part.name in complete:
                num_done += len(part.recordings)
            elif part.shard is not None:
                if part.name in failed or part.shard.location not in locations:
                    prefix = f"{part.shard.id}:"
                    done = tuple(name for name in ids if name.startswith(prefix))
                    pending.append(replace(part, done_ids=done))
            else:
                missing = tuple(r for r in part.recordings if r.id not in ids)
                num_done += len(part.recordings) - len(missing)
                if missing:
                    pending.append(replace(part, recordings=missing))
                elif part.name in failed:
                    self._files.forget_failures(part.name)
        return Pending(tuple(pending), num_done)

    def failures(self, parts: Sequence[Part]) -> tuple[FailedRecording, ...]:
        """Return what failed in some parts."""
        return tuple(self._files.failures([part.name for part in parts]))

    def finish(self, parts: Sequence[Part]) -> None:
        """Make one file of the parts, where one was asked for, in the order of the job."""
        if self._merged is None:
            return
        planned = [part.name for part in parts]
        names = self._files.names()
        ordered = [n for n in planned if n in names] + sorted(names.difference(planned))
        if not ordered:
            return
        import pyarrow.parquet as pq  # noqa: PLC0415 - of an extra

        fs, path = open_place(self._merged)
        with (
            write_through(fs, path) as target,
            pq.ParquetWriter(target, output_schema(), compression="zstd") as writer,
        ):
            for table in self._iter_tables(ordered):
                writer.write_table(table)
        self._files.remove_parts(ordered)

    def _iter_tables(self, names: Iterable[str]) -> "Iterator[pa.Table]":
        """Yield the tables of the file that is there and of parts; each id once."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - of an extra

        fs, path = open_place(str(self._merged))
        seen: set[str] = set()
        if fs.exists(path):
            with fs.open(path, "rb") as file:
                old = pq.ParquetFile(file)
                for number in range(old.num_row_groups):
                    table = old.read_row_group(number)
                    seen.update(table["id"].to_pylist())
                    yield table
        for name in names:
            table = self._files.read_table(name)
            # An earlier attempt to make the file may have ended before its parts were removed.
            yield table.filter([row_id not in seen for row_id in table["id"].to_pylist()])

    def _read_done(self, names: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return ids and locations in some parts, and in the file made of parts."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - of an extra

        columns = ["id", "audio"]
        tables = [self._files.read_table(name, columns) for name in names]
        if self._merged is not None:
            fs, path = open_place(self._merged)
            if fs.exists(path):
                with fs.open(path, "rb") as file:
                    tables.append(pq.read_table(file, columns=columns))
        ids = {name for table in tables for name in table["id"].to_pylist()}
        return ids, {place for table in tables for place in table["audio"].to_pylist()}
