"""The numbers are those of the official predictor, on the same weights."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from tests.sam.networks import TINY, random_network

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.port import Decoded
from fourpoint_worker.segmenter.sam.decoder import Decoder
from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.encoder import Encoder
from fourpoint_worker.segmenter.sam.frames import Frame
from fourpoint_worker.segmenter.sam.prompts import CanvasPrompt, canvas_prompt

HEIGHT, WIDTH = 180, 240
NETWORK = random_network()
IMAGE = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
FRAME = Frame((0, 0, WIDTH, HEIGHT), TINY.side)
PROMPT = Prompt(box_prompt=Box(30, 40, 201, 151), include=((100.5, 100.5),), exclude=((50.5, 60.5),))
# What the prompt is in pixel indices.
BOX = np.array([30, 40, 200, 150])
POINTS, LABELS = np.array([[100, 100], [50, 60]]), np.array([1, 0])
# Logits of the random network reach to about +-10.
BF16_BOUND = 0.25


@pytest.fixture(scope="module")
def official() -> SamPredictor:
    predictor = SamPredictor(deepcopy(NETWORK))
    predictor.set_image(IMAGE)
    return predictor


def ours(precision: str = "", **options: Any) -> tuple[Encoder, Decoder]:
    network, device = deepcopy(NETWORK), Device.named("cpu", precision)
    encoder = Encoder(network.image_encoder, device, **options)
    return encoder, Decoder(network.prompt_encoder, network.mask_decoder, device)


def four_masks(predictor: SamPredictor, **prompt: Any) -> tuple[np.ndarray, np.ndarray]:
    """Logits (4, cells, cells) and estimates, mask 0 first, as ours are."""
    _, plain_quality, plain = predictor.predict(multimask_output=False, **prompt)
    _, quality, logits = predictor.predict(multimask_output=True, **prompt)
    return np.concatenate([plain, logits]), np.concatenate([plain_quality, quality])


def asked(prompt: Prompt = PROMPT) -> CanvasPrompt:
    return canvas_prompt(prompt, FRAME, TINY.logits)


def test_an_embedding_is_the_official_one(official: SamPredictor) -> None:
    encoder, _ = ours()
    [embedding] = encoder([FRAME.look(Decoded(IMAGE))])
    assert (embedding - official.features[0]).abs().max() < 1e-4


def test_masks_and_logits_are_the_official_ones(official: SamPredictor) -> None:
    encoder, decoder = ours()
    [embedding] = encoder([FRAME.look(Decoded(IMAGE))])
    [masks] = decoder(embedding, [asked()])
    logits, quality = four_masks(official, box=BOX, point_coords=POINTS, point_labels=LABELS)
    assert np.abs(masks.logits.numpy() - logits).max() < 1e-4
    assert np.abs(masks.quality.numpy() - quality).max() < 1e-4
    assert np.array_equal(masks.logits.numpy() > 0, logits > 0)
    assert logits.std() > 1


def test_a_second_pass_with_its_own_logits_is_the_official_one(official: SamPredictor) -> None:
    encoder, decoder = ours()
    [embedding] = encoder([FRAME.look(Decoded(IMAGE))])
    [first] = decoder(embedding, [CanvasPrompt(asked().box)])
    [second] = decoder(embedding, [CanvasPrompt(asked().box, mask=first.logits[1])])
    logits, _ = four_masks(official, box=BOX, mask_input=first.logits[1:2].numpy())
    assert np.abs(second.logits.numpy() - logits).max() < 1e-4


def test_prompts_decoded_together_are_as_decoded_alone() -> None:
    """Some with points, some with a mask, some with neither: they share as few calls as fit."""
    encoder, decoder = ours()
    [embedding] = encoder([FRAME.look(Decoded(IMAGE))])
    mask = np.linspace(-5, 5, TINY.logits**2, dtype=np.float32).reshape(TINY.logits, TINY.logits)
    prompts = [
        CanvasPrompt((10.0, 20.0, 200.0, 150.0)),
        asked(),
        CanvasPrompt((30.0, 20.0, 100.0, 90.0)),
        CanvasPrompt((30.0, 20.0, 100.0, 90.0), mask=mask),
        CanvasPrompt((50.0, 60.0, 180.0, 160.0), mask=-mask),
    ]
    together = decoder(embedding, prompts)
    for prompt, masks in zip(prompts, together, strict=True):
        [alone] = decoder(embedding, [prompt])
        assert (alone.logits - masks.logits).abs().max() < 1e-4


def test_images_encoded_together_are_as_encoded_alone() -> None:
    """Of different shapes, in a call that is filled up to a size that was prepared for."""
    encoder, _ = ours(batches=(1, 4))
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, shape, np.uint8) for shape in ((256, 100, 3), (64, 256, 3), (256, 256, 3))]
    for image, embedding in zip(images, encoder(images), strict=True):
        [alone] = encoder([image])
        assert (alone - embedding).abs().max() < 1e-4


def test_in_bf16_the_logits_stay_within_a_bound() -> None:
    """Eight bits of mantissa in the encoder, the decoder in float32."""
    (exact, decoder), (quick, _) = ours(), ours("bf16")
    look = FRAME.look(Decoded(IMAGE))
    [one], [other] = exact([look]), quick([look])
    assert other.dtype == torch.float16
    [right], [near] = decoder(one, [asked()]), decoder(other, [asked()])
    difference = (right.logits - near.logits).abs()
    assert difference.max() < BF16_BOUND
    assert ((right.logits > 0) == (near.logits > 0)).float().mean() > 0.98


def test_an_embedding_in_bf16_loses_nothing_by_being_kept_in_float16() -> None:
    encoder, _ = ours("bf16")
    square = torch.from_numpy(FRAME.look(Decoded(IMAGE)).copy())
    padded = torch.zeros(1, TINY.side, TINY.side, 3, dtype=torch.uint8)
    padded[0, : square.shape[0], : square.shape[1]] = square
    with torch.inference_mode():
        raw = encoder._forward(padded, torch.tensor([square.shape[:2]]))[0]
    [kept] = encoder([square.numpy()])
    assert raw.dtype == torch.bfloat16
    large = raw.abs() > 1e-4
    assert torch.equal(raw[large].float(), kept[large].float())


def test_encoder_and_decoder_can_be_compiled_whole() -> None:
    """Without a break, which is what recording a call for a GPU needs; the numbers stay."""

    def compiled(function: Any) -> Any:
        return torch.compile(function, backend="eager", fullgraph=True, dynamic=False)

    network, device = deepcopy(NETWORK), Device.named("cpu", "")
    encoder = Encoder(network.image_encoder, device, compiler=compiled)
    decoder = Decoder(network.prompt_encoder, network.mask_decoder, device, compiled)
    plain_encoder, plain_decoder = ours()
    look = FRAME.look(Decoded(IMAGE))
    [embedding], [plain] = encoder([look]), plain_encoder([look])
    decoder.warm_up(embedding)
    assert (embedding - plain).abs().max() < 1e-4
    [masks], [official] = decoder(embedding, [asked()]), plain_decoder(plain, [asked()])
    assert (masks.logits - official.logits).abs().max() < 1e-4
