"""The formats by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from fourpoint_worker.formats import (
    coco,
    cvat,
    cvat_reading,
    label_studio,
    label_studio_reading,
    labelme,
    modelarts,
    voc_masks,
    voc_masks_reading,
    yolo,
)
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportSource,
    File,
    FileTree,
    Found,
    Notes,
    SizeOf,
)


@dataclass(frozen=True, slots=True)
class Format:
    """One format: where an image lies in its tree, how the tree is written, and how one is read.

    write_with_images: as `write`, where the tree also holds the images.
    """

    image_path: Callable[[ExportedImage], str]
    write: Callable[[ExportSource, Notes], Iterator[File]]
    write_with_images: Callable[[ExportSource, Notes], Iterator[File]]
    read: Callable[[FileTree, SizeOf], Iterator[Found]]


FORMATS: dict[str, Format] = {
    "modelarts": Format(
        modelarts.image_path,
        modelarts.files,
        partial(modelarts.files, with_images=True),
        modelarts.read,
    ),
    "coco": Format(coco.image_path, coco.files, coco.files, coco.read),
    "yolo": Format(yolo.image_path, yolo.files, yolo.files, yolo.read),
    "voc": Format(voc_masks.image_path, voc_masks.files, voc_masks.files, voc_masks_reading.read),
    "cvat": Format(cvat.image_path, cvat.files, cvat.files, cvat_reading.read),
    "label_studio": Format(
        label_studio.image_path,
        label_studio.files,
        partial(label_studio.files, with_images=True),
        label_studio_reading.read,
    ),
    "labelme": Format(labelme.image_path, labelme.files, labelme.files, labelme.read),
}
