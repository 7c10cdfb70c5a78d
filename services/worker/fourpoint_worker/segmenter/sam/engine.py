"""Segment Anything behind the port: look the embedding up, ask the decoder twice, choose by the clicks."""

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import NoOutlineError
from fourpoint_worker.segmenter.embeddings.cache import Codec, EmbeddingCache
from fourpoint_worker.segmenter.embeddings.entries import Packed
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.shared import SharedTier
from fourpoint_worker.segmenter.metrics import EngineMetrics
from fourpoint_worker.segmenter.port import Checkpoint, Picture, SoftMask, Urgency
from fourpoint_worker.segmenter.sam.architecture import Architecture
from fourpoint_worker.segmenter.sam.batching import DeviceQueue
from fourpoint_worker.segmenter.sam.choosing import Candidate, Chooser, Cut, cut_for, soft_mask_of
from fourpoint_worker.segmenter.sam.decoder import Decoder, Masks
from fourpoint_worker.segmenter.sam.device import Device, out_of_memory_translated
from fourpoint_worker.segmenter.sam.encoder import Encoder
from fourpoint_worker.segmenter.sam.frames import Frame, frame_of
from fourpoint_worker.segmenter.sam.pace import require_pace
from fourpoint_worker.segmenter.sam.prompts import CanvasPrompt, canvas_prompt, wanted_of
from fourpoint_worker.segmenter.sam.weights import load_network

# Part of the digest: raise it whenever the same weights begin to answer differently.
CODE_VERSION = 3


@dataclass(frozen=True, slots=True)
class Options:
    """How to run the network.

    batches: images per encoder call that are prepared for, ascending. patience_seconds: how long a call waits
    for images that are just being decoded. compiled: whether calls are compiled and recorded while warming up.
    zoom: whether a small object gets a square of its own. memory_bytes: of embeddings on the device.
    stage_seconds: what a call may take before it is taken for one that hangs.
    """

    device: Device
    batches: tuple[int, ...] = (1,)
    patience_seconds: float = 0.004
    compiled: bool = False
    zoom: bool = True
    memory_bytes: int = 2**30
    stage_seconds: float = math.inf


class SamEngine:
    """See port.Engine. One device, one thread that speaks to it, any number of threads that ask.

    checkpoint: an official file, or another one of the same kind. digest: hex SHA-256 of it.
    shared: where other workers find what this one has made.
    """

    name = "sam"

    def __init__(
        self,
        checkpoint: Path,
        digest: str,
        options: Options,
        *,
        model: str = "",
        shared: SharedTier | None = None,
        metrics: EngineMetrics | None = None,
    ):
        """Load the weights. Raises SettingsError."""
        network, self.architecture = load_network(checkpoint, model)
        self.model_digest = _digest(digest, options, self.architecture)
        # What an embedding depends on; how prompts are put, and masks chosen, does not change it.
        self._encoder_digest = hashlib.sha256(
            f"{CODE_VERSION} {digest} {options.device.precision}".encode()
        ).hexdigest()
        self._options = options
        compiler = compiler_for(options.compiled)
        self._encoder = Encoder(network.image_encoder, options.device, options.batches, compiler)
        self._decoder = Decoder(network.prompt_encoder, network.mask_decoder, options.device, compiler)
        metrics = metrics or EngineMetrics()
        self._queue: DeviceQueue[Tensor, CanvasPrompt, Masks] = DeviceQueue(
            self._encoder,
            self._decoder,
            largest_batch=options.batches[-1],
            patience_seconds=options.patience_seconds,
            ran_out=lambda error: isinstance(error, torch.OutOfMemoryError),
            broke=_is_broken,
            observe=metrics.encoded,
        )
        self._embeddings: EmbeddingCache[Tensor] = EmbeddingCache(
            Codec(_pack, self._unpack, lambda tensor: tensor.nbytes),
            options.memory_bytes,
            shared,
            metrics.found,
        )

    def warm_up(self) -> None:
        """Compile, record and run everything once, on the thread that will go on doing it."""
        self._queue.start(self._run_everything)

    def close(self) -> None:
        """End the threads."""
        self._queue.stop()
        self._embeddings.close()

    def prepare(self, picture: Picture, checkpoint: Checkpoint, urgency: Urgency = Urgency.PREFETCH) -> None:
        """Have the embedding of the whole picture where every worker finds it."""
        frame = Frame((0, 0, picture.width, picture.height), self.architecture.side)
        self._embedding(picture, frame, urgency, checkpoint)

    def soft_mask(
        self, picture: Picture, prompt: Prompt, checkpoint: Checkpoint, urgency: Urgency = Urgency.CLICK
    ) -> SoftMask:
        """Segment one object. Raises NoOutlineError where no mask reaches into the box."""
        frame = frame_of(
            wanted_of(prompt), picture.width, picture.height, self.architecture.side, zoom=self._options.zoom
        )
        began, looked = time.perf_counter(), picture.milliseconds
        embedding = self._embedding(picture, frame, urgency, checkpoint)
        spent = (time.perf_counter() - began) * 1000 - (picture.milliseconds - looked)
        cut = cut_for(prompt, frame, self.architecture.logits)
        asked = canvas_prompt(prompt, frame, self.architecture.logits)
        first = self._ask(embedding, asked, urgency, checkpoint)
        candidates, chooser = _candidates(first, cut), Chooser(cut, prompt)
        chooser.add(candidates)
        again = asked.refined(first.logits[chooser.likeliest()])
        second = self._ask(embedding, again, urgency, checkpoint, last=True)
        refined = _candidates(second, cut)
        chooser.add(refined)
        candidates += refined
        choice = chooser.choose()
        if not (candidates[choice.index].logits > choice.threshold).any():
            raise NoOutlineError("The model sees nothing there; click the object's four outermost points.")
        mask = soft_mask_of(candidates[choice.index], choice.threshold, cut)
        return SoftMask(
            mask.probability, mask.origin_xy, mask.pixels_per_cell, mask.quality, {"embedding": max(0.0, spent)}
        )

    def _embedding(self, picture: Picture, frame: Frame, urgency: Urgency, checkpoint: Checkpoint) -> Tensor:
        def make(haste: Haste) -> Tensor:
            with self._queue.announced():
                checkpoint("image")
                image = frame.look(picture)
            return self._queue.encode(image, haste, checkpoint)

        key = EmbeddingKey(picture.digest, self._encoder_digest, frame.name)
        embedding, _ = self._embeddings.get(key, make, urgency, checkpoint)
        return embedding

    def _ask(
        self,
        embedding: Tensor,
        prompt: CanvasPrompt,
        urgency: Urgency,
        checkpoint: Checkpoint,
        *,
        last: bool = False,
    ) -> Masks:
        [masks] = self._queue.decode(embedding, [prompt], urgency, checkpoint, last=last)
        return masks

    def _run_everything(self) -> None:
        torch.set_grad_enabled(False)
        if self._options.device.is_gpu:
            self._options.device.set_precision_of_matrices()
        self._decoder.warm_up(self._encoder.warm_up())
        require_pace(self._encoder.seconds_a_call, self._options.stage_seconds)

    def _unpack(self, packed: Packed) -> Tensor:
        wanted = (self.architecture.outputs, self.architecture.tokens, self.architecture.tokens)
        if packed.features.shape != wanted:
            raise ValueError(f"features of {packed.features.shape}, not {wanted}")
        tensor = torch.from_numpy(packed.features.copy())
        if tensor.dtype != self._options.device.precision.of_embedding:
            raise ValueError(f"features in {tensor.dtype}")
        with out_of_memory_translated():
            return tensor.to(self._options.device.name)


def _pack(embedding: Tensor) -> Packed:
    return Packed(embedding.cpu().numpy())


def _candidates(masks: Masks, cut: Cut) -> list[Candidate]:
    """Only what lies in the cut leaves the device."""
    with out_of_memory_translated():
        logits = masks.logits[:, cut.rows, cut.columns].float().cpu().numpy()
    return [Candidate(mask, float(quality)) for mask, quality in zip(logits, masks.quality, strict=True)]


def _digest(checkpoint: str, options: Options, architecture: Architecture) -> str:
    said: Sequence[Any] = (
        SamEngine.name,
        CODE_VERSION,
        checkpoint,
        options.device.precision.value,
        options.zoom,
        astuple(architecture),
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()


def compiler_for(compiled: bool) -> Any:
    """Kernels fused, and on a GPU the launches of a call recorded and replayed as one (CUDA graphs).

    None where calls are not to be compiled.
    """
    if not compiled:
        return None

    def compile_whole(function: Any) -> Any:
        return torch.compile(function, mode="reduce-overhead", fullgraph=True, dynamic=False)

    return compile_whole


def _is_broken(error: BaseException) -> bool:
    """Errors of the driver stay with the process: every later call fails as well."""
    return isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError)
