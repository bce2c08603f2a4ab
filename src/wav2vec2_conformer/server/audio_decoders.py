"""Processes that decode uploads: started once, used again, replaced when one comes to harm."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from wav2vec2_conformer.server.api_error import ApiError

_UNDECODABLE = "file: the audio cannot be decoded: {}. Convert it to wav, or send less of it."
_ANSWER_LIMIT_BYTES = 1 << 16
_START_S = 120.0


class AudioDecoders:
    """Decodes files in other processes (`audio_child`).

    Args:
        num_processes: How many files are decoded at once; others wait.
        memory_mb: What each may use beyond its start, in megabytes.
        timeout_s: A file that takes longer is given up, and its process ended.
        max_audio_s: Longest recording.
    """

    def __init__(
        self, num_processes: int, *, memory_mb: int, timeout_s: float, max_audio_s: float
    ) -> None:
        self._memory_mb = memory_mb
        self._timeout_s = timeout_s
        self._max_audio_s = max_audio_s
        # Fair, as a queue is not: whoever waits longest is next.
        self._free = asyncio.Semaphore(num_processes)
        self._idle: list[Process | None] = [None] * num_processes

    async def start(self) -> None:
        """Start the processes before the first file comes."""
        taken = [await self._take() for _ in range(len(self._idle))]
        for process in taken:
            self._give_back(process)

    async def decode(self, path: Path, target: Path, *, rate_hz: int) -> int:
        """Decode a file of any format, rate and number of channels.

        Args:
            path: The file.
            target: Where its mono float32 samples are written.
            rate_hz: Rate of the samples.

        Returns:
            Number of samples.

        Raises:
            ApiError: When there are none, too many, or the file does harm.
        """
        request: dict[str, str | float] = {"path": str(path), "target": str(target)}
        request |= {"rate_hz": rate_hz, "max_audio_s": self._max_audio_s}
        process = await self._take()
        try:
            answer = await asyncio.wait_for(_ask(process, request), self._timeout_s)
        except TimeoutError:
            await _end(process)
            reason = _UNDECODABLE.format(f"it takes longer than {self._timeout_s:g} s")
            raise ApiError(422, reason, code="invalid_audio", param="file") from None
        except BaseException:
            # Nobody waits any more: its answer must not be taken for that to the next file.
            await _end(process)
            raise
        finally:
            self._give_back(process)  # one that has ended is replaced when it is taken
        if "error" not in answer:
            return int(str(answer["num_samples"]))
        if answer["kind"] == "too long":
            raise ApiError(
                413,
                f"the audio is longer than the {self._max_audio_s:g} s that this server takes. "
                "Send it in parts.",
                code="audio_too_long",
                param="file",
            )
        code = "unsupported_format" if answer["kind"] == "missing" else "invalid_audio"
        raise ApiError(422, str(answer["error"]), code=code, param="file")

    async def close(self) -> None:
        """End the processes."""
        for process in self._idle:
            if process is not None:
                await _end(process)

    async def _take(self) -> Process:
        await self._free.acquire()
        idle = self._idle.pop()
        if idle is not None and idle.returncode is None:
            return idle
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wav2vec2_conformer.server.audio_child"),
                str(self._memory_mb),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=_ANSWER_LIMIT_BYTES,
                # Threads of linear algebra reserve memory that the limit counts.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
            # The time that it needs to start is not that of the next file.
            await asyncio.wait_for(_read_line(process), _START_S)
        except BaseException:
            if process is not None:
                await _end(process)
            self._give_back(None)
            raise
        return process

    def _give_back(self, process: Process | None) -> None:
        self._idle.append(process)
        self._free.release()


async def _ask(process: Process, request: dict[str, str | float]) -> dict[str, object]:
    if process.stdin is None:
        raise RuntimeError("a decoding process must have pipes")
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        line = await _read_line(process)
    except (BrokenPipeError, ConnectionResetError):
        line = b""
    if not line:
        await process.wait()  # so that it is replaced
        reason = _UNDECODABLE.format("its decoder crashed, or needs too much memory")
        return {"error": reason, "kind": "audio"}
    answer: dict[str, object] = json.loads(line)
    return answer


async def _read_line(process: Process) -> bytes:
    if process.stdout is None:
        raise RuntimeError("a decoding process must have pipes")
    return await process.stdout.readline()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
