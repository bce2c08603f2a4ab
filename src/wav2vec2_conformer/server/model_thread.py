"""One thread that runs the model over windows of many requests together.

Every request hands in the windows of its recording, few at a time; the thread takes the most
urgent ones up to so many seconds of audio and runs them as one batch. The model sees no padding,
so a window's result does not depend on its company.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.inference.log_probs import run_windows
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.ctc_network import CtcNetwork
from wav2vec2_conformer.server.turns import Turns

LogProbs = NDArray[np.float32]
# A window waits as if it had come later by this share of the audio that its request has had and
# that it has itself: short recordings overtake long ones, and long ones still get on.
_DELAY_FOR_AUDIO = 0.1
# So much audio keeps the model busy for so long that a short wait for company costs nothing.
_LONG_S = 10.0


@dataclass(order=True, slots=True)
class _Job:
    due: float
    number: int
    model: CtcNetwork = field(compare=False)
    window: Window = field(compare=False)
    duration_s: float = field(compare=False)
    result: "Future[LogProbs]" = field(compare=False)


class ModelThread:
    """Batches windows of all requests.

    Args:
        turns: Turns at the processor, shared with whatever else runs a model.
        batch_seconds: Seconds of audio in a batch. A longer window is a batch of its own.
        max_wait_s: How long a window waits for company while the model is idle.
        expects_company: Whether somebody else may hand in a window soon; a short window does not
            wait for nobody.
        on_batch: Called after each batch with its number of windows, seconds of audio, and the
            seconds that it took.
    """

    def __init__(
        self,
        turns: Turns,
        *,
        batch_seconds: float,
        max_wait_s: float,
        expects_company: Callable[[], bool] = lambda: True,
        on_batch: Callable[[int, float, float], None] = lambda *_: None,
    ) -> None:
        self._turns = turns
        self._batch_seconds = batch_seconds
        self._max_wait_s = max_wait_s
        self._expects_company = expects_company
        self._on_batch = on_batch
        self._changed = threading.Condition()
        self._jobs: list[_Job] = []
        self._numbers = itertools.count()
        self._waiting_s = 0.0
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Windows that wait for the model."""
        return len(self._jobs)

    def submit(
        self,
        model: CtcNetwork,
        window: Window,
        *,
        sample_rate_hz: int,
        done_s: float = 0.0,
    ) -> "Future[LogProbs]":
        """Hand in a window.

        Args:
            model: In eval mode. Windows of one model run together.
            window: Its samples normalized as the checkpoint wants them.
            sample_rate_hz: Rate of the samples.
            done_s: Seconds of audio that the same request has handed in before.

        Returns:
            Natural logarithms of the window's kept and spare frames, (T, V), when they are
            there. Cancelling it takes the window back.

        Raises:
            RuntimeError: When the thread is closed.
        """
        duration_s = len(window.samples) / sample_rate_hz
        due = time.monotonic() + _DELAY_FOR_AUDIO * (done_s + duration_s)
        job = _Job(due, next(self._numbers), model, window, duration_s, Future())
        with self._changed:
            if self._is_closing:
                raise RuntimeError("the model thread is closed")
            heapq.heappush(self._jobs, job)
            self._waiting_s += duration_s
            self._changed.notify_all()
        return job.result

    def close(self) -> None:
        """Run what was handed in, and end the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while self._wait_for_jobs():
            with self._turns.turn():
                # Only now: while another had the turn, more windows may have come.
                self._run_batch(self._pop_batch())

    def _wait_for_jobs(self) -> bool:
        """Return when there is a batch to run; False when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closing)
            if self._expects_company() or self._waiting_s >= _LONG_S:
                self._changed.wait_for(
                    lambda: self._waiting_s >= self._batch_seconds or self._is_closing,
                    timeout=self._max_wait_s,
                )
            return bool(self._jobs)

    def _pop_batch(self) -> list[_Job]:
        batch: list[_Job] = []
        left: list[_Job] = []
        num_seconds = 0.0
        with self._changed:
            while self._jobs and num_seconds < self._batch_seconds:
                job = heapq.heappop(self._jobs)
                if not batch or (
                    job.model is batch[0].model
                    and num_seconds + job.duration_s <= self._batch_seconds
                ):
                    self._waiting_s -= job.duration_s
                    if job.result.set_running_or_notify_cancel():
                        batch.append(job)
                        num_seconds += job.duration_s
                else:
                    left.append(job)
            for job in left:
                heapq.heappush(self._jobs, job)
        return batch

    def _run_batch(self, batch: Sequence[_Job]) -> None:
        if not batch:
            return  # all of them were taken back
        start = time.monotonic()
        audio_s = sum(job.duration_s for job in batch)
        rate_hz = len(batch[0].window.samples) / batch[0].duration_s
        windows = [job.window for job in batch]
        try:
            for position, log_probs in run_windows(
                batch[0].model, windows, batch_samples=round(self._batch_seconds * rate_hz)
            ):
                # A copy: a view would keep the whole batch for its slowest reader.
                batch[position].result.set_result(log_probs.copy())
        except Exception as error:  # noqa: BLE001  told to those who wait; the thread goes on
            for job in batch:
                if not job.result.done():
                    job.result.set_exception(error)
        self._on_batch(len(batch), audio_s, time.monotonic() - start)


def cancel_all(results: "Sequence[Future[Any]]") -> None:
    """Take windows back that are not needed any more."""
    for result in results:
        result.cancel()
