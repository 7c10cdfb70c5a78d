"""Questions that may hang, asked by somebody who may not."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Question(Generic[T]):
    """Is asked in a thread of its own, once at a time: whoever asks meanwhile hears the same answer.

    So a peer that hangs costs one thread, however often it is asked after, and its return is seen at once.
    """

    def __init__(self, ask: Callable[[], T]):
        """ask: raises nothing."""
        self._ask = ask
        self._lock = threading.Lock()
        self._in_hand: Future[T] | None = None

    def asked(self) -> "Future[T]":
        """The answer to come."""
        with self._lock:
            if self._in_hand is None or self._in_hand.done():
                self._in_hand = Future()
                threading.Thread(target=self._answer, args=(self._in_hand,), daemon=True).start()
            return self._in_hand

    def _answer(self, answer: "Future[T]") -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as error:
            answer.set_exception(error)
            raise
