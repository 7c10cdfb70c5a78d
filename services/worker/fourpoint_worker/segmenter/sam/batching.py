"""The one thread that speaks to the device, and the queue in front of it.

Whoever asks waits for an answer of its own; nothing mutable is shared. The thread takes the most urgent
request, a decoding before an encoding and a last decoding before a first, so that of many who ask at once most
are answered before the last; and with it those that fit into the same call: images of the same urgency up to
the largest batch, prompts on the same embedding. A call in hand is finished first, so a click
waits for at most one call of somebody less urgent.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fourpoint_core.errors import DeviceExhaustedError
from fourpoint_worker.lease_keeper import OVERRUN_EXIT_STATUS
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.port import Checkpoint, RgbImage, Urgency

Embedding = TypeVar("Embedding")
Question = TypeVar("Question")
Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.2


@dataclass(eq=False)
class _Request:
    """One thing asked of the device.

    subject: the image to encode, or the embedding to decode. last: whoever asks will ask nothing else.
    """

    haste: Haste
    decodes: bool
    subject: Any
    questions: Sequence[Any] = ()
    last: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    error: BaseException | None = None

    @property
    def urgency(self) -> Urgency:
        """As it is now: somebody more urgent may have joined."""
        return self.haste.urgency

    @property
    def rank(self) -> tuple[int, bool, bool]:
        """Smaller goes first; equals in the order in which they came."""
        return self.urgency, not self.decodes, not self.last

    def joins(self, first: "_Request") -> bool:
        """Whether it fits into the same call."""
        if self.decodes != first.decodes:
            return False
        return self.subject is first.subject if self.decodes else self.urgency == first.urgency


class DeviceQueue(Generic[Embedding, Question, Answer]):
    """See the module. Calls of `encode_call` and `decode_call` come from one thread.

    largest_batch: images in one call. patience_seconds: how long a call waits for images that are on their way.
    ran_out: whether an error means that the device's memory did not suffice. broke: whether it means that the
    device will not work again in this process, which is then ended: its supervisor starts another one.
    observe: told of every encoder call's size.
    """

    def __init__(
        self,
        encode_call: Callable[[Sequence[RgbImage]], Sequence[Embedding]],
        decode_call: Callable[[Embedding, Sequence[Question]], Sequence[Answer]],
        *,
        largest_batch: int = 1,
        patience_seconds: float = 0.0,
        ran_out: Callable[[BaseException], bool] = lambda error: False,
        broke: Callable[[BaseException], bool] = lambda error: False,
        observe: Callable[[int], None] = lambda size: None,
        end_process: Callable[[int], None] = os._exit,
    ):
        self._encode_call = encode_call
        self._decode_call = decode_call
        self._largest_batch = largest_batch
        self._patience_seconds = patience_seconds
        self._ran_out, self._broke = ran_out, broke
        self._observe = observe
        self._end_process = end_process
        self._waiting: list[_Request] = []
        self._on_their_way = 0
        self._calls = 0
        self._changed = threading.Condition()
        self._stops = False
        self._thread: threading.Thread | None = None

    def start(self, first: Callable[[], None] = lambda: None) -> None:
        """Begin; `first` is run by the thread before anything else, and its errors are raised here."""
        outcome = _Request(Haste(Urgency.CLICK), decodes=False, subject=None)

        def run() -> None:
            try:
                first()
            except BaseException as error:  # noqa: BLE001 - it is raised where somebody can tell
                outcome.error = error
            outcome.done.set()
            if outcome.error is None:
                self._serve()

        self._thread = threading.Thread(target=run, name="device", daemon=True)
        self._thread.start()
        outcome.done.wait()
        if outcome.error is not None:
            raise outcome.error

    def stop(self) -> None:
        """End after the call in hand."""
        with self._changed:
            self._stops = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=10)

    @contextmanager
    def announced(self) -> Iterator[None]:
        """While an image is fetched and decoded that will be encoded next: a call may wait for it."""
        with self._changed:
            self._on_their_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._on_their_way -= 1
                self._changed.notify_all()

    def encode(self, image: RgbImage, haste: Haste, checkpoint: Checkpoint) -> Embedding:
        """The image's embedding. Raises DeviceExhaustedError, and what `checkpoint` raises."""
        request = _Request(haste, decodes=False, subject=image)
        found: Embedding = self._ask(request, checkpoint, "embedding")
        return found

    def decode(
        self,
        embedding: Embedding,
        questions: Sequence[Question],
        urgency: Urgency,
        checkpoint: Checkpoint,
        *,
        last: bool = False,
    ) -> Sequence[Answer]:
        """An answer to each question. last: it is what somebody waits for, and not a step on the way.

        Raises DeviceExhaustedError, and what `checkpoint` raises.
        """
        request = _Request(Haste(urgency), decodes=True, subject=embedding, questions=questions, last=last)
        found: Sequence[Answer] = self._ask(request, checkpoint, "decoder")
        return found

    def _ask(self, request: _Request, checkpoint: Checkpoint, stage: str) -> Any:
        checkpoint(stage)
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
        self._await(request, checkpoint, stage)
        if request.error is not None:
            raise request.error
        return request.answer

    def _await(self, request: _Request, checkpoint: Checkpoint, stage: str) -> None:
        """Wait, and pass a checkpoint whenever the device has done something; one that hangs is noticed."""
        calls = self._calls
        try:
            while not request.done.wait(_TICK_SECONDS):
                if self._calls != calls:
                    calls = self._calls
                    checkpoint(stage)
        except BaseException:
            with self._changed:
                if request in self._waiting:
                    self._waiting.remove(request)
            raise

    def _serve(self) -> None:
        while True:
            batch = self._next()
            if batch is None:
                return
            self._run(batch)
            self._calls += 1

    def _next(self) -> list[_Request] | None:
        with self._changed:
            while not self._waiting:
                if self._stops:
                    return None
                self._changed.wait()
            self._let_others_come()
            first = min(self._waiting, key=lambda request: request.rank, default=None)
            if first is None:
                return []
            room = len(self._waiting) if first.decodes else self._largest_batch
            batch = [first, *(x for x in self._waiting if x is not first and x.joins(first))][:room]
            self._waiting = [request for request in self._waiting if request not in batch]
            return batch

    def _let_others_come(self) -> None:
        """Wait a little for images that are being decoded right now, where they would share a call."""
        give_up_at = time.monotonic() + self._patience_seconds
        while (
            self._on_their_way
            and not self._stops
            and not any(request.decodes for request in self._waiting)
            and 0 < len(self._waiting) < self._largest_batch
            and (left := give_up_at - time.monotonic()) > 0
        ):
            self._changed.wait(left)

    def _run(self, batch: list[_Request]) -> None:
        if not batch:
            return
        try:
            self._call(batch)
        except BaseException as error:  # noqa: BLE001 - each one waits for an answer, whatever it is
            self._settle_error(batch, error)
        for request in batch:
            request.done.set()

    def _call(self, batch: list[_Request]) -> None:
        if not batch[0].decodes:
            self._observe(len(batch))
            for request, embedding in zip(
                batch, self._encode_call([request.subject for request in batch]), strict=True
            ):
                request.answer = embedding
            return
        questions = [question for request in batch for question in request.questions]
        answers = list(self._decode_call(batch[0].subject, questions))
        for request in batch:
            count = len(request.questions)
            request.answer, answers = answers[:count], answers[count:]

    def _settle_error(self, batch: list[_Request], error: BaseException) -> None:
        if self._broke(error):
            logger.critical("the device does not work any more; the process ends", exc_info=error)
            self._end_process(OVERRUN_EXIT_STATUS)
        if self._ran_out(error):
            if len(batch) > 1:
                logger.warning("the device's memory does not suffice for %d at once", len(batch))
                for request in batch:
                    self._run([request])
                return
            error = DeviceExhaustedError("The device has no memory left; try again when less is asked of it.")
        for request in batch:
            request.error = error
