"""Settings of the engine `compact`."""

from dataclasses import dataclass
from pathlib import Path

from fourpoint_core.settings import FromVariables, variable

SHIPPED_MODEL = Path(__file__).with_name("model.onnx")


@dataclass(frozen=True)
class CompactSettings(FromVariables):
    """Read only where the engine is `compact`."""

    model: str = variable(
        "FOURPOINT_COMPACT_MODEL", "path of the network's file; empty: the one that comes with the worker", ""
    )
    threads: int = variable("FOURPOINT_COMPACT_THREADS", "threads that the network takes for one object", 2)
    mirrored: bool = variable(
        "FOURPOINT_COMPACT_MIRRORED", "ask the network twice, once in a mirror: better and half as fast", True
    )
    refined: bool = variable(
        "FOURPOINT_COMPACT_REFINED",
        "move the outline to the picture's edges with a minimum cut",
        True,
    )

    @property
    def model_path(self) -> Path:
        """Where the file should be."""
        return Path(self.model) if self.model else SHIPPED_MODEL
