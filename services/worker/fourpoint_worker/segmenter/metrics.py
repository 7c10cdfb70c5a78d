"""What engines count and time, for Prometheus. Without a registry of a process nothing is published."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from fourpoint_worker.segmenter.embeddings.cache import Source

_SIZES = (1, 2, 4, 8, 16, 32)


class EngineMetrics:
    """registry: None counts for nobody."""

    def __init__(self, registry: CollectorRegistry | None = None):
        registry = registry or CollectorRegistry()
        self._batches = Histogram(
            "fourpoint_encoder_batch_images",
            "Images in one call of the encoder",
            buckets=_SIZES,
            registry=registry,
        )
        self._sources = Counter(
            "fourpoint_embeddings", "Embeddings by where they came from", ["source"], registry=registry
        )

    def encoded(self, images: int) -> None:
        """The encoder was called."""
        self._batches.observe(images)

    def found(self, source: Source) -> None:
        """An embedding was asked for."""
        self._sources.labels(source.value).inc()
