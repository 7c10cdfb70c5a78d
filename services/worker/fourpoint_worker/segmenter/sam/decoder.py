"""Prompts on one embedding to masks, several at a time. Called by the device's thread alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder
from torch import Tensor, nn
from torch.nn import functional

from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.prompts import CanvasPrompt

_WARM_POINTS = 2


@dataclass(frozen=True, slots=True)
class Masks:
    """What the decoder says to one prompt: masks 1 to 3 of an ambiguous object, and 0 of a plain one.

    logits: (4, cells, cells) over the whole canvas, on the device; the object is where they exceed 0.
    quality: (4,) the decoder's estimates of the masks' IoU, on the CPU.
    """

    logits: Tensor
    quality: Tensor


class Decoder:
    """Prompt encoder and mask decoder on their device, in float32."""

    def __init__(
        self,
        prompts: PromptEncoder,
        masks: MaskDecoder,
        device: Device,
        compiler: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    ):
        """prompts, masks: taken over. compiler: `torch.compile`, or what stands in for it."""
        self.side: int = prompts.input_image_size[0]
        self.cells: int = prompts.mask_input_size[0]
        self._device = device
        self._prompts = prompts.to(device.name)
        self._masks = masks.to(device.name)
        with torch.inference_mode():
            self._places = prompts.get_dense_pe().flatten(2).transpose(1, 2).contiguous()
        self._compiled = None if compiler is None else compiler(self._forward)
        # Shapes that were compiled while the process warmed up. Any other would make a person wait for that.
        self._known: set[tuple[int, int, bool]] = set()

    @torch.inference_mode()
    def __call__(self, embedding: Tensor, prompts: Sequence[CanvasPrompt]) -> list[Masks]:
        """The masks of each prompt. Those alike in shape are decoded in one call.

        embedding: (features, tokens, tokens), shared by all of them and never copied for each.
        """
        image = embedding.to(self._device.name, torch.float32)[None]
        answers: dict[int, Masks] = {}
        for group in _alike(prompts):
            batch = [prompts[index] for index in group]
            run = self._forward
            if self._compiled is not None and _shape_of(batch) in self._known:
                run = self._compiled
            logits, quality = run(image, *self._tensors(batch))
            # A copy: what a recorded call returns is overwritten by the next one.
            kept, estimates = logits.clone(), quality.cpu()
            answers |= {index: Masks(kept[row], estimates[row]) for row, index in enumerate(group)}
        return [answers[index] for index in range(len(prompts))]

    def warm_up(self, embedding: Tensor) -> None:
        """Decode each shape that a click, its second pass and a few corrections have."""
        corners, middle = (1.0, 1.0, self.side - 2.0, self.side - 2.0), (self.side / 2, self.side / 2)
        for count in range(_WARM_POINTS + 1):
            first = CanvasPrompt(corners, (middle,) * count, (True,) * count)
            self._known |= {(1, count, False), (1, count, True)}
            for _ in range(3 if self._device.is_gpu else 1):
                [masks] = self(embedding, [first])
                self(embedding, [first.refined(masks.logits[0])])

    def _tensors(self, batch: Sequence[CanvasPrompt]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        boxes = torch.tensor([prompt.box for prompt in batch], dtype=torch.float32)
        points = torch.tensor([prompt.points for prompt in batch], dtype=torch.float32)
        labels = torch.tensor([prompt.labels for prompt in batch], dtype=torch.bool)
        earlier = [prompt.mask for prompt in batch if prompt.mask is not None]
        masks = None
        if earlier:
            masks = torch.stack([torch.as_tensor(mask) for mask in earlier])[:, None]
            masks = masks.to(self._device.name, torch.float32)
        count = len(batch)
        to = self._device.name
        return boxes.to(to), points.view(count, -1, 2).to(to), labels.view(count, -1).to(to), masks

    def _forward(
        self, image: Tensor, boxes: Tensor, points: Tensor, labels: Tensor, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """image (1, features, t, t); boxes (b, 4); points (b, n, 2); labels (b, n); masks (b, 1, 4t, 4t)."""
        sparse = torch.cat([self._embed_points(points, labels), self._embed_boxes(boxes)], dim=1)
        if masks is None:
            # The same for every prompt, so there still is one image, and not one a prompt.
            dense = self._prompts.no_mask_embed.weight.view(1, -1, 1, 1)
        else:
            dense = self._prompts.mask_downscaling(masks)
        return self._decode(image + dense, sparse)

    def _embed_points(self, points: Tensor, labels: Tensor) -> Tensor:
        off, on = (self._prompts.point_embeddings[index].weight for index in (0, 1))
        return self._placed(points) + torch.where(labels[..., None], on, off)

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = torch.cat([self._prompts.point_embeddings[index].weight for index in (2, 3)])
        return self._placed(boxes.view(-1, 2, 2)) + corners

    def _placed(self, points: Tensor) -> Tensor:
        """Pixel indices to features of their place; the middle of a pixel is half a pixel on."""
        encoded: Tensor = self._prompts.pe_layer._pe_encoding((points + 0.5) / self.side)
        return encoded

    def _decode(self, image: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """image: (1 or b, features, t, t); sparse: (b, n, features)."""
        network = self._masks
        own = torch.cat([network.iou_token.weight, network.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(sparse), -1, -1), sparse], dim=1)
        queries, keys = self._attend(image.flatten(2).transpose(1, 2), tokens)
        count = network.num_mask_tokens
        side = image.shape[2]
        drawn = network.output_upscaling(keys.transpose(1, 2).reshape(len(tokens), -1, side, side))
        strokes = torch.stack(
            [network.output_hypernetworks_mlps[index](queries[:, 1 + index]) for index in range(count)], dim=1
        )
        logits = (strokes @ drawn.flatten(2)).view(len(tokens), count, 4 * side, 4 * side)
        return logits, network.iou_prediction_head(queries[:, 0])

    def _attend(self, keys: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The two-way transformer; `keys` stays one image until the prompts have written into it."""
        transformer = self._masks.transformer
        queries = tokens
        for layer in transformer.layers:
            if layer.skip_first_layer_pe:
                queries = _attention(layer.self_attn, queries, queries, queries)
            else:
                placed = queries + tokens
                queries = queries + _attention(layer.self_attn, placed, placed, queries)
            queries = layer.norm1(queries)
            placed_keys = keys + self._places
            seen = _attention(layer.cross_attn_token_to_image, queries + tokens, placed_keys, keys)
            queries = layer.norm2(queries + seen)
            queries = layer.norm3(queries + layer.mlp(queries))
            written = _attention(layer.cross_attn_image_to_token, placed_keys, queries + tokens, queries)
            keys = layer.norm4(keys + written)
        seen = _attention(transformer.final_attn_token_to_image, queries + tokens, keys + self._places, keys)
        return transformer.norm_final_attn(queries + seen), keys


def _attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What `module` computes; a side with a batch of one is projected once and serves all of the other."""
    query, key, value = (
        projection(side).unflatten(2, (module.num_heads, -1)).transpose(1, 2)
        for projection, side in ((module.q_proj, query), (module.k_proj, key), (module.v_proj, value))
    )
    batch = max(len(query), len(key))
    query, key, value = (side.expand(batch, -1, -1, -1) for side in (query, key, value))
    seen = functional.scaled_dot_product_attention(query, key, value)
    return module.out_proj(seen.transpose(1, 2).flatten(2))


def _shape_of(batch: Sequence[CanvasPrompt]) -> tuple[int, int, bool]:
    return len(batch), len(batch[0].points), batch[0].mask is not None


def _alike(prompts: Sequence[CanvasPrompt]) -> list[list[int]]:
    """Indices of prompts with as many points, and with or without a mask."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault((len(prompt.points), prompt.mask is None), []).append(index)
    return list(groups.values())
