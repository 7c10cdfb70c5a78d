"""The official networks with random weights, as the engine runs them and as `SamPredictor` does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import torch
from benchmarks.support.repeated import timed
from segment_anything import SamPredictor
from tests.sam.networks import random_network, saved, seeing_network
from torch.utils.flop_counter import FlopCounterMode

from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded
from fourpoint_worker.segmenter.sam.architecture import OFFICIAL
from fourpoint_worker.segmenter.sam.checkpoints import digest_of
from fourpoint_worker.segmenter.sam.decoder import Decoder
from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.encoder import Encoder
from fourpoint_worker.segmenter.sam.engine import Options, SamEngine, compiler_for
from fourpoint_worker.segmenter.sam.prompts import CanvasPrompt
from fourpoint_worker.segmenter.sam.weights import blank_network

Call = Callable[[], object]
# Twelve megapixels, as cameras have them, and an object of a third of it.
_PHOTO, _OBJECT = (3000, 4000), (slice(1000, 2000), slice(1200, 2800))
_MATRICES = {"cpu": (1024, 2048), "cuda": (4096, 8192, 16384)}


def matrix_rate(device: Device, kind: torch.dtype) -> float:
    """TFLOP/s of the size of matrix that the device multiplies best. Full float32: no shortcuts in TF32."""

    def rate(side: int) -> float:
        one, other = (torch.randn(side, side, device=device.name).to(kind) for _ in range(2))
        return 2 * side**3 / timed(_synchronised(device, lambda: one @ other), 1.0).median / 1e12

    return max(map(rate, _MATRICES["cuda" if device.is_gpu else "cpu"]))


@cache
def encoder_flops(model: str) -> float:
    """Floating-point operations for one image, counted from the official layers."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = blank_network(OFFICIAL[model])
        network.image_encoder(torch.empty(1, 3, network.image_encoder.img_size, network.image_encoder.img_size))
    return float(counter.get_total_flops())


@cache
def decoder_flops(model: str) -> float:
    """The same for one prompt on an embedding, a box."""
    side, features = OFFICIAL[model].tokens, OFFICIAL[model].outputs
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        image = torch.empty(1, features, side, side)
        blank_network(OFFICIAL[model]).mask_decoder.predict_masks(
            image_embeddings=image,
            image_pe=image,
            sparse_prompt_embeddings=torch.empty(1, 2, features),
            dense_prompt_embeddings=image,
        )
    return float(counter.get_total_flops())


class Rivals:
    """One network twice: in the engine's encoder and decoder, and in `SamPredictor`, in float32."""

    def __init__(self, model: str, device: Device, batches: Sequence[int], *, compiled: bool):
        torch.set_grad_enabled(False)
        self._device = device
        self.side = OFFICIAL[model].side
        network = random_network(OFFICIAL[model])
        self._plain = SamPredictor(deepcopy(network).to(device.name))
        compiler = compiler_for(compiled)
        self._encoder = Encoder(network.image_encoder, device, sorted(batches), compiler)
        self._decoder = Decoder(network.prompt_encoder, network.mask_decoder, device, compiler)
        if compiled:
            # Minutes, in which calls are compiled and recorded: they are no part of any figure.
            torch.set_float32_matmul_precision("high")
            self._encoder.warm_up()
        rng = np.random.default_rng(0)
        self._image = rng.integers(0, 255, (self.side, self.side, 3), np.uint8)
        side, features = OFFICIAL[model].tokens, OFFICIAL[model].outputs
        self._embedding = torch.randn(features, side, side).to(device.name)

    def close(self) -> None:
        """Give the device's memory back."""
        del self._plain, self._encoder, self._decoder
        if self._device.is_gpu:
            torch.cuda.empty_cache()

    def encode(self, batch: int) -> Call:
        """So many images in one call of the engine's encoder."""
        return self._of_the_engine(lambda: self._encoder([self._image] * batch))

    def encode_plainly(self, batch: int) -> Call:
        """The same images, as the official predictor takes them."""
        images = torch.from_numpy(np.stack([self._image] * batch)).permute(0, 3, 1, 2).contiguous()
        size = (self.side, self.side)
        return self._official(lambda: self._plain.set_torch_image(images.to(self._device.name), size))

    def decode(self, batch: int) -> Call:
        """So many boxes in one call of the engine's decoder."""
        embedding = self._embedding.to(self._device.precision.of_embedding)
        self._decoder.warm_up(embedding)
        prompts = [CanvasPrompt(box) for box in self._boxes(batch)]
        return self._of_the_engine(lambda: self._decoder(embedding, prompts))

    def decode_plainly(self, batch: int) -> Call:
        """The same boxes, as the official predictor takes them."""
        # As `set_torch_image` leaves it, without having to wait for the encoder.
        self._plain.features, self._plain.is_image_set = self._embedding[None], True
        self._plain.original_size = self._plain.input_size = (self.side, self.side)
        boxes = torch.tensor(self._boxes(batch), device=self._device.name)
        return self._official(lambda: self._plain.predict_torch(None, None, boxes))

    def _boxes(self, count: int) -> list[tuple[float, float, float, float]]:
        return [(100.0 + 10 * number, 120.0, 700.0, 800.0 - 10 * number) for number in range(count)]

    def _of_the_engine(self, action: Call) -> Call:
        return _synchronised(self._device, lambda: (torch.set_float32_matmul_precision("high"), action()))

    def _official(self, action: Call) -> Call:
        return _synchronised(self._device, lambda: (torch.set_float32_matmul_precision("highest"), action()))


@contextmanager
def warm_clicks(model: str, device: Device, directory: Path, *, compiled: bool) -> Iterator[Call]:
    """Four clicks on a photograph whose embedding the engine has, by a network that finds what is bright."""
    path = saved(seeing_network(OFFICIAL[model]), directory / "network.pth")
    options = Options(device=device, compiled=compiled)
    engine = SamEngine(path, digest_of(path), options)
    path.unlink()
    engine.warm_up()
    photo = np.full((*_PHOTO, 3), 30, np.uint8)
    photo[_OBJECT] = 220
    picture, prompt = Decoded(photo, "photo"), _clicks()
    engine.prepare(picture, lambda stage: None)
    try:
        yield lambda: draw_outline(engine, picture, prompt, lambda stage: None)
    finally:
        engine.close()


def _clicks() -> Prompt:
    rows, columns = _OBJECT
    x, y = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
    return Prompt(
        points=ExtremePoints(
            top=(x, rows.start + 0.5),
            bottom=(x, rows.stop - 0.5),
            left=(columns.start + 0.5, y),
            right=(columns.stop - 0.5, y),
        )
    )


def _synchronised(device: Device, action: Call) -> Call:
    """Until it is done, and not only queued on the GPU."""
    if not device.is_gpu:
        return action

    def whole() -> None:
        action()
        torch.cuda.synchronize(device.name)

    return whole
