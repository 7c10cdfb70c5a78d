"""Where images of other tools lie that asked for an outline: by content, apart from datasets, for hours."""

FOLDER = ".fourpoint-pictures"


def picture_key(digest: str) -> str:
    """Key of the image with SHA-256 `digest` (hex)."""
    return f"{FOLDER}/{digest[:2]}/{digest}"
