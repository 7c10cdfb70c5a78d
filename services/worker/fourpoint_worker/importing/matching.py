"""Which sample of the dataset an image of a file is: by its bytes, its place, or its name."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from typing import BinaryIO

from fourpoint_core.errors import FourpointError
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import imports
from fourpoint_core.store.session import Sessions, reading
from fourpoint_worker.formats.values import FileTree, FormatError, ImportedImage
from fourpoint_worker.importing.trees import ImportTree

_KEPT = 4096
# EXIF and the size stand at the beginning.
_HEADER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image is. sample: of the dataset; path: in the imported tree; both None: nowhere."""

    sample: Sample | None
    path: str | None


class Matcher:
    """Finds images, of which files know names and paths; asks the database once for each."""

    def __init__(self, sessions: Sessions, dataset: Dataset, tree: ImportTree, decoder: Decoder):
        self._sessions = sessions
        self._dataset = dataset
        self._tree = tree
        self._decoder = decoder
        self._sizes: OrderedDict[tuple[str, ...], tuple[int, int] | None] = OrderedDict()

    def size_of(self, places: Sequence[str]) -> tuple[int, int] | None:
        """See SizeOf: of the image's own bytes where they are imported, else of the sample's."""
        key = tuple(places)
        if key not in self._sizes:
            self._sizes[key] = self._size(places)
            if len(self._sizes) > _KEPT:
                self._sizes.popitem(last=False)
        return self._sizes[key]

    def place_of(self, image: ImportedImage) -> Place:
        """Where the image is. What is in the tree may yet be in the dataset, too: its bytes tell."""
        path = self._path(image.files)
        if path is not None:
            return Place(self._referred(path), path)
        names = [*image.files, *([image.name] if image.name else [])]
        if image.location is not None:
            names.append(image.location)
        return Place(self._sample(names), None)

    def _size(self, places: Sequence[str]) -> tuple[int, int] | None:
        path = self._path(places)
        if path is None:
            sample = self._sample(places)
            return None if sample is None else (sample.width, sample.height)
        sample = self._referred(path)
        if sample is not None:
            return (sample.width, sample.height)
        try:
            with self._tree.open(path) as stream:
                return self._header_size(stream)
        except (FormatError, FourpointError):
            # It is looked at again, and refused, when it is to be stored.
            return None

    def _header_size(self, stream: BinaryIO) -> tuple[int, int]:
        """Width and height, upright. Raises FourpointError where the beginning of the file does not tell."""
        found = self._decoder.header(stream.read(_HEADER_BYTES))
        return (found.height, found.width) if found.is_sideways else (found.width, found.height)

    def _path(self, places: Sequence[str]) -> str | None:
        return next((place for place in places if self._tree.has(place)), None)

    def _referred(self, path: str) -> Sample | None:
        """The sample whose object a path of the tree is."""
        key = self._tree.key_of(path)
        if key is None:
            return None
        with reading(self._sessions) as session:
            return imports.sample_at(session, self._dataset.id, key)

    def _sample(self, names: Sequence[str]) -> Sample | None:
        with reading(self._sessions) as session:
            return imports.sample_named(session, self._dataset, names)


def numbered(key: str) -> Iterator[str]:
    """The key, and then the same with 2, 3 … behind its stem: where an image goes whose key others have."""
    yield key
    stem, dot, suffix = key.rpartition(".")
    for number in count(2):
        yield f"{stem}-{number}{dot}{suffix}"


def read_bounded(tree: FileTree, path: str, limit: int) -> bytes:
    """A file of the tree. Raises FormatError where it is larger."""
    with tree.open(path) as stream:
        data = stream.read(limit + 1)
        pieces = BytesIO()
        pieces.write(data)
        while data and pieces.tell() <= limit:
            data = stream.read(limit + 1 - pieces.tell())
            pieces.write(data)
    if pieces.tell() > limit:
        raise FormatError("file_too_large", f"{path} has more than {limit:,} bytes; scale the image down.")
    return pieces.getvalue()
