"""An embedding as bytes for a store that anybody may have written to, cut short or mixed up.

An entry is taken only when all of it is what was written, for this very key, in this version of the format.
"""

import hashlib
import json
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey

Features = npt.NDArray[np.generic]

MAGIC = b"FPEM"
VERSION = 1
_DTYPES = {"float16", "float32"}
_HEAD = struct.Struct("<4sHI")
_CHECKSUM_BYTES = 32
# Three times as long as ours are: nothing that takes a parser long.
_LONGEST_DESCRIPTION = 1024


class UnusableEntryError(Exception):
    """The bytes are no entry of this key; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An embedding in main memory: float16 or float32, finite, of any shape."""

    features: Features


def write_entry(key: EmbeddingKey, packed: Packed) -> bytes:
    """magic, version, length of the description, description (JSON), features, SHA-256 of all that."""
    features = np.ascontiguousarray(packed.features)
    description = json.dumps({"key": str(key), "dtype": features.dtype.name, "shape": features.shape}).encode()
    body = _HEAD.pack(MAGIC, VERSION, len(description)) + description + features.tobytes()
    return body + hashlib.sha256(body).digest()


def read_entry(key: EmbeddingKey, data: bytes) -> Packed:
    """The inverse of `write_entry`. Raises UnusableEntryError."""
    try:
        return _read_entry(key, data)
    except UnusableEntryError:
        raise
    except Exception as error:
        # Whatever a parser or NumPy stumbles over in it, a click must not.
        raise UnusableEntryError(f"it cannot be read: {type(error).__name__}") from error


def _read_entry(key: EmbeddingKey, data: bytes) -> Packed:
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(body) < _HEAD.size or not data.startswith(MAGIC):
        raise UnusableEntryError("it is no entry")
    if hashlib.sha256(body).digest() != checksum:
        raise UnusableEntryError("it was cut short or changed")
    _, version, length = _HEAD.unpack_from(body)
    if version != VERSION:
        raise UnusableEntryError(f"it is of version {version}")
    if length > _LONGEST_DESCRIPTION:
        raise UnusableEntryError(f"its description has {length} bytes")
    return _features(key, body[_HEAD.size : _HEAD.size + length], body[_HEAD.size + length :])


def _features(key: EmbeddingKey, description: bytes, content: bytes) -> Packed:
    # The checksum says that somebody wrote just this; not that it was us.
    said = json.loads(description)
    name, dtype, shape = said["key"], said["dtype"], tuple(map(int, said["shape"]))
    if name != str(key):
        raise UnusableEntryError(f"it belongs to {name}")
    if dtype not in _DTYPES or len(content) != np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize:
        raise UnusableEntryError("its features are not as many as it says")
    features = np.frombuffer(content, dtype).reshape(shape)
    if not np.isfinite(features).all():
        raise UnusableEntryError("its features are not finite")
    return Packed(features)
