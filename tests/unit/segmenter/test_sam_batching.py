"""The queue in front of the device: who goes first, who goes together, and what happens when it fails."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from tests.unit.segmenter.scenes import carry_on

from fourpoint_core.errors import DeviceExhaustedError
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.port import RgbImage, Urgency
from fourpoint_worker.segmenter.sam.batching import DeviceQueue

Queue = DeviceQueue[str, str, str]


def image(number: int) -> RgbImage:
    return np.full((1, 1, 3), number, np.uint8)


class Device:
    """Encodes an image to its number, answers a question with embedding and question, and remembers its calls.

    busy: a call waits for as long as this is clear.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.busy = threading.Event()
        self.busy.set()
        self.error: BaseException | None = None
        self.reached = threading.Event()

    def encode(self, images: Sequence[RgbImage]) -> list[str]:
        self._call(*(f"image {found[0, 0, 0]}" for found in images))
        return [f"embedding {found[0, 0, 0]}" for found in images]

    def decode(self, embedding: str, questions: Sequence[str]) -> list[str]:
        self._call(*questions)
        return [f"{embedding}: {question}" for question in questions]

    def _call(self, *what: str) -> None:
        self.calls.append(what)
        self.reached.set()
        assert self.busy.wait(10)
        if self.error is not None:
            raise self.error


@contextmanager
def serving(device: Device, **options: Any) -> Iterator[Queue]:
    queue: Queue = DeviceQueue(device.encode, device.decode, **options)
    queue.start()
    try:
        yield queue
    finally:
        device.busy.set()
        queue.stop()


def ask(queue: Queue, number: int, urgency: Urgency = Urgency.CLICK) -> str:
    return queue.encode(image(number), Haste(urgency), carry_on)


def until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


@contextmanager
def while_busy(device: Device, queue: Queue) -> Iterator[ThreadPoolExecutor]:
    """Ask for a first image, and hold the device in that call until the block ends."""
    device.busy.clear()
    with ThreadPoolExecutor(16) as pool:
        pool.submit(ask, queue, 0)
        assert device.reached.wait(10)
        yield pool
        device.busy.set()


def submit(pool: ThreadPoolExecutor, queue: Queue, *arguments: Any) -> Any:
    """Ask, and go on only when the question stands in the queue."""
    before = len(queue._waiting)
    future = pool.submit(*arguments)
    until(lambda: len(queue._waiting) > before)
    return future


def test_an_image_is_encoded_and_asked_about() -> None:
    with serving(Device()) as queue:
        assert ask(queue, 7) == "embedding 7"
        assert queue.decode("embedding 7", ["a", "b"], Urgency.CLICK, carry_on) == [
            "embedding 7: a",
            "embedding 7: b",
        ]


def test_everybody_gets_an_answer_of_his_own() -> None:
    with serving(Device(), largest_batch=4) as queue, ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: ask(queue, number), range(64)))
    assert found == [f"embedding {number}" for number in range(64)]


def test_images_that_wait_share_a_call_up_to_the_largest_batch() -> None:
    device = Device()
    with serving(device, largest_batch=4) as queue, while_busy(device, queue) as pool:
        for number in range(1, 7):
            submit(pool, queue, ask, queue, number)
    assert [len(call) for call in device.calls] == [1, 4, 2]


def test_a_click_goes_before_prefetches_and_batches_that_came_earlier() -> None:
    device = Device()
    with serving(device) as queue, while_busy(device, queue) as pool:
        for number, urgency in enumerate((Urgency.BATCH, Urgency.PREFETCH, Urgency.CLICK), 1):
            submit(pool, queue, ask, queue, number, urgency)
    assert device.calls[1:] == [("image 3",), ("image 2",), ("image 1",)]


def test_a_click_shares_no_call_with_somebody_less_urgent() -> None:
    device = Device()
    with serving(device, largest_batch=8) as queue, while_busy(device, queue) as pool:
        submit(pool, queue, ask, queue, 1, Urgency.PREFETCH)
        submit(pool, queue, ask, queue, 2, Urgency.CLICK)
    assert device.calls[1:] == [("image 2",), ("image 1",)]


def test_a_decoding_goes_before_an_encoding_of_the_same_urgency() -> None:
    device = Device()
    with serving(device) as queue, while_busy(device, queue) as pool:
        submit(pool, queue, ask, queue, 1)
        submit(pool, queue, queue.decode, "e", ["a"], Urgency.CLICK, carry_on)
    assert device.calls[1:] == [("a",), ("image 1",)]


def test_who_needs_one_answer_more_goes_before_who_needs_two() -> None:
    device = Device()
    with serving(device) as queue, while_busy(device, queue) as pool:
        submit(pool, queue, queue.decode, "e", ["first of two"], Urgency.CLICK, carry_on)
        submit(pool, queue, partial(queue.decode, last=True), "f", ["last"], Urgency.CLICK, carry_on)
    assert device.calls[1:] == [("last",), ("first of two",)]


def test_prompts_on_one_image_share_a_call() -> None:
    device, embedding = Device(), "e"
    with serving(device) as queue, while_busy(device, queue) as pool:
        first = submit(pool, queue, queue.decode, embedding, ["a"], Urgency.CLICK, carry_on)
        other = submit(pool, queue, queue.decode, "another", ["x"], Urgency.CLICK, carry_on)
        second = submit(pool, queue, queue.decode, embedding, ["b", "c"], Urgency.CLICK, carry_on)
    assert device.calls[1:] == [("a", "b", "c"), ("x",)]
    assert (first.result(), second.result()) == (["e: a"], ["e: b", "e: c"])
    assert other.result() == ["another: x"]


def test_a_prefetch_becomes_as_urgent_as_the_click_that_waits_for_it() -> None:
    device, haste = Device(), Haste(Urgency.PREFETCH)
    with serving(device) as queue, while_busy(device, queue) as pool:
        submit(pool, queue, ask, queue, 1, Urgency.PREFETCH)
        submit(pool, queue, queue.encode, image(2), haste, carry_on)
        haste.hasten(Urgency.CLICK)
    assert device.calls[1:] == [("image 2",), ("image 1",)]


def test_a_call_waits_a_little_for_an_image_that_is_being_decoded() -> None:
    device = Device()
    with (
        serving(device, largest_batch=2, patience_seconds=10) as queue,
        ThreadPoolExecutor(2) as pool,
        queue.announced(),
    ):
        first = pool.submit(ask, queue, 1)
        time.sleep(0.05)
        assert not device.calls
        second = pool.submit(ask, queue, 2)
        assert (first.result(), second.result()) == ("embedding 1", "embedding 2")
    assert [len(call) for call in device.calls] == [2]


def test_a_call_does_not_wait_when_nothing_is_on_its_way() -> None:
    with serving(Device(), largest_batch=8, patience_seconds=1000) as queue:
        assert ask(queue, 1) == "embedding 1"


def test_an_error_reaches_those_who_shared_the_call_and_nobody_else() -> None:
    device = Device()
    with serving(device) as queue:
        device.error = ValueError("a wrong shape")
        with pytest.raises(ValueError, match="a wrong shape"):
            ask(queue, 1)
        device.error = None
        assert ask(queue, 2) == "embedding 2"


def test_where_memory_does_not_suffice_for_several_each_is_tried_alone() -> None:
    device = Device()

    def encode(images: Sequence[RgbImage]) -> list[str]:
        if len(images) > 1:
            device.calls.append(("too many",))
            raise MemoryError
        return device.encode(images)

    queue: Queue = DeviceQueue(
        encode, device.decode, largest_batch=4, ran_out=lambda error: isinstance(error, MemoryError)
    )
    queue.start()
    with while_busy(device, queue) as pool:
        found = [submit(pool, queue, ask, queue, number) for number in (1, 2, 3)]
    assert [future.result() for future in found] == ["embedding 1", "embedding 2", "embedding 3"]
    assert ("too many",) in device.calls
    queue.stop()


def test_where_memory_does_not_suffice_for_one_it_is_said_and_may_be_tried_again() -> None:
    device = Device()
    with serving(device, ran_out=lambda error: isinstance(error, MemoryError)) as queue:
        device.error = MemoryError()
        with pytest.raises(DeviceExhaustedError):
            ask(queue, 1)


def test_a_device_that_will_not_work_again_ends_the_process() -> None:
    device, ended = Device(), []
    with serving(device, broke=lambda error: True, end_process=ended.append) as queue:
        device.error = RuntimeError("unspecified launch failure")
        with pytest.raises(RuntimeError):
            ask(queue, 1)
    assert ended == [70]


def test_a_device_that_hangs_is_noticed_and_one_that_is_merely_busy_is_not() -> None:
    """A waiter passes a checkpoint for every call that ends; while none does, its stage grows old."""
    device, seen = Device(), []
    with serving(device) as queue, ThreadPoolExecutor(2) as pool:
        device.busy.clear()
        waiter = pool.submit(queue.encode, image(1), Haste(Urgency.CLICK), seen.append)
        assert device.reached.wait(10)
        time.sleep(0.5)
        assert seen == ["embedding"]
        device.busy.set()
        assert waiter.result() == "embedding 1"


def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    class CancelledError(Exception):
        pass

    def cancelled_when_it_moves(stage: str) -> None:
        if device.calls[1:]:
            raise CancelledError

    device = Device()
    with serving(device) as queue, while_busy(device, queue) as pool:
        for number in range(1, 4):
            submit(pool, queue, ask, queue, number)
        gives_up = submit(pool, queue, queue.encode, image(9), Haste(Urgency.BATCH), cancelled_when_it_moves)
        device.encode = lambda images: time.sleep(0.3) or ["e"]  # type: ignore[method-assign]
        queue._encode_call = lambda images: (device.calls.append(("slow",)), time.sleep(0.3), ["e"])[2]
    with pytest.raises(CancelledError):
        gives_up.result()
    assert ("image 9",) not in device.calls


def test_an_error_of_the_first_run_stops_the_start() -> None:
    queue: Queue = DeviceQueue(Device().encode, Device().decode)

    def fail() -> None:
        raise ValueError("no kernel for this device")

    with pytest.raises(ValueError, match="no kernel"):
        queue.start(fail)
