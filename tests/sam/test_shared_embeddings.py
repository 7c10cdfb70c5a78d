"""What other workers have made, in a real Redis: taken where it is right, made again where it is not."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry
from redis import Redis
from tests.sam.conftest import MakeEngine
from tests.sam.scenes import Watched, draw, mask, noise, scene
from tests.unit.segmenter.scenes import carry_on

from fourpoint_core.errors import DeviceExhaustedError
from fourpoint_standalone.redis_server import RedisServer
from fourpoint_worker.segmenter.embeddings.entries import Packed, read_entry, write_entry
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.redis_shelf import RedisShelf
from fourpoint_worker.segmenter.embeddings.shared import SharedTier, Turn
from fourpoint_worker.segmenter.metrics import EngineMetrics
from fourpoint_worker.segmenter.port import Decoded, RgbImage, Urgency
from fourpoint_worker.segmenter.sam.device import Device
from fourpoint_worker.segmenter.sam.engine import SamEngine


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), port=0)
    server.start()
    yield server
    server.stop(grace_seconds=1)


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url()) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
        yield client


@pytest.fixture
def shared(redis: Redis) -> SharedTier:
    return SharedTier(RedisShelf(redis, 2**28, 60))


def whole(engine: SamEngine, digest: str = "one") -> EmbeddingKey:
    return EmbeddingKey(digest, engine._encoder_digest, "whole")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_another_worker_answers_the_same_from_what_the_first_has_made(
    make_engine: MakeEngine, random_checkpoint: Path, shared: SharedTier, precision: str
) -> None:
    options = {"device": Device.named("cpu", precision), "shared": shared}
    first, second = (make_engine(random_checkpoint, **options) for _ in range(2))
    one = mask(first, Decoded(noise(), "one"))
    first._embeddings.settle()
    picture = Watched(noise(), "one")
    other = mask(second, picture)
    assert picture.looks == 0
    assert np.array_equal(one.probability, other.probability)


def test_a_worker_with_another_model_does_not_take_what_is_not_its_own(
    make_engine: MakeEngine, random_checkpoint: Path, shared: SharedTier
) -> None:
    """A model was exchanged on one worker and not yet on the other."""
    first, second = make_engine(shared=shared), make_engine(random_checkpoint, shared=shared)
    mask(first, Decoded(noise(), "one"))
    first._embeddings.settle()
    picture = Watched(noise(), "one")
    found = mask(second, picture)
    assert picture.looks == 1
    alone = mask(make_engine(random_checkpoint), Decoded(noise(), "one"))
    assert np.array_equal(found.probability, alone.probability)


def test_the_same_weights_in_other_numbers_are_another_model(
    make_engine: MakeEngine, random_checkpoint: Path, shared: SharedTier
) -> None:
    exact = make_engine(random_checkpoint, shared=shared)
    mask(exact, Decoded(noise(), "one"))
    exact._embeddings.settle()
    quick = make_engine(random_checkpoint, shared=shared, device=Device.named("cpu", "bf16"))
    picture = Watched(noise(), "one")
    mask(quick, picture)
    assert picture.looks == 1
    assert quick.model_digest != exact.model_digest


def test_an_entry_of_another_shape_under_the_right_key_is_made_again(
    make_engine: MakeEngine, shared: SharedTier
) -> None:
    engine = make_engine(shared=shared)
    shared.keep(whole(engine), Packed(np.zeros((1, 2, 3), np.float32)))
    picture = Watched(scene(), "one")
    assert draw(engine, picture).confident
    assert picture.looks == 1


def swapped(key: EmbeddingKey, entry: bytes) -> bytes:
    """What was made of another image, whole and with a right sum."""
    return write_entry(replace(key, image_digest="another"), read_entry(key, entry))


def not_finite(key: EmbeddingKey, entry: bytes) -> bytes:
    features = read_entry(key, entry).features.copy()
    features[0, 0, 0] = np.inf
    return write_entry(key, Packed(features))


def flipped(key: EmbeddingKey, entry: bytes) -> bytes:
    middle = len(entry) // 2
    return entry[:middle] + bytes([entry[middle] ^ 1]) + entry[middle + 1 :]


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(lambda key, entry: entry[: len(entry) // 2], id="truncated"),
        pytest.param(lambda key, entry: b"", id="empty"),
        pytest.param(lambda key, entry: b"\x80\x04" + entry[2:], id="a pickle"),
        pytest.param(flipped, id="a bit flipped"),
        pytest.param(swapped, id="of another image"),
        pytest.param(not_finite, id="not finite"),
    ],
)
def test_a_poisoned_entry_changes_no_mask_and_is_replaced(
    make_engine: MakeEngine,
    random_checkpoint: Path,
    redis: Redis,
    shared: SharedTier,
    poison: Callable[[EmbeddingKey, bytes], bytes],
) -> None:
    first = make_engine(random_checkpoint, shared=shared)
    right = mask(first, Decoded(noise(), "one"))
    first._embeddings.settle()
    [name] = redis.keys("*:entry:*")
    entry = redis.get(name)
    assert isinstance(entry, bytes)
    redis.set(name, poison(whole(first), entry))
    second, picture = make_engine(random_checkpoint, shared=shared), Watched(noise(), "one")
    assert np.array_equal(mask(second, picture).probability, right.probability)
    assert picture.looks == 1
    second._embeddings.settle()
    assert redis.get(name) == entry


class NoRoom(torch.Tensor):
    """Does not fit on the device."""

    def to(self, *arguments: object, **named: object) -> "NoRoom":
        raise torch.OutOfMemoryError("CUDA out of memory")

    def float(self, *arguments: object, **named: object) -> "NoRoom":  # type: ignore[override]
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_an_embedding_that_the_device_has_no_room_for_is_tried_again(
    make_engine: MakeEngine, shared: SharedTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_engine(shared=shared), make_engine(shared=shared)
    draw(first, Decoded(scene(), "one"))
    first._embeddings.settle()
    unpacked = torch.from_numpy
    with monkeypatch.context() as short:
        short.setattr(torch, "from_numpy", lambda array: unpacked(array).as_subclass(NoRoom))
        with pytest.raises(DeviceExhaustedError):
            draw(second, Watched(scene(), "one"))
    picture = Watched(scene(), "one")
    assert draw(second, picture).confident
    assert picture.looks == 0


def test_masks_that_the_device_has_no_room_to_hand_out_are_tried_again(make_engine: MakeEngine) -> None:
    engine = make_engine()
    decode = engine._queue._decode_call
    engine._queue._decode_call = lambda embedding, prompts: [
        replace(masks, logits=masks.logits.as_subclass(NoRoom)) for masks in decode(embedding, prompts)
    ]
    with pytest.raises(DeviceExhaustedError):
        draw(engine, Decoded(scene(), "one"))


def test_a_redis_without_memory_left_costs_time_and_no_mask(
    make_engine: MakeEngine, random_checkpoint: Path, redis: Redis, shared: SharedTier
) -> None:
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", 1)
    first, second = (make_engine(random_checkpoint, shared=shared) for _ in range(2))
    one = mask(first, Decoded(noise(), "one"))
    first._embeddings.settle()
    picture = Watched(noise(), "one")
    other = mask(second, picture)
    assert picture.looks == 1
    assert np.array_equal(one.probability, other.probability)
    # The engine keeps its own all the same, and shares again when there is room.
    assert mask(second, picture).probability.shape == other.probability.shape and picture.looks == 1
    redis.config_set("maxmemory", 0)
    mask(second, Decoded(noise(2), "two"))
    second._embeddings.settle()
    later = Watched(noise(2), "two")
    mask(first, later)
    assert later.looks == 0


class HeldEncoder:
    """Calls of an engine's encoder, the first of which waits until it is let go."""

    def __init__(self, engine: SamEngine):
        self.calls = 0
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._encode = engine._queue._encode_call
        engine._queue._encode_call = self

    def __call__(self, images: list[RgbImage]) -> object:
        self.calls += 1
        self.reached.set()
        assert self.go_on.wait(30)
        return self._encode(images)


def test_sixteen_people_who_open_an_image_at_once_have_it_encoded_once(make_engine: MakeEngine) -> None:
    registry = CollectorRegistry()
    engine = make_engine(metrics=EngineMetrics(registry))
    held, pictures = HeldEncoder(engine), [Watched(scene(), "one") for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(draw, engine, picture) for picture in pictures]
        assert held.reached.wait(30)
        held.go_on.set()
        contours = [answer.result().contour for answer in answers]
    assert (held.calls, sum(picture.looks for picture in pictures)) == (1, 1)
    assert all(contour == contours[0] for contour in contours)
    assert registry.get_sample_value("fourpoint_embeddings_total", {"source": "made"}) == 1


class NoticedShelf(RedisShelf):
    """Tells when somebody hears that another worker is at it."""

    def __init__(self, redis: Redis):
        super().__init__(redis, 2**28, 60)
        self.waits = threading.Event()

    def reserve(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> Turn:
        turn = super().reserve(key, token, urgency, seconds)
        if turn is Turn.THEIRS:
            self.waits.set()
        return turn


def test_two_workers_that_are_asked_for_the_same_image_encode_it_once(
    make_engine: MakeEngine, redis: Redis, shared: SharedTier
) -> None:
    shelf = NoticedShelf(redis)
    first, second = make_engine(shared=shared), make_engine(shared=SharedTier(shelf))
    held, late = HeldEncoder(first), HeldEncoder(second)
    late.go_on.set()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(draw, first, Watched(scene(), "one"))
        assert held.reached.wait(30)
        other = pool.submit(draw, second, Watched(scene(), "one"))
        assert shelf.waits.wait(30)
        held.go_on.set()
        assert one.result().contour == other.result().contour
    assert (held.calls, late.calls) == (1, 0)


def test_embeddings_on_the_device_stay_within_their_bytes(make_engine: MakeEngine, shared: SharedTier) -> None:
    """Room for two: the longest unused goes, and comes back from Redis without the encoder."""
    size = 256 * 16 * 16 * 4
    engine = make_engine(shared=shared, memory_bytes=2 * size)
    held = HeldEncoder(engine)
    held.go_on.set()
    for number in (0, 1, 0, 2):
        engine.prepare(Decoded(scene(), f"image {number}"), carry_on)
        assert engine._embeddings._memory.size_bytes <= 2 * size
    engine._embeddings.settle()
    kept = [
        engine._embeddings._memory.find(whole(engine, f"image {number}")) is not None for number in range(3)
    ]
    assert kept == [True, False, True]
    assert held.calls == 3
    back = Watched(scene(), "image 1")
    draw(engine, back)
    assert (held.calls, back.looks) == (3, 0)
    assert engine._embeddings._memory.size_bytes == 2 * size
