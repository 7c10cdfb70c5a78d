"""What a person sees while waiting: a spinner on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

_WIDTH_WITHOUT_TERMINAL = 160


def console() -> Console:
    """Standard output; wide where nobody looks, so that a log keeps each row of a table on one line."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


class Progress:
    """Says what is being done, with the seconds since the start. Call it with a phrase a step."""

    def __init__(self, on: Console):
        self._console = on
        self._status: Status | None = None
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, step: str) -> None:
        """Begin a step; outside of the `with` block, just say it."""
        seconds = time.monotonic() - self._started
        self._console.print(f"{seconds:6.1f} s  {step}", highlight=False, markup=False, soft_wrap=True)
        if self._status is not None:
            self._status.update(step)
