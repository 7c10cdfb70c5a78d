"""What is fuzzed: for each kind of file that strangers send, the readers that meet it first.

A target takes bytes and returns whether they were taken. What else comes out of it, but for the refusals that
are documented, is a finding; so is what was taken and could not be kept.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tests.fuzz import seeds

from fourpoint_core.domain.annotations import check_attributes
from fourpoint_core.domain.geometry import validate_contour
from fourpoint_core.domain.labels import clean_label_name, is_colour
from fourpoint_core.domain.text import is_text
from fourpoint_core.errors import DamagedImageError, TooManyPixelsError, UnsupportedImageError
from fourpoint_core.imaging.header import read_facts
from fourpoint_core.imaging.inspect import header_of, inspect_image
from fourpoint_core.imaging.upright import thumbnail_jpeg
from fourpoint_core.storage.local_store import LocalStore
from fourpoint_worker.formats import modelarts_xml
from fourpoint_worker.formats.catalogue import FORMATS
from fourpoint_worker.formats.values import FormatError, Found, ImportedImage, ImportedLabel, Refusal
from fourpoint_worker.importing.trees import ArchiveTree, Bucket, BucketTree

MAX_PIXELS = 2_000_000
_REFUSED = (DamagedImageError, TooManyPixelsError, UnsupportedImageError)
_SCRATCH = tempfile.TemporaryDirectory(prefix="fourpoint-fuzz-")
_STORE = LocalStore(Path(_SCRATCH.name) / "bucket")
_BUCKET = Bucket(_STORE, "s3://bucket/", frozenset({"closed/"}))
_STORE.put("in/shelf/one.jpg", b"x", content_type="image/jpeg")
_BUCKET_TREE = BucketTree(_BUCKET, _STORE, "in/", Path(_SCRATCH.name))


class Files:
    """See FileTree: files in memory, and behind them a real bucket that is asked for whatever a file names."""

    def __init__(self, contents: dict[str, bytes]):
        self._contents = contents

    def paths(self) -> Iterator[str]:
        return iter(sorted(self._contents, key=str.encode))

    def has(self, path: str) -> bool:
        return path in self._contents or _BUCKET_TREE.has(path)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        if path in self._contents:
            yield io.BytesIO(self._contents[path])
        else:
            with _BUCKET_TREE.open(path) as stream:
                yield stream


def image(data: bytes) -> bool:
    """An upload: looked at whole, by its header alone, and made small."""
    for look in (header_of, lambda d: read_facts(lambda at, size: d[at : at + size], len(d), MAX_PIXELS)):
        try:
            look(data)
        except _REFUSED:
            continue
    try:
        found = inspect_image(data, MAX_PIXELS)
    except _REFUSED:
        return False
    assert found.width * found.height <= MAX_PIXELS
    # What was taken can be shown.
    assert thumbnail_jpeg(data, 256).startswith(b"\xff\xd8")
    return True


def sidecar(data: bytes) -> bool:
    """The XML of labels beside an image."""
    try:
        _check_image(modelarts_xml.read(io.BytesIO(data), seeds.SIZE))
    except FormatError as error:
        _check_refusal(Refusal.of(error, "a.xml"))
        assert error.line, "a refusal names its line"
        return False
    return True


def imported(name: str, path: str, data: bytes) -> bool:
    """An import of a tree of one format, in which one file is foreign."""
    files = seeds.tree(name)
    assert path in files
    tree = Files({**files, path: data})
    # Once as where nobody has its images, once as where somebody has.
    _check(list(FORMATS[name].read(tree, lambda _: None)))
    return _check(list(FORMATS[name].read(tree, lambda _: seeds.SIZE)))


def archive(data: bytes) -> bool:
    """A ZIP archive, all of whose files are read, and which is imported."""
    try:
        tree = ArchiveTree(_BUCKET, io.BytesIO(data), "upload.zip", len(data))
    except FormatError as error:
        return _check([Refusal.of(error, "")])
    for path in tree.paths():
        assert is_text(path) and not path.startswith("/")
        with _refusals_expected(), tree.open(path) as stream:
            while stream.read(2**20):
                pass
    # A tree of one format holds nothing for the other, which says so.
    taken = [_check(list(FORMATS[name].read(tree, lambda _: None))) for name in ("modelarts", "coco")]
    return any(taken)


@contextmanager
def _refusals_expected() -> Iterator[None]:
    try:
        yield
    except FormatError as error:
        _check_refusal(Refusal.of(error, ""))


def _check(found: Sequence[Found]) -> bool:
    for each in found:
        if isinstance(each, Refusal):
            _check_refusal(each)
        elif isinstance(each, ImportedImage):
            _check_image(each)
        else:
            _check_label(each)
    return not any(isinstance(each, Refusal) for each in found)


def _check_refusal(refusal: Refusal) -> None:
    assert refusal.code.replace("_", "").isalpha() and refusal.detail
    assert refusal.line is None or refusal.line > 0


def _check_label(label: ImportedLabel) -> None:
    assert clean_label_name(label.name) == label.name
    assert label.colour is None or is_colour(label.colour)


def _check_image(found: ImportedImage) -> None:
    assert not found.objects or (found.width and found.height)
    for each in found.objects:
        assert clean_label_name(each.label) == each.label
        assert each.colour is None or is_colour(each.colour)
        assert each.score is None or 0 <= each.score <= 1
        check_attributes(each.traits.attributes)
        assert is_text(json.dumps(each.traits.attributes))
        if each.contour is not None:
            validate_contour(each.contour, found.width or 0, found.height or 0)
        else:
            assert each.box is not None and each.box.width > 0 and each.box.height > 0
    for note in found.notes:
        assert note.code


TARGETS: dict[str, Callable[[bytes], bool]] = {
    "image": image,
    "sidecar": sidecar,
    "archive": archive,
    **{
        f"{name}-{path.rpartition('/')[2]}": partial(imported, name, path)
        for name, paths in seeds.FOREIGN.items()
        for path in paths
    },
}
