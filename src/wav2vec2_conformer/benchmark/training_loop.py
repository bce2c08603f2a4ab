"""Measures steps of training as they come one after the other in a run."""

from collections.abc import Callable
from typing import Any

from wav2vec2_conformer.benchmark.names import OURS
from wav2vec2_conformer.benchmark.resources import measure, measure_time
from wav2vec2_conformer.training.freed_memory import keep_freed_memory


def prepare_steps(step: Callable[[], object], implementation: str) -> Callable[[], dict[str, Any]]:
    """Measure the memory of a step, and return what measures the time of further ones.

    Ours then keeps freed memory, as `finetune` and `pretrain` do; transformers' trainer leaves
    that as it is. Memory is measured before, since what is kept would not count any more.

    Args:
        step: Takes a step of training; one was taken before.
        implementation: Whose model it trains.

    Returns:
        A function that takes a step and returns `wall_s`, `cpu_s` and that `memory_mb`.
    """
    memory_mb = measure(step)[1]["memory_mb"]
    if implementation == OURS:
        keep_freed_memory()
    step()
    return lambda: {**measure_time(step)[1], "memory_mb": memory_mb}
