"""A small network of Segment Anything's kind, made here: nothing to fetch, and the shape of the true ones."""

from pathlib import Path

import torch
from tests.sam.networks import saved, seeing_network

from fourpoint_worker.segmenter.sam.architecture import Architecture

# As many tokens as the official ones, fewer features and blocks: a thirty-fifth of ViT-B's work for an
# embedding, and a decoder of the true size.
SMALL = Architecture(side=1024, width=192, depth=2, heads=3, window=14, global_blocks=(1,))


def small_sam(directory: Path, checkpoint: str) -> dict[str, str]:
    """Variables of a worker that runs it, or the checkpoint that somebody has: on a GPU where there is one."""
    path = checkpoint or str(saved(seeing_network(SMALL), directory / "small.pth"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {"FOURPOINT_SAM_CHECKPOINT": path, "FOURPOINT_SAM_DEVICE": device}
