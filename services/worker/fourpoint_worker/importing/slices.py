"""What one transaction of an import holds, and the words that it has for every line."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries.imports import WantedLabel
from fourpoint_worker.formats.values import ImportedImage, Note, Refusal

SLICE = 50
SLICE_LINES = 1000
# Lines beyond are counted, and not kept: a file of a million bad lines says the same of each.
MAX_LINES = 100_000
_MAX_DETAIL = 500
_NOBODY = UUID(int=0)


@dataclass(slots=True)
class TakenImage:
    """An image of a slice. at: its place in the import. sample: that it is, row: that it becomes.

    twin: the first image with the same bytes that the dataset has, under another name.
    """

    at: int
    image: ImportedImage
    sample: Sample | None = None
    row: Sample | None = None
    twin: Sample | None = None

    @property
    def sample_id(self) -> UUID:
        """Of either; of nobody where there is neither."""
        found = self.row or self.sample
        return _NOBODY if found is None else found.id


@dataclass(slots=True)
class Slice:
    """What one transaction will hold.

    promised: keys of bytes that are stored; digests: new images by theirs; rows: by their keys.
    """

    images: list[TakenImage] = field(default_factory=list)
    labels: list[WantedLabel] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    promised: list[str] = field(default_factory=list)
    digests: dict[str, Sample] = field(default_factory=dict)
    rows: dict[str, Sample] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether it is time for a transaction."""
        return len(self.images) >= SLICE or len(self.lines) >= SLICE_LINES

    def successor(self, *, dry_run: bool) -> "Slice":
        """What comes behind it; a dry run remembers the images that it would have added."""
        return Slice(rows=self.rows, digests=self.digests) if dry_run else Slice()


class Lines:
    """Numbers what an import has to say, as far as it is kept."""

    def __init__(self, job_id: UUID, said: int):
        """said: how many lines earlier tries have left."""
        self._job_id = job_id
        self._said = said

    def refused(self, current: Slice, refusal: Refusal) -> None:
        """An image, or a file, that is not taken."""
        current.counts["images_refused"] += 1
        note = Note(refusal.code, refusal.detail, refusal.line)
        self.say(current, "refused", note, refusal.place, refusal.name)

    def of_image(self, current: Slice, image: ImportedImage, outcome: str, note: Note) -> None:
        """Something about an image that is taken."""
        self.say(current, outcome, note, image.place, image.name)

    def say(self, current: Slice, outcome: str, note: Note, place: str, name: str | None) -> None:
        """One line."""
        if self._said >= MAX_LINES:
            current.counts["lines_not_kept"] += 1
            return
        self._said += 1
        current.lines.append(
            {
                "job_id": self._job_id,
                "position": self._said,
                "outcome": outcome,
                "code": note.code,
                "detail": _storable(note.detail)[:_MAX_DETAIL],
                "place": _storable(place)[:_MAX_DETAIL],
                "line": note.line,
                "name": None if name is None else _storable(name)[:_MAX_DETAIL],
            }
        )


def _storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
