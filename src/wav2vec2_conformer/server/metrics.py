"""What `/metrics` tells, in the format of Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_DURATIONS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_WINDOWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Numbers of one server. A registry of its own: a process may hold several servers.

    Attributes:
        requests: Answers by endpoint and status.
        request_s: How long they took, by endpoint.
        audio_s: Seconds of audio that were heard, by endpoint.
        streams: Live sockets that are open.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter(
            "w2vc_requests", "Answers.", ["endpoint", "status"], registry=self._registry
        )
        self.request_s = Histogram(
            "w2vc_request_seconds",
            "Time from the first byte of a request to the last one of its answer.",
            ["endpoint"],
            buckets=_DURATIONS_S,
            registry=self._registry,
        )
        self.audio_s = Counter(
            "w2vc_audio_seconds", "Audio heard.", ["endpoint"], registry=self._registry
        )
        self.streams = Gauge("w2vc_streams", "Live sockets.", registry=self._registry)
        self._batch_windows = Histogram(
            "w2vc_batch_windows",
            "Windows in a batch.",
            buckets=_WINDOWS,
            registry=self._registry,
        )
        self._batch_audio_s = Counter(
            "w2vc_batch_audio_seconds", "Audio in batches.", registry=self._registry
        )
        self._batch_s = Counter(
            "w2vc_batch_seconds", "Time of the model in batches.", registry=self._registry
        )

    def watch(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Add a number that is read when it is asked for."""
        Gauge(name, help_text, registry=self._registry).set_function(read)

    def count_batch(self, num_windows: int, audio_s: float, duration_s: float) -> None:
        """Count a batch of the model thread."""
        self._batch_windows.observe(num_windows)
        self._batch_audio_s.inc(audio_s)
        self._batch_s.inc(duration_s)

    def format(self) -> bytes:
        """Return all numbers as text."""
        return generate_latest(self._registry)
