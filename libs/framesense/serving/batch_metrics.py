"""Prometheus metrics of a micro-batcher."""

from prometheus_client import CollectorRegistry, Gauge, Histogram


class BatchMetrics:
    """Count images and batches, as metrics whose names begin with ``service``.

    A :class:`framesense.serving.batching.BatchObserver`.
    """

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self._waiting = Gauge(f"{service}_queue_images", "Images waiting for the model", registry=registry)
        self._sizes = Histogram(
            f"{service}_batch_images", "Images a model call", buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=registry
        )
        self._seconds = Histogram(f"{service}_batch_seconds", "Seconds a model call", registry=registry)

    def queue_changed(self, waiting: int) -> None:
        self._waiting.set(waiting)

    def batch_finished(self, size: int, seconds: float) -> None:
        self._sizes.observe(size)
        self._seconds.observe(seconds)
