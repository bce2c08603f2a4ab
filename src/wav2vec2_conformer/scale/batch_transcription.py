"""Transcription of any number of recordings on a Ray cluster."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wav2vec2_conformer.errors import CheckpointError, InputError, Wav2Vec2ConformerError
from wav2vec2_conformer.scale.cluster import LOCAL, check_installed, connect
from wav2vec2_conformer.scale.output import Output
from wav2vec2_conformer.scale.part_files import FailedRecording
from wav2vec2_conformer.scale.parts import Part, plan_parts
from wav2vec2_conformer.scale.recordings import list_recordings
from wav2vec2_conformer.scale.storage import absolute
from wav2vec2_conformer.scale.worker import PartWorker, WorkerSettings


@dataclass(frozen=True, slots=True)
class Pool:
    """The workers of a job.

    Attributes:
        min_workers: How many there are at least; Ray adds and removes the others.
        max_workers: How many there are at most.
        cpus_per_worker: Processors of each.
        gpus_per_worker: GPUs of each; a fraction lets several share one.

    Raises:
        InputError: When a number is out of range.
    """

    min_workers: int = 1
    max_workers: int = 1
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 1 <= self.min_workers <= self.max_workers:
            raise InputError(
                "a job needs at least one worker and not fewer at most than at least, but got "
                f"{self.min_workers} to {self.max_workers}."
            )
        if self.cpus_per_worker < 1 or self.gpus_per_worker < 0:
            raise InputError(
                "a worker needs at least one processor and no negative share of a GPU, but got "
                f"{self.cpus_per_worker} and {self.gpus_per_worker:g}."
            )


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a job is.

    Attributes:
        num_parts: Parts that this run has to do.
        num_parts_done: Of these, how many are done.
        num_done: Recordings transcribed in this run.
        num_failed: Recordings that failed in this run.
        audio_s: Seconds of audio transcribed in this run.
        total_s: Seconds of audio that this run has to do; None where the manifest does not say.
    """

    num_parts: int
    num_parts_done: int = 0
    num_done: int = 0
    num_failed: int = 0
    audio_s: float = 0.0
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What came of a job.

    Attributes:
        num_done: Recordings transcribed in this run.
        num_done_before: Recordings that were in the output already; those of shards that are
            done are not counted.
        audio_s: Seconds of audio transcribed in this run.
        elapsed_s: Seconds that it took, the start of the workers with it.
        failed: Recordings without a transcript.
    """

    num_done: int
    num_done_before: int
    audio_s: float
    elapsed_s: float
    failed: tuple[FailedRecording, ...]


def transcribe_dataset(
    manifest: str,
    output: str,
    *,
    settings: WorkerSettings | None = None,
    pool: Pool | None = None,
    address: str = LOCAL,
    part_seconds: float | None = None,
    on_progress: Callable[[BatchProgress], None] = lambda _: None,
) -> BatchReport:
    """Transcribe the recordings of a manifest, a folder or shards on Ray.

    The results are those of one process. What fails is noted and does not stop the others. A job
    that is started again, after an interruption or with a longer manifest, does what is missing.

    Args:
        manifest: What to transcribe; see `scale.recordings.list_recordings`.
        output: Path or URL of a folder, or of one file that ends in .parquet. All machines must
            reach it, and the audio, by the same name.
        settings: How workers transcribe; None for the bundled model and the defaults.
        pool: How many workers there are; None for one.
        address: The cluster; see `scale.cluster.connect`.
        part_seconds: Seconds of audio that a worker takes at once, and loses when it ends; None
            for two minutes to an hour, by the size of the job.
        on_progress: Called when the job begins and after each part.

    Raises:
        ManifestError: When the manifest cannot be used, or names one id twice.
        InputError: When there is no such cluster, or an argument is out of range.
        CheckpointError: When a worker cannot load the model.
        MissingExtraError: When Ray is not installed.
    """
    settings, pool = settings or WorkerSettings(), pool or Pool()
    if part_seconds is not None and not part_seconds > 0:
        raise InputError(f"part_seconds must be positive, but is {part_seconds:g}.")
    check_installed()
    start = time.monotonic()
    target = Output(output)
    parts = list(plan_parts(list_recordings(absolute(manifest)), part_seconds))
    pending = target.find_pending(parts)
    progress = BatchProgress(len(pending.parts), total_s=_total_s(pending.parts))
    on_progress(progress)
    if pending.parts:
        num_cpus = pool.max_workers * pool.cpus_per_worker
        with connect(address, num_cpus=num_cpus):
            for row in _iter_done(pending.parts, settings, pool, target.folder):
                progress = replace(
                    progress,
                    num_parts_done=progress.num_parts_done + 1,
                    num_done=progress.num_done + row["num_done"],
                    num_failed=progress.num_failed + row["num_failed"],
                    audio_s=progress.audio_s + row["audio_s"],
                )
                on_progress(progress)
    failed = target.failures(parts)
    target.finish(parts)
    return BatchReport(
        num_done=progress.num_done,
        num_done_before=pending.num_done,
        audio_s=progress.audio_s,
        elapsed_s=time.monotonic() - start,
        failed=failed,
    )


def _iter_done(
    parts: Sequence[Part], settings: WorkerSettings, pool: Pool, folder: str
) -> Iterator[dict[str, Any]]:
    """Run parts on the cluster, and yield what is said of each when it is written."""
    import ray  # noqa: PLC0415 - of an extra

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    with ray.data.DataContext.current(context):
        # A block for each part: a worker takes one at a time.
        data = ray.data.from_items(
            [{"part": part.to_json()} for part in parts], override_num_blocks=len(parts)
        ).map_batches(
            PartWorker,
            batch_size=None,
            batch_format="numpy",
            fn_constructor_args=(settings.anywhere(), folder),
            compute=ray.data.ActorPoolStrategy(
                min_size=pool.min_workers, max_size=pool.max_workers
            ),
            num_cpus=pool.cpus_per_worker,
            num_gpus=pool.gpus_per_worker or None,
        )
        try:
            yield from data.iter_rows()
        except ray.exceptions.RayError as error:
            raise _reason(error) from error


def _reason(error: BaseException) -> BaseException:
    """Return our own error behind one of Ray's; Ray's, where there is none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Wav2Vec2ConformerError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    # Of a worker that could not begin, Ray keeps the text of the traceback alone.
    found = re.search(r"wav2vec2_conformer\.errors\.(\w+): (.+)", str(error))
    if found is None:
        return error
    kind = CheckpointError if found[1] == CheckpointError.__name__ else InputError
    return kind(f"a worker cannot begin: {found[2]}")


def _total_s(parts: Iterable[Part]) -> float | None:
    lengths = [recording.duration_s for part in parts for recording in part.recordings]
    if any(part.shard is not None for part in parts) or None in lengths:
        return None
    return sum(length for length in lengths if length is not None)
