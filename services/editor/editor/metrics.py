"""Count and time edits as Prometheus metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)


class EditMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge("editor_queue_edits", "Edits waiting for their turn", registry=registry)
        self._seconds = Histogram(
            "editor_picture_seconds", "Seconds a picture", ("task",), buckets=_SECONDS, registry=registry
        )
        self._ended = Counter("editor_edits", "Edits that came to an end", ("outcome",), registry=registry)

    def queue_changed(self, waiting: int) -> None:
        self._waiting.set(waiting)

    def picture_made(self, task: str, seconds: float) -> None:
        self._seconds.labels(task).observe(seconds)

    def ended(self, outcome: str) -> None:
        """Count an edit that ended: ``done``, ``failed`` or ``cancelled``."""
        self._ended.labels(outcome).inc()
