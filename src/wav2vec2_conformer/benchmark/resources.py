"""Wall time, processor time and memory of a piece of work in this process."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets the peak of resident memory to what is resident now
_MB_PER_KIB = 1024 / 1e6


def measure(work: Callable[[], Result]) -> tuple[Result, dict[str, float | None]]:
    """Do a piece of work once.

    Returns:
        What the work returns, and `wall_s`; `cpu_s`, of all threads of this process; `memory_mb`,
        the peak of resident memory during the work beyond what was resident before it (the
        weights), in MB of 10^6 bytes. Memory is None where there is no /proc (not Linux).
    """
    before_mb = _start_memory()
    result, times = measure_time(work)
    memory_mb = None if before_mb is None else _status_mb("VmHWM") - before_mb
    return result, {**times, "memory_mb": memory_mb}


def measure_time(work: Callable[[], Result]) -> tuple[Result, dict[str, float | None]]:
    """Do the same without memory, and without giving back first what earlier work left."""
    start_s, cpu_start_s = time.perf_counter(), time.process_time()
    result = work()
    wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_start_s
    return result, {"wall_s": wall_s, "cpu_s": cpu_s}


def resident_mb() -> float | None:
    """Return the resident memory of this process in MB; None where there is no /proc."""
    return _status_mb("VmRSS") if _STATUS.exists() else None


def available_mb() -> float | None:
    """Return the memory that new processes can have, in MB; None where there is no /proc."""
    meminfo = Path("/proc/meminfo")
    return _field_mb(meminfo, "MemAvailable") if meminfo.exists() else None


def _start_memory() -> float | None:
    """Give back what earlier work left, begin a new peak, and return what is resident, in MB."""
    gc.collect()
    if not _CLEAR.exists():
        return None
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):  # glibc keeps freed memory otherwise
            library.malloc_trim(0)
    _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    return _status_mb("VmRSS")


def _status_mb(field: str) -> float:
    return _field_mb(_STATUS, field)


def _field_mb(path: Path, field: str) -> float:
    """Return the value of a line such as `VmRSS:   1234 kB`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * _MB_PER_KIB
    raise OSError(f"{path} has no field {field}.")
