"""Text as a stream of numbered lines, of files that nobody vouches for."""

from collections.abc import Iterator
from typing import BinaryIO

from fourpoint_worker.formats.values import FormatError

CHUNK_BYTES = 256 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
_MARK = b"\xef\xbb\xbf"


def lines(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """Number and text of every line, without its end. Raises FormatError: too long a line, or no UTF-8."""
    pending = b""
    number = 0
    while True:
        chunk = stream.read(CHUNK_BYTES)
        pending += chunk
        whole = pending.split(b"\n")
        pending = whole.pop()
        for line in whole:
            number += 1
            yield number, _text(line, number)
        if len(pending) > MAX_LINE_BYTES:
            raise FormatError(
                "line_too_long", f"A line takes more than {MAX_LINE_BYTES >> 20} MiB.", number + 1
            )
        if not chunk:
            if pending:
                yield number + 1, _text(pending, number + 1)
            return


def _text(line: bytes, number: int) -> str:
    try:
        return (line.removeprefix(_MARK) if number == 1 else line).rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise FormatError("encoding", "The line is not UTF-8.", number) from None
