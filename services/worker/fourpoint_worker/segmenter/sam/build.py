"""The engine as configuration wants it."""

from fourpoint_worker.segmenter.embeddings.shared import SharedTier
from fourpoint_worker.segmenter.metrics import EngineMetrics
from fourpoint_worker.segmenter.sam.checkpoints import locate, models_directory
from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.engine import Options, SamEngine
from fourpoint_worker.segmenter.sam.settings import SamSettings


def build_sam(
    settings: SamSettings, shared: SharedTier | None, metrics: EngineMetrics, stage_seconds: float
) -> SamEngine:
    """Raises SettingsError: no such device, or a checkpoint that is not what it should be."""
    # The device first: nobody should wait for a download to hear that there is no GPU.
    device = Device.named(settings.device, settings.precision)
    path, digest = locate(
        settings.checkpoint, settings.sha256, settings.model, models_directory(settings.models_directory)
    )
    options = Options(
        device=device,
        # Without a GPU a call of several images takes as long as several calls.
        batches=_batches(settings.batch) if device.is_gpu else (1,),
        patience_seconds=settings.patience_milliseconds / 1000,
        compiled=settings.compiled and device.is_gpu,
        zoom=settings.zoom,
        memory_bytes=settings.memory_bytes,
        stage_seconds=stage_seconds,
    )
    return SamEngine(path, digest, options, model=settings.model, shared=shared, metrics=metrics)


def _batches(largest: int) -> tuple[int, ...]:
    """1, 2, 4 ... and the largest."""
    sizes = {1, largest}
    size = 2
    while size < largest:
        sizes.add(size)
        size *= 2
    return tuple(sorted(sizes))
