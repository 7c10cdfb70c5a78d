"""By what an embedding is found: what was looked at, and by which model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmbeddingKey:
    """The same key is the same embedding, wherever it lies.

    image_digest: hex SHA-256 of the image's file. model_digest: of all that decides what a model makes of it.
    frame: the part of the image, as the engine names it.
    """

    image_digest: str
    model_digest: str
    frame: str

    def __str__(self) -> str:
        return f"{self.model_digest}:{self.image_digest}:{self.frame}"
