"""Settings of the engine `sam` and of what it keeps."""

from dataclasses import dataclass

from fourpoint_core.settings import MEBIBYTE, FromVariables, variable


@dataclass(frozen=True)
class SamSettings(FromVariables):
    """Read only where the engine is `sam`."""

    model: str = variable(
        "FOURPOINT_SAM_MODEL", "vit_b, vit_l or vit_h; empty: what the checkpoint is, or vit_b", ""
    )
    checkpoint: str = variable(
        "FOURPOINT_SAM_CHECKPOINT", "path or URL of the weights; empty: the official ones of the model", ""
    )
    sha256: str = variable(
        "FOURPOINT_SAM_SHA256", "what the checkpoint's SHA-256 must be; a URL of your own needs it", ""
    )
    models_directory: str = variable(
        "FOURPOINT_MODELS_DIRECTORY", "where fetched checkpoints are kept; empty: ~/.cache/fourpoint/models", ""
    )
    device: str = variable("FOURPOINT_SAM_DEVICE", "cuda, cuda:1 and so on, or cpu", "cuda")
    precision: str = variable("FOURPOINT_SAM_PRECISION", "bf16 or fp32; empty: bf16 on a GPU, fp32 without", "")
    batch: int = variable("FOURPOINT_SAM_BATCH", "images that one call of the encoder takes at most", 4)
    patience_milliseconds: float = variable(
        "FOURPOINT_SAM_PATIENCE_MS", "how long such a call waits for images that are being decoded", 4.0
    )
    compiled: bool = variable(
        "FOURPOINT_SAM_COMPILE", "on a GPU: compile and record calls at the start, which takes minutes", True
    )
    zoom: bool = variable("FOURPOINT_SAM_ZOOM", "whether a small object is looked at on its own", True)
    memory_bytes: int = variable(
        "FOURPOINT_SAM_MEMORY_BYTES", "device memory for embeddings, 2 MiB each in bf16", 1024 * MEBIBYTE
    )
