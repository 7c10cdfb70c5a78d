"""Small networks of Segment Anything's kind, made here: random ones to compare numbers, and one that sees."""

from pathlib import Path

import torch
from segment_anything.modeling import Sam

from fourpoint_worker.segmenter.sam.architecture import Architecture
from fourpoint_worker.segmenter.sam.weights import blank_network

# Sixteen tokens a side, so that a window of six leaves a rest, as fourteen of sixty-four does.
TINY = Architecture(side=256, width=64, depth=4, heads=2, window=6, global_blocks=(1, 3))


def random_network(architecture: Architecture = TINY, seed: int = 0) -> Sam:
    """Weights as layers begin, relative positions too, and masks that reach from far below to far above 0."""
    torch.manual_seed(seed)
    network = blank_network(architecture)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if "rel_pos" in name or "pos_embed" in name:
                weights.normal_(std=0.3)
        for mlp in network.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.mul_(30)
    return network.eval().requires_grad_(False)


def seeing_network(architecture: Architecture = TINY) -> Sam:
    """Finds what is bright, by squares of 16 pixels of the canvas: no weight is random, all but a few are 0.

    Mask 0 and 2 are the bright squares; mask 1 the dark ones, of which the decoder thinks most; mask 3 is all.
    """
    network = blank_network(architecture)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            is_scale = "norm" in name and name.endswith("weight")
            weights.fill_(1.0 if is_scale or name.endswith(("neck.1.weight", "neck.3.weight")) else 0.0)
        encoder, decoder = network.image_encoder, network.mask_decoder
        encoder.patch_embed.proj.weight[0] = 1 / (3 * 16 * 16)
        encoder.neck[0].weight[0, 0], encoder.neck[0].weight[1, 0] = 1.0, -1.0
        for channel in (0, 1):
            encoder.neck[2].weight[channel, channel, 1, 1] = 1.0
        first, scale, second = (decoder.output_upscaling[index] for index in (0, 1, 3))
        scale.weight.fill_(1.0)
        first.weight[0, 0], first.weight[1, 1] = 1.0, 1.0
        second.weight[0, 0], second.weight[1, 0] = 1.0, -1.0
        second.weight[0, 1], second.weight[1, 1] = -1.0, 1.0
        second.bias[2] = 5.0
        strokes = ((1.0, -1.0, 0.0), (-1.0, 1.0, 0.0), (1.0, -1.0, 0.0), (0.0, 0.0, 1.0))
        for mlp, stroke in zip(decoder.output_hypernetworks_mlps, strokes, strict=True):
            mlp.layers[-1].bias[:3] = torch.tensor(stroke)
        decoder.iou_prediction_head.layers[-1].bias.copy_(torch.tensor([0.8, 0.95, 0.7, 0.75]))
    return network.eval().requires_grad_(False)


def saved(network: Sam, path: Path) -> Path:
    """The network as a checkpoint file."""
    torch.save(network.state_dict(), path)
    return path
