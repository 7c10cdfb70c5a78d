"""The process that decodes images for another: `python -m fourpoint_core.imaging.decoding_child BYTES SECONDS`.

It answers on its standard input, a socket, until the other side closes it. It opens nothing and knows nothing:
no connection, no secret, no file. What an image makes of it costs the image.
"""

import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from fourpoint_core.errors import FourpointError
from fourpoint_core.imaging import frames, inspect, upright
from fourpoint_core.imaging.memory import give_freed_memory_back

# More than any file that is decoded.
MAX_FILE_BYTES = 2**30
Answer = frames.Frame


def facts(data: bytes, *, max_pixels: int) -> Answer:
    """See inspect_image."""
    found = inspect.inspect_image(data, max_pixels)
    return {"media_type": found.media_type, "width": found.width, "height": found.height}, b""


def header(data: bytes) -> Answer:
    """See header_of."""
    found = inspect.header_of(data)
    said = {"media_type": found.media_type, "width": found.width, "height": found.height}
    return {**said, "is_sideways": found.is_sideways}, b""


def thumbnail(data: bytes, *, longest_side: int) -> Answer:
    """See thumbnail_jpeg."""
    return {}, upright.thumbnail_jpeg(data, longest_side)


WORKS: dict[str, Callable[..., Answer]] = {"facts": facts, "header": header, "thumbnail": thumbnail}


def answer(said: dict[str, Any], data: bytes) -> Answer:
    """What comes of one image, or why nothing does."""
    try:
        return WORKS[said["do"]](data, **said["with"])
    except MemoryError:
        return {"error": "memory"}, b""
    except FourpointError as error:
        if isinstance(error.__cause__, MemoryError):
            return {"error": "memory"}, b""
        return {"error": error.code, "detail": error.detail}, b""


def main(arguments: list[str]) -> None:
    """Answer until nobody asks any more."""
    memory_bytes, seconds = (int(text) for text in arguments)
    if sys.platform == "linux":
        # macOS knows the limit and refuses to set it.
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever stops the service signals all of its processes; this one ends when nobody needs it any more.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    give_freed_memory_back()
    with socket.socket(fileno=sys.stdin.fileno()) as connection:
        frames.send(connection, {"ready": True})
        while True:
            try:
                said, data = frames.receive(connection, MAX_FILE_BYTES)
                # Also where whoever asked is gone, and in the middle of C: unhandled, this signal ends us.
                signal.alarm(seconds)
                frames.send(connection, *answer(said, data))
                signal.alarm(0)
            except (frames.BrokenFrameError, OSError):
                return


if __name__ == "__main__":
    main(sys.argv[1:])
