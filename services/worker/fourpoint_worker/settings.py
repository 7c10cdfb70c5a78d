"""Settings of the worker processes."""

from dataclasses import dataclass

from fourpoint_core.settings import MEBIBYTE, CoreSettings, variable


@dataclass(frozen=True)
class WorkerSettings(CoreSettings):
    """What only workers need, on top of CoreSettings."""

    engine: str = variable("FOURPOINT_ENGINE", "what draws the outlines", "weight-free")
    inference_threads: int = variable("FOURPOINT_INFERENCE_THREADS", "clicks worked on at once", 2)
    io_processes: int = variable("FOURPOINT_IO_PROCESSES", "processes for work that is not inference", 1)
    stage_seconds: float = variable(
        "FOURPOINT_STAGE_SECONDS", "an inference process whose stage takes longer ends itself", 30.0
    )
    image_cache_bytes: int = variable(
        "FOURPOINT_IMAGE_CACHE_BYTES", "memory for decoded images, per inference process", 512 * MEBIBYTE
    )
