"""Images looked at and made small in processes apart, each with bounds on memory and time.

Decoders are written in C and read what strangers send. One that crashes, hangs or takes too much memory costs
the file that it was given; the next file gets a fresh process. Processes are started when they are first
needed, by exec and not by fork, and inherit no connection and no variable but those that find libraries.
"""

import contextlib
import logging
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from queue import LifoQueue
from typing import Any

from fourpoint_core.errors import (
    DamagedImageError,
    FourpointError,
    TooManyPixelsError,
    UnsupportedImageError,
)
from fourpoint_core.imaging import frames
from fourpoint_core.imaging.inspect import SUFFIXES, Header, ImageFacts
from fourpoint_core.settings import CoreSettings

PROGRAM = (sys.executable, "-m", "fourpoint_core.imaging.decoding_child")
# Python and its libraries, read from a disk that others use as well.
START_SECONDS = 60.0
MAX_ANSWER_BYTES = 64 * 2**20
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
_ERRORS = {error.code: error for error in (DamagedImageError, TooManyPixelsError, UnsupportedImageError)}
logger = logging.getLogger(__name__)


class Decoder:
    """Some processes that decode, one image at a time each; one such pool in a process of ours."""

    def __init__(self, processes: int, memory_bytes: int, seconds: float, program: Sequence[str] = PROGRAM):
        """memory_bytes: address space of each. seconds: for one image. program: what each of them runs."""
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._program = (*program, str(memory_bytes), str(math.ceil(seconds) + 1))
        # The one used last first: on a quiet machine, the others are never started.
        self._places: LifoQueue[_Place] = LifoQueue()
        self._all = [_Place() for _ in range(processes)]
        for place in self._all:
            self._places.put(place)

    @classmethod
    def by(cls, settings: CoreSettings) -> "Decoder":
        """As the settings have it; nothing is started yet."""
        return cls(settings.decoders, settings.decoder_bytes, settings.decoder_seconds)

    def facts(self, data: bytes, max_pixels: int) -> ImageFacts:
        """See inspect_image; raises as it does."""
        said, _ = self._ask("facts", data, max_pixels=max_pixels)
        found = _facts(said)
        if found.width * found.height > max_pixels:
            raise _undecodable("it contradicts itself")
        return found

    def header(self, data: bytes) -> Header:
        """See header_of; raises as it does."""
        said, _ = self._ask("header", data)
        found = _facts(said)
        return Header(found.media_type, found.width, found.height, said.get("is_sideways") is True)

    def thumbnail(self, data: bytes, longest_side: int) -> bytes:
        """See thumbnail_jpeg; raises as it does."""
        return self._ask("thumbnail", data, longest_side=longest_side)[1]

    def close(self) -> None:
        """End the processes."""
        for place in self._all:
            place.end()

    def _ask(self, work: str, data: bytes, **options: Any) -> frames.Frame:
        with self._place() as place:
            process = place.process(self._program)
            try:
                said, body = process.ask({"do": work, "with": options}, data, self._seconds)
            except TimeoutError:
                why = f"it takes more than {self._seconds:g} seconds"
            except (frames.BrokenFrameError, OSError):
                why = "the decoder broke down over it"
            else:
                return self._checked(said), body
            status = place.end()
        logger.warning("a decoder was given up", extra={"reason": why, "status": status, "bytes": len(data)})
        raise _undecodable(why)

    def _checked(self, said: dict[str, Any]) -> dict[str, Any]:
        code = said.get("error")
        if code is None:
            return said
        if code == "memory":
            raise _undecodable(f"it takes more than {self._memory_bytes // 2**20:,} MiB of memory")
        kind: type[FourpointError] = _ERRORS.get(code, DamagedImageError)
        raise kind(str(said.get("detail")))

    @contextlib.contextmanager
    def _place(self) -> Iterator["_Place"]:
        place = self._places.get()
        try:
            yield place
        finally:
            self._places.put(place)


class _Place:
    """Where a process is, or will be."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._lock = threading.Lock()

    def process(self, program: Sequence[str]) -> "_Process":
        """The one that is here; a new one where it has ended. Raises RuntimeError where none starts."""
        with self._lock:
            if self._process is not None and self._process.has_ended():
                self._process.end()
                self._process = None
            if self._process is None:
                self._process = _Process(program)
            return self._process

    def end(self) -> int | None:
        """End the process, and say how it ended: negative, the signal; None: there was none."""
        with self._lock:
            process, self._process = self._process, None
        return None if process is None else process.end()


class _Process:
    def __init__(self, program: Sequence[str]):
        self._connection, theirs = socket.socketpair()
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        with theirs:
            self._child: subprocess.Popen[bytes] = subprocess.Popen(
                list(program), stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=variables
            )
        try:
            frames.receive(self._connection, 0, time.monotonic() + START_SECONDS)
        except (frames.BrokenFrameError, OSError) as error:
            raise RuntimeError(f"the decoder does not start: status {self.end()}") from error

    def ask(self, said: dict[str, Any], data: bytes, seconds: float) -> frames.Frame:
        """What it answers. Raises BrokenFrameError, TimeoutError or OSError; it is of no use then."""
        until = time.monotonic() + seconds
        self._connection.settimeout(seconds)
        frames.send(self._connection, said, data)
        return frames.receive(self._connection, MAX_ANSWER_BYTES, until)

    def has_ended(self) -> bool:
        """Whether somebody else has ended it meanwhile."""
        return self._child.poll() is not None

    def end(self) -> int:
        """Kill it, unless it has died; its status as `subprocess` tells it."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Who crashed may not be dead yet, and is to say of what.
            return self._child.wait(1.0)
        self._child.kill()
        return self._child.wait()


def _facts(said: dict[str, Any]) -> ImageFacts:
    width, height, media_type = said.get("width"), said.get("height"), said.get("media_type")
    if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
        raise _undecodable("it contradicts itself")
    if media_type not in SUFFIXES:
        raise _undecodable("it contradicts itself")
    return ImageFacts(str(media_type), width, height)


def _undecodable(why: str) -> DamagedImageError:
    return DamagedImageError(f"The image could not be decoded: {why}; save it again and upload the new file.")
