"""Settings of the worker processes."""

from dataclasses import dataclass
from enum import StrEnum

from fourpoint_core.errors import SettingsError
from fourpoint_core.settings import MEBIBYTE, CoreSettings, metrics_directory, variable


class EmbeddingsPlace(StrEnum):
    """Where embeddings lie that other workers are to find."""

    REDIS = "redis"
    OBJECTS = "objects"
    NOWHERE = "nowhere"


@dataclass(frozen=True)
class WorkerSettings(CoreSettings):
    """What only workers need, on top of CoreSettings."""

    engine: str = variable(
        "FOURPOINT_ENGINE", "what draws the outlines: compact, weight-free or sam", "compact"
    )
    inference_threads: int = variable("FOURPOINT_INFERENCE_THREADS", "clicks worked on at once", 2)
    background_threads: int = variable(
        "FOURPOINT_BACKGROUND_THREADS", "prefetches and batches of an inference process worked on at once", 1
    )
    io_processes: int = variable("FOURPOINT_IO_PROCESSES", "processes for work that is not inference", 1)
    max_object_bytes: int = variable(
        "FOURPOINT_MAX_OBJECT_BYTES", "images in the bucket that are larger are refused", 25 * MEBIBYTE
    )
    sync_readers: int = variable(
        "FOURPOINT_SYNC_READERS", "image headers that a synchronisation reads at once", 16
    )
    stage_seconds: float = variable(
        "FOURPOINT_STAGE_SECONDS", "an inference process whose stage takes longer ends itself", 30.0
    )
    image_cache_bytes: int = variable(
        "FOURPOINT_IMAGE_CACHE_BYTES", "memory for decoded images, per inference process", 512 * MEBIBYTE
    )
    embeddings: EmbeddingsPlace = variable(
        "FOURPOINT_EMBEDDINGS",
        "where workers share embeddings: redis, objects (the object store) or nowhere",
        EmbeddingsPlace.REDIS,
    )
    embeddings_redis_url: str = variable(
        "FOURPOINT_EMBEDDINGS_REDIS_URL", "a Redis of its own for them; empty: the broker's", "", secret=True
    )
    embeddings_bytes: int = variable(
        "FOURPOINT_EMBEDDINGS_BYTES", "room for shared embeddings, of all workers together", 256 * MEBIBYTE
    )
    metrics_bind: str = variable(
        "FOURPOINT_METRICS_BIND", "host:port where a worker serves Prometheus; empty: nowhere", ""
    )
    metrics_directory: str = metrics_directory()

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of the metrics. Raises SettingsError."""
        if not self.metrics_bind:
            return None
        host, _, port = self.metrics_bind.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(f"FOURPOINT_METRICS_BIND: {self.metrics_bind!r} is no host:port.")
        return host.strip("[]"), int(port)

    def check(self) -> None:
        """See FromVariables.check."""
        super().check()
        _ = self.metrics_address
