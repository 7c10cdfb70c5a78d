"""Decoded images are large and short-lived; what they leave behind must go back to the system."""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_MEBIBYTE = 2**20


def give_freed_memory_back() -> None:
    """Have the C library return large blocks as soon as they are freed; call it once, as a process starts.

    Pillow keeps an image in blocks of 16 MiB. glibc would put those of each thread into an arena of that
    thread, and keep them: a few threads that each decoded one 100-megapixel image then hold gigabytes.
    Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MEBIBYTE)
