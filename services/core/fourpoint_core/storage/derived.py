"""Objects that the service makes from images, by the digest of their bytes; they can be made again."""

FOLDER = "derived"


def derived_prefix(digest: str) -> str:
    """Below this key lies everything made from the image with SHA-256 `digest` (hex)."""
    return f"{FOLDER}/{digest[:2]}/{digest}/"


def thumbnail_key(digest: str, size: int) -> str:
    """Key of the thumbnail whose longest side is at most `size` pixels."""
    return f"{derived_prefix(digest)}thumbnail-{size}.jpg"
