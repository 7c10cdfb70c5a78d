"""Outlines on images of other tools, which are no samples."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from fourpoint_core.domain.prompts import Prompt, prompt_from_json, prompt_to_json


class Form(StrEnum):
    """What the other tool wants to be given."""

    RING = "ring"
    BRUSH = "brush"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class OutlinePicture:
    """Draw the outline of one object on an image that lies under `picture_key(digest)`; nothing is kept.

    width, height: pixels of the upright image. form: of the answer; a ring, holes and parts joined by seams; a
    brush in Label Studio's run-length code; or counts of pixels off and on the object by turns, row by row.
    brush: an earlier outline in that run-length code, to start from; empty: none. prompt: None where the brush
    is all there is.
    """

    digest: str
    width: int
    height: int
    form: Form
    prompt: Prompt | None
    brush: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "digest": self.digest,
            "width": self.width,
            "height": self.height,
            "form": self.form.value,
            "prompt": None if self.prompt is None else prompt_to_json(self.prompt),
            "brush": list(self.brush),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        prompt = document["prompt"]
        return cls(
            document["digest"],
            document["width"],
            document["height"],
            Form(document["form"]),
            None if prompt is None else prompt_from_json(prompt),
            tuple(document["brush"]),
        )
