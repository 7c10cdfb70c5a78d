"""From a checkpoint file to a network, or a sentence that says why not."""

from functools import partial
from pathlib import Path

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.sam.architecture import Architecture, architecture_of, require

# Of every official network: the means and deviations of the colours that it was trained on.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_DEVIATION = (58.395, 57.12, 57.375)


def load_network(path: Path, model: str = "") -> tuple[Sam, Architecture]:
    """The network in a checkpoint, on the CPU, for inference only.

    Only tensors are read from the file: a pickle that would run code is refused.
    model: as `architecture.require` has it. Raises SettingsError.
    """
    weights = _read(path)
    architecture = architecture_of(weights)
    require(architecture, model)
    network = blank_network(architecture)
    try:
        network.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise SettingsError(
            f"{path} is damaged or changed, it does not fit its own network: {error}"
        ) from error
    broken = next((name for name, value in weights.items() if not value.isfinite().all()), None)
    if broken is not None:
        raise SettingsError(f"{path} is damaged: not all numbers of {broken} are finite.")
    network.eval().requires_grad_(False)
    return network, architecture


def blank_network(architecture: Architecture) -> Sam:
    """The network with the weights that its layers begin with."""
    side = architecture.tokens
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=architecture.side,
            embed_dim=architecture.width,
            depth=architecture.depth,
            num_heads=architecture.heads,
            out_chans=architecture.outputs,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=architecture.window,
            global_attn_indexes=architecture.global_blocks,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=architecture.outputs,
            image_embedding_size=(side, side),
            input_image_size=(architecture.side, architecture.side),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=architecture.outputs,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=architecture.outputs, num_heads=8, mlp_dim=2048
            ),
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_DEVIATION),
    )


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, in float32 whatever it keeps them in."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:
        # What a parser stumbles over in a file that is none has no end: struct.error, IndexError ...
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SettingsError(f"{path} is no checkpoint of PyTorch that holds tensors only: {reason}") from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise SettingsError(f"{path} holds something else than named tensors.")
    return {name: value.float() for name, value in found.items()}
