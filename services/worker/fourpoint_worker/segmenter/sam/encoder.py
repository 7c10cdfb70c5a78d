"""Images to embeddings, several at a time. Called by the device's thread alone."""

import time
from collections.abc import Callable, Sequence

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor

from fourpoint_worker.segmenter.port import RgbImage
from fourpoint_worker.segmenter.sam.attention import fuse_attention
from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.weights import PIXEL_DEVIATION, PIXEL_MEAN


class Encoder:
    """The image encoder on its device.

    batches: the numbers of images that a call may have, ascending. A call with another number is filled up:
    every shape costs a compilation, or a recording of the GPU's launches, while the process warms up.
    """

    def __init__(
        self,
        network: ImageEncoderViT,
        device: Device,
        batches: Sequence[int] = (1,),
        compiler: Callable[[Callable[..., Tensor]], Callable[..., Tensor]] | None = None,
    ):
        """network: taken over and changed. compiler: `torch.compile`, or what stands in for it."""
        fuse_attention(network)
        self.side: int = network.img_size
        self.batches = tuple(batches)
        self._device = device
        self._network = network.to(device.name, device.precision.of_encoder)
        self._mean = torch.tensor(PIXEL_MEAN, device=device.name).view(1, 3, 1, 1)
        self._deviation = torch.tensor(PIXEL_DEVIATION, device=device.name).view(1, 3, 1, 1)
        self.seconds_a_call = 0.0
        self._run = self._forward if compiler is None else compiler(self._forward)

    @torch.inference_mode()
    def __call__(self, images: Sequence[RgbImage]) -> list[Tensor]:
        """An embedding (features, tokens, tokens) of each image, in the precision that is kept.

        images: (height, width, 3), the longer side `side` pixels; no more than the largest batch.
        """
        size = next(size for size in self.batches if size >= len(images))
        square = torch.zeros((size, self.side, self.side, 3), dtype=torch.uint8)
        for row, image in zip(square, images, strict=False):
            row[: image.shape[0], : image.shape[1]] = torch.from_numpy(image.copy())
        sizes = torch.tensor([image.shape[:2] for image in images] + [(0, 0)] * (size - len(images)))
        # Eight bits a channel travel to the device, a quarter of what the network works on.
        found = self._run(self._to_device(square), self._to_device(sizes))
        # A copy: what a recorded call returns is overwritten by the next one.
        kept = found[: len(images)].to(self._device.precision.of_embedding, copy=True)
        if self._device.is_gpu:
            # Done means done: calls that are only queued on the GPU would all have to end before a click's.
            torch.cuda.current_stream().synchronize()
        # Each on its own: a view would keep the memory of the whole call for as long as any of them is kept.
        # And in one order: the last bits of what is made of it depend on how it lies in memory.
        return [row.clone(memory_format=torch.contiguous_format) for row in kept]

    def warm_up(self) -> Tensor:
        """Compile or record every batch size; an embedding, for whoever warms up next.

        Afterwards `seconds_a_call` is what the largest takes.
        """
        blank = torch.zeros((self.side, self.side, 3), dtype=torch.uint8).numpy()
        for size in self.batches:
            for _ in range(3 if self._device.is_gpu else 1):
                began = time.perf_counter()
                found = self([blank] * size)
                self.seconds_a_call = time.perf_counter() - began
        return found[0]

    def _to_device(self, tensor: Tensor) -> Tensor:
        if self._device.is_gpu:
            return tensor.pin_memory().to(self._device.name, non_blocking=True)
        return tensor

    def _forward(self, square: Tensor, sizes: Tensor) -> Tensor:
        """(batch, side, side, 3) bytes, of which `sizes` (batch, 2) rows and columns are image."""
        pixels = (square.permute(0, 3, 1, 2).float() - self._mean) / self._deviation
        # What lies beyond the image is nothing after the colours are normalised, not black before.
        steps = torch.arange(self.side, device=square.device)
        inside = (steps[None, :, None] < sizes[:, 0, None, None]) & (
            steps[None, None, :] < sizes[:, 1, None, None]
        )
        pixels = pixels * inside[:, None]
        return self._network(pixels.to(self._device.precision.of_encoder))
