"""The engines that this installation knows, by the name that configuration uses."""

from collections.abc import Callable

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.port import Engine
from fourpoint_worker.segmenter.weight_free import WeightFreeEngine

ENGINES: dict[str, Callable[[], Engine]] = {
    WeightFreeEngine.name: WeightFreeEngine,
}


def build_engine(name: str) -> Engine:
    """A new engine, not yet warm. Raises SettingsError naming the known ones when there is none."""
    build = ENGINES.get(name)
    if build is None:
        known = ", ".join(sorted(ENGINES))
        raise SettingsError(f"There is no engine called {name!r}; the known ones are: {known}.")
    return build()
