"""YOLO segmentation as Ultralytics reads it: `images/`, `labels/` with one row per object, and `data.yaml`.

A row is a class and one ring, normalised to the image. Holes and further parts are joined to it by seams
(`holes_bridged`, `parts_bridged`); readers that fill by the even-odd rule, ours among them, find them again.
Positions are written to a millionth of a pixel. What YOLO has no place for is left out and counted.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from reprlib import repr as bounded_repr
from typing import Any

import yaml

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_worker.formats import traits_json
from fourpoint_worker.formats.fitting import fitted, fitted_box
from fourpoint_worker.formats.flattening import DECIMALS, single_ring
from fourpoint_worker.formats.text_lines import lines
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportSource,
    File,
    FileTree,
    FormatError,
    Found,
    ImportedImage,
    ImportedLabel,
    ImportedObject,
    Notes,
    Refusal,
    SizeOf,
    stem_of,
)

WHOLE = "train"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
# Ten thousand classes take less, and a megabyte would take half a minute to parse.
_MAX_YAML_BYTES = 256 * 1024
_MAX_DEPTH = 32
_MOST_CLASSES = 1_000_000
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree; its stem is its label file's."""
    suffix = PurePosixPath(image.path).suffix
    return f"images/{image.usage or WHOLE}/{image.stem}{suffix}"


def files(source: ExportSource, notes: Notes) -> Iterator[File]:
    """The tree without its images."""
    yield File("data.yaml", [_data_yaml(source)])
    classes = {label.mask_index: number for number, label in enumerate(source.labels)}
    for image in source.images():
        rows = [_row(image, each, classes[each.label.mask_index], notes) for each in image.objects]
        yield File(f"labels/{image.usage or WHOLE}/{image.stem}.txt", ["".join(rows).encode()])


def _data_yaml(source: ExportSource) -> bytes:
    usages = [usage or WHOLE for usage in source.usages()]
    # Ultralytics insists on both.
    paths = {"train": usages[0], "val": usages[0], **{usage: usage for usage in usages}}
    written = [f"{usage}: images/{folder}\n" for usage, folder in paths.items()]
    # JSON is YAML, whatever a name consists of.
    names = [
        f"  {number}: {json.dumps(label.name, ensure_ascii=False)}\n"
        for number, label in enumerate(source.labels)
    ]
    text = f"path: .\n{''.join(written)}nc: {len(names)}\nnames:{'' if names else ' {}'}\n{''.join(names)}"
    return text.encode()


def _row(image: ExportedImage, each: ExportedObject, number: int, notes: Notes) -> str:
    traits = each.traits
    if traits.attributes:
        notes.add("attributes_left_out")
    if traits_json.to_json(traits):
        notes.add("traits_left_out")
    if each.score is not None:
        notes.add("score_left_out")
    ring = single_ring(each.contour, notes)
    values = [_normalised(v, size) for x, y in ring for v, size in ((x, image.width), (y, image.height))]
    if any(round(v, DECIMALS) != v for vertex in ring for v in vertex):
        notes.add("coordinates_rounded")
    return f"{number} {' '.join(values)}\n"


def _normalised(value: float, size: int) -> str:
    """Twelve decimals bring back a millionth of a pixel in an image of any size."""
    return f"{round(value, DECIMALS) / size:.12f}".rstrip("0").rstrip(".") or "0"


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every label file below a folder `labels`, by path; then the images without one, which are unlabeled."""
    try:
        names = _names(tree)
    except FormatError as error:
        yield Refusal.of(error, "data.yaml")
        return
    for name in names.values():
        yield ImportedLabel(name)
    labels = (path for path in tree.paths() if path.endswith(".txt") and "labels/" in f"/{path}")
    for path in labels:
        places = _image_places(path)
        # Of several with the same stem each has these labels, as for Ultralytics.
        images: list[str | None] = [place for place in places if tree.has(place)]
        for image in images or [None]:
            yield _read_file(tree, path, image, places, names, size_of)
    for path in tree.paths():
        if path.lower().endswith(IMAGE_SUFFIXES) and "images/" in path and not _is_labeled(tree, path):
            yield ImportedImage(_name(path), files=(path,), usage=_usage(path), place=path)


def _is_labeled(tree: FileTree, image: str) -> bool:
    label_path = _label_path(image)
    return tree.has(label_path) and image in _image_places(label_path)


def _image_places(label_path: str) -> tuple[str, ...]:
    head, _, tail = label_path.rpartition("labels/")
    ends = [end for suffix in IMAGE_SUFFIXES for end in (suffix, suffix.upper(), suffix.title())]
    return tuple(f"{head}images/{stem_of(tail)}{end}" for end in ends)


def _label_path(path: str) -> str:
    head, _, tail = path.rpartition("images/")
    return f"{head}labels/{stem_of(tail)}.txt"


def _names(tree: FileTree) -> dict[int, str]:
    path = next((path for path in ("data.yaml", "data.yml", "dataset.yaml") if tree.has(path)), None)
    if path is None:
        raise FormatError("names_missing", "There is no data.yaml, which names the classes.")
    with tree.open(path) as stream:
        data = stream.read(_MAX_YAML_BYTES + 1)
    if len(data) > _MAX_YAML_BYTES:
        raise FormatError("yaml_too_large", "data.yaml takes more than 256 KiB.", 1)
    found = _yaml(data)
    names = found.get("names") if isinstance(found, dict) else None
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if not isinstance(names, dict):
        raise FormatError("names_missing", "data.yaml lacks `names`, a list or a map from numbers.", 1)
    found = {_number(key): traits_json.label_name(name, 1) for key, name in names.items()}
    if len(found) < len(names):
        raise FormatError("names_repeated", "data.yaml gives a class two names.", 1)
    return found


def _number(key: str) -> int:
    found = traits_json.whole(key, _MOST_CLASSES)
    if found is None:
        raise FormatError("names_missing", f"Classes are numbered from 0, not {bounded_repr(key)}.", 1)
    return found


class _Texts(yaml.BaseLoader):
    """Every scalar is a text, and no key stands twice in a map."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See BaseConstructor."""
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key, again in pairwise(sorted(keys, key=lambda key: str(key.value))):
            if key.value == again.value:
                line = again.start_mark.line + 1
                raise FormatError("names_repeated", f"{bounded_repr(key.value)} stands twice.", line)
        return super().construct_mapping(node, deep)


def _yaml(data: bytes) -> Any:
    """Every scalar as the text that it is: a class may be named `no`. Raises FormatError."""
    try:
        text = data.decode("utf-8-sig")
        depth = 0
        for token in yaml.scan(text, yaml.BaseLoader):
            line = token.start_mark.line + 1
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if isinstance(token, yaml.AliasToken):
                # A few of them unfold to more than memory holds.
                raise FormatError("yaml_alias", "data.yaml uses aliases.", line)
            if depth > _MAX_DEPTH:
                # The scanner takes time by the square of the depth.
                raise FormatError("yaml_malformed", "This YAML is nested too deep.", line)
        return yaml.load(text, _Texts)  # noqa: S506 - it makes texts, lists and maps, nothing else
    except UnicodeDecodeError as error:
        raise FormatError("encoding", "The file is not UTF-8.", data.count(b"\n", 0, error.start) + 1) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FormatError("yaml_malformed", f"This is no YAML: {error.problem}.", line) from None
    except yaml.YAMLError as error:
        raise FormatError("yaml_malformed", f"This is no YAML: {error}.", 1) from None


def _read_file(
    tree: FileTree,
    path: str,
    image: str | None,
    places: tuple[str, ...],
    names: dict[int, str],
    size_of: SizeOf,
) -> Found:
    """The labels of a file, for the image that is there, or for whichever of these places the dataset has."""
    asked = (image,) if image else places
    notes = Notes()
    objects: list[ImportedObject] = []
    size = size_of(asked)
    if size is None:
        return Refusal(path, "size_missing", "No image goes with this file, so nothing says its size.", 1)
    try:
        with tree.open(path) as stream:
            for number, line in lines(stream):
                if line.strip():
                    objects.append(_object(line.split(), number, names, size, notes))
    except FormatError as error:
        return Refusal.of(error, path)
    return ImportedImage(
        _name(image or places[0]),
        *size,
        objects=tuple(objects),
        usage=_usage(path),
        line=1,
        notes=tuple(notes.first),
        files=asked,
        place=path,
    )


def _name(path: str) -> str:
    tail = path.rpartition("images/")[2]
    usage = _usage(path)
    return tail.removeprefix(f"{usage}/") if usage else tail


def _usage(path: str) -> str | None:
    """The folder below `images` or `labels`, where it is one of the usual."""
    parts = path.split("/")
    known = {"train", "val", "test"}
    return next((b for a, b in pairwise(parts) if a in ("images", "labels") and b in known), None)


def _object(
    words: Sequence[str], line: int, names: dict[int, str], size: tuple[int, int], notes: Notes
) -> ImportedObject:
    number = traits_json.whole(words[0], _MOST_CLASSES)
    label = None if number is None else names.get(number)
    if label is None:
        raise FormatError("label_unknown", f"No class has the number {words[0][:20]}.", line)
    values = [traits_json.decimal(word, line) for word in words[1:]]
    width, height = size
    places = [
        (round(x * width, DECIMALS), round(y * height, DECIMALS))
        for x, y in zip(values[0::2], values[1::2], strict=False)
    ]
    if len(values) == 4:
        (x, y), (w, h) = places
        box = Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        return ImportedObject(label, box=fitted_box(box, *size, notes, line), line=line)
    if len(values) < 6 or len(values) % 2:
        raise FormatError(
            "coordinate_missing", "A row has at least three pairs of coordinates, or a box.", line
        )
    return ImportedObject(label, fitted(Contour((Part(tuple(places)),)), *size, notes, line), line=line)
