"""How far an upload or a download has come."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """How far it has come. bytes: 0 as long as nobody knows how many there are."""

    files: int
    files_done: int
    bytes: int
    bytes_done: int


Listener = Callable[[Progress], None]


def unheard(progress: Progress) -> None:
    """For whoever does not want to know."""


class Counted:
    """Adds up, and tells a listener each time."""

    def __init__(self, files: int, size: int, on_progress: Listener):
        self._now = Progress(files, 0, size, 0)
        self._on_progress = on_progress

    def expect(self, size: int) -> None:
        """So many bytes there are in all."""
        self._now = replace(self._now, bytes=size)

    def add(self, *, files: int = 0, size: int = 0) -> None:
        """So much more is done; less, where something has to be sent again."""
        now = self._now
        self._now = replace(now, files_done=now.files_done + files, bytes_done=now.bytes_done + size)
        self._on_progress(self._now)
