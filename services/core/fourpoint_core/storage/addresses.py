"""Addresses of objects as files name them: `s3://bucket/key`, or `file:///directory/key`."""

from urllib.parse import urlsplit


def address_of(storage_url: str) -> str:
    """What stands before a key in the address of its object, with a slash at its end."""
    parts = urlsplit(storage_url)
    if parts.scheme == "file":
        return f"file://{parts.path.rstrip('/')}/"
    return f"s3://{parts.path.strip('/')}/"
