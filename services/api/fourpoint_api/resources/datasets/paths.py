"""Where a dataset's images lie and where what is made of them goes: the rules for both paths; no HTTP."""

import re

from fourpoint_api.resources.samples.names import MAX_NAME_BYTES
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.storage import derived, pictures, staging
from fourpoint_core.storage.local_files import MAX_SEGMENT_BYTES, RESERVED
from fourpoint_core.storage.port import MAX_KEY_BYTES, validate_prefix

# Where the service keeps what is its own.
OWN_FOLDERS = {derived.FOLDER, staging.FOLDER, pictures.FOLDER, RESERVED}
MAX_PREFIX_BYTES = MAX_KEY_BYTES - MAX_NAME_BYTES
_ADDRESS = re.compile(r"(?:obs|s3|s3a)://([^/]*)/?(.*)", re.DOTALL)


def clean_path(text: str, pointer: str, bucket: str | None) -> str:
    """The key prefix that a path means, if an image of any name can be stored below it.

    text: a prefix (`photos/`), or an address in the service's bucket (`obs://bucket/photos/`).
    bucket: the service's; None where it keeps objects in a directory. Raises InvalidInputError.
    """
    prefix = _within(text, pointer, bucket).rstrip("/") + "/"
    if prefix == "/":
        raise InvalidInputError.at(
            pointer, "key_invalid", "Name a folder in the bucket, not the bucket itself."
        )
    try:
        validate_prefix(prefix)
    except InvalidInputError as error:
        raise InvalidInputError.at(pointer, "key_invalid", error.detail) from error
    folders = prefix.split("/")
    too_long = max(len(folder.encode()) for folder in folders) > MAX_SEGMENT_BYTES
    if too_long or len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise InvalidInputError.at(
            pointer,
            "key_invalid",
            f"Give a path of at most {MAX_PREFIX_BYTES} bytes, and {MAX_SEGMENT_BYTES} between two slashes.",
        )
    if folders[0] in OWN_FOLDERS:
        raise InvalidInputError.at(pointer, "key_reserved", f"Keys below {folders[0]!r} are reserved.")
    return prefix


def check_apart(input_path: str, output_path: str | None) -> None:
    """Refuse paths one of which holds the other: what is written would be read. Raises InvalidInputError."""
    if output_path is None:
        return
    if output_path.startswith(input_path) or input_path.startswith(output_path):
        raise InvalidInputError.at(
            "/output_path",
            "paths_overlap",
            f"Give an output path that is neither the input path {input_path!r}, nor below or above it.",
        )


def _within(text: str, pointer: str, bucket: str | None) -> str:
    address = _ADDRESS.fullmatch(text)
    if address is None:
        return text
    if address[1] != bucket:
        there = "a directory without buckets" if bucket is None else f"the bucket {bucket!r}"
        raise InvalidInputError.at(
            pointer, "bucket_unknown", f"This service works in {there}; it cannot reach {address[1]!r}."
        )
    return address[2]
