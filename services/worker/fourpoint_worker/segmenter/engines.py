"""The engines that this installation knows, by the name that configuration uses."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.embeddings.shared import SharedTier
from fourpoint_worker.segmenter.metrics import EngineMetrics
from fourpoint_worker.segmenter.port import Engine
from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.segmenter.weight_free import WeightFreeEngine

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What an engine may need to know, and where it leaves what others can use.

    stage_seconds: what one of its steps may take before the process is ended.
    """

    sam: SamSettings = field(default_factory=lambda: SamSettings.from_mapping({}))
    compact: CompactSettings = field(default_factory=lambda: CompactSettings.from_mapping({}))
    shared: SharedTier | None = None
    metrics: EngineMetrics = field(default_factory=EngineMetrics)
    stage_seconds: float = math.inf


def _sam(surroundings: Surroundings) -> Engine:
    try:
        # An extra of several gigabytes: loaded where it is asked for, and nowhere else.
        from fourpoint_worker.segmenter.sam.build import build_sam  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The engine 'sam' needs {error.name}, which is not installed: `pip install 'fourpoint[sam]'`."
        ) from error
    return build_sam(surroundings.sam, surroundings.shared, surroundings.metrics, surroundings.stage_seconds)


def _compact(surroundings: Surroundings) -> Engine:
    settings = surroundings.compact
    if not settings.model and not settings.model_path.exists():
        # Its name in /readyz and in every answer says so as well.
        logger.warning(
            "the engine 'compact' has no model (%s is missing): 'weight-free' stands in for it",
            settings.model_path,
        )
        return WeightFreeEngine()
    # onnxruntime is loaded where it is used, and nowhere else.
    from fourpoint_worker.segmenter.compact.engine import CompactEngine  # noqa: PLC0415

    return CompactEngine(settings)


ENGINES: dict[str, Callable[[Surroundings], Engine]] = {
    WeightFreeEngine.name: lambda surroundings: WeightFreeEngine(),
    "compact": _compact,
    "sam": _sam,
}


def build_engine(name: str, surroundings: Surroundings | None = None) -> Engine:
    """A new engine, not yet warm. Raises SettingsError, which names the known ones, where there is none."""
    build = ENGINES.get(name)
    if build is None:
        known = ", ".join(sorted(ENGINES))
        raise SettingsError(f"There is no engine called {name!r}; the known ones are: {known}.")
    return build(surroundings or Surroundings())
