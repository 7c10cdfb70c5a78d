"""Objects that the service makes from images, by the digest of their bytes; they can be made again."""

FOLDER = "derived"
_EMBEDDINGS = "embeddings"


def derived_prefix(digest: str) -> str:
    """Below this key lies everything made from the image with SHA-256 `digest` (hex)."""
    return f"{FOLDER}/{digest[:2]}/{digest}/"


def thumbnail_key(digest: str, size: int) -> str:
    """Key of the thumbnail whose longest side is at most `size` pixels."""
    return f"{derived_prefix(digest)}thumbnail-{size}.jpg"


def embeddings_prefix() -> str:
    """Below this key lies what models have made of images, whoever's they are."""
    return f"{FOLDER}/{_EMBEDDINGS}/"


def embeddings_of(digest: str) -> str:
    """Below this key lies what models have made of one image; apart from the rest, to be listed by age."""
    return f"{embeddings_prefix()}{digest[:2]}/{digest}/"


def embedding_key(digest: str, model_digest: str, frame: str) -> str:
    """Key of what a model has made of a part of an image."""
    return f"{embeddings_of(digest)}{model_digest}-{frame}"
