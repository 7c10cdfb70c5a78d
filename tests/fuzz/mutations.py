"""Changes to files that keep them readable enough to get past their first line.

Bytes flipped at random mostly end at the parser. Here a value becomes a hostile one, or one from elsewhere in
the file, a list is emptied, a piece is doubled or left out, and sums are put right again where a reader looks
at them first.
"""

import random
import re
import struct
import zlib

_VALUES = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+]?\d[\d.eE+-]*|[A-Za-z_]+')
# Lists, texts and elements with nothing nested in them.
_FILLED = re.compile(rb'\[[^\[\]]+\]|"[^"]+"|>[^<>]+<')
_HOSTILE = [
    *(
        b"0",
        b"-1",
        b"-0.0",
        b"1e308",
        b"1e-320",
        b"-1e999",
        b"NaN",
        b"Infinity",
        b"2147483648",
        b"18446744073709551616",
    ),
    *(b"9" * 400, b"9" * 5000, b"0.1e", b"0x10", b"1_0", "٣".encode(), b"100.0000001", b"89.99999999999999"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[[[[]]]]", b"[" * 1100, b'{"a":' * 600),
    *(
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\udc00x"',
        b'"' + b"x" * 2000 + b'"',
        '"\u202e\u0301e"'.encode(),
        b'"../../etc"',
    ),
    *(
        b'"s3://bucket/in/shelf/one.jpg"',
        b'"s3://bucket/closed/a.jpg"',
        b'"obs://other/a"',
        b'"' + b"a/" * 3000 + b'"',
    ),
    *(
        b"<!DOCTYPE a>",
        b"&lt;",
        b"&#0;",
        b"]]>",
        b"<![CDATA[",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\0",
        b"\r",
        b"\n",
        b"&x;",
    ),
    *(b"!!timestamp x", b"!!bool x", b"&a [*a]", b"? [1]", b"<<: 1"),
]
_PNG = b"\x89PNG\r\n\x1a\n"


def mutated(target: str, data: bytes, chance: random.Random) -> bytes:
    """The data, changed in a few places."""
    if data.startswith(_PNG):
        return _png_put_right(_flipped(data, chance))
    if target in ("image", "archive"):
        return _flipped(data, chance)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(
            (_value_replaced, _value_replaced, _value_replaced, _emptied, _piece_doubled, _piece_left_out)
        )(data, chance)
    return data


def _flipped(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if found:
            at = chance.randrange(len(found))
            wide = chance.choice((1, 1, 2, 4))
            found[at : at + wide] = chance.choice(
                (chance.randbytes(wide), b"\xff" * wide, b"\0" * wide, b"\x7f" + b"\xff" * (wide - 1))
            )
    return bytes(found)


def _value_replaced(data: bytes, chance: random.Random) -> bytes:
    values = list(_VALUES.finditer(data))
    if not values:
        return data + chance.choice(_HOSTILE)
    value = chance.choice(values)
    other = chance.choice(_HOSTILE) if chance.random() < 0.7 else chance.choice(values)[0]
    return data[: value.start()] + other + data[value.end() :]


def _emptied(data: bytes, chance: random.Random) -> bytes:
    filled = list(_FILLED.finditer(data))
    if not filled:
        return data
    one = chance.choice(filled)
    return data[: one.start() + 1] + data[one.end() - 1 :]


def _piece_doubled(data: bytes, chance: random.Random) -> bytes:
    start, end = _piece(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 1, 3, 50)) + data[end:]


def _piece_left_out(data: bytes, chance: random.Random) -> bytes:
    start, end = _piece(data, chance)
    return data[:start] + data[end:]


def _piece(data: bytes, chance: random.Random) -> tuple[int, int]:
    ends = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    # Short ones mostly: between two of the marks that files are made of.
    start = max(data.rfind(mark, 0, ends[0]) for mark in (b"<", b"{", b"[", b"\n", b","))
    return (max(start, 0), min(ends[1], max(start, 0) + chance.choice((8, 40, 400))))


def _png_put_right(data: bytes) -> bytes:
    """With the sums of all chunks as they must be."""
    found, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunk = data[at + 4 : at + 8 + length]
        found += data[at : at + 4] + chunk + struct.pack(">I", zlib.crc32(chunk))
        at += 12 + length
    return bytes(found + data[at:])
