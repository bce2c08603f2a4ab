"""A measuring process, from outside: started, asked, and ended."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Any, Self

_PATIENCE_S = 30.0  # for a process that has closed its stdout to end
# "package.SomeError: what is wrong", as the last part of a traceback.
_ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt|Exit)\b")


class MeasurementError(Exception):
    """A measuring process failed; the message is the reason for the table."""


class Participant:
    """One process of `python -m wav2vec2_conformer.benchmark.MODULE`.

    Args:
        name: Name among the participants of an experiment, such as `ours`.
        module: The file of this package that does the work.
        arguments: What it reads before it begins; a JSON object.
        threads: Number of threads of the work.
    """

    def __init__(self, name: str, module: str, arguments: dict[str, Any], *, threads: int) -> None:
        self.name = name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._lines: queue.Queue[str | None] = queue.Queue()
        command = [
            sys.executable,
            "-m",
            f"{__package__}.{module}",
            json.dumps({**arguments, "threads": threads}),
        ]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            encoding="utf-8",
            env=environment,
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def ask(self, request: dict[str, Any] | None, *, limit_s: float) -> dict[str, Any]:
        """Return the answer to a request, or to none what the process says first.

        Raises:
            MeasurementError: The process failed, was killed, or took longer than the limit.
        """
        if request is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError as error:
                raise MeasurementError(self._reason()) from error
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty as error:
            raise MeasurementError(f"took longer than {limit_s:.0f} s") from error
        if line is None:
            raise MeasurementError(self._reason())
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise MeasurementError(f"answered {line[:80]!r}") from error
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # a request that it did not read any more
                    continue

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def _collect(self) -> None:
        """Queue each line of stdout; None at its end."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _reason(self) -> str:
        """Return why the process ended: its signal, or the last line on stderr."""
        try:
            code = self._process.wait(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:  # has said what is wrong, and is still tidying up
            code = 0
        if code < 0:
            name = signal.Signals(-code).name
            hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
            return f"killed by {name}{hint}"
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        # A traceback ends with the error, whose message may go on for lines.
        told = [line for line in lines if _ERROR.match(line)] or lines
        if not told:
            return f"ended with code {code}"
        return told[-1].removeprefix("wav2vec2_conformer.errors.")[:200]
