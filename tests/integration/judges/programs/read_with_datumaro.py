"""Reads a tree with Datumaro: `read_with_datumaro.py TREE FORMAT`.

Its YOLO knows boxes only: rows of polygons are reduced to their boxes, in place, before it reads them.
"""

import sys
import warnings
from pathlib import Path

from facts import rows, say

warnings.filterwarnings("ignore")
import datumaro  # noqa: E402


def reduce_to_boxes(tree):
    """Make every row of YOLO a class and a box."""
    for path in Path(tree, "labels").rglob("*.txt"):
        lines = [line.split() for line in path.read_text().splitlines()]
        path.write_text("".join(map(as_box, lines)))


def as_box(words):
    """A row as class, centre and size."""
    values = [float(word) for word in words[1:]]
    xs, ys = values[0::2], values[1::2]
    centre = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    numbers = (*centre, max(xs) - min(xs), max(ys) - min(ys))
    return " ".join([words[0], *(f"{number:.6f}" for number in numbers)]) + "\n"


def seen(item, annotation, names):
    """One annotation."""
    kind = annotation.type.name
    return {
        "image": item.id,
        "subset": item.subset,
        "label": names[annotation.label].name,
        "kind": kind,
        "group": annotation.group,
        "rings": [list(annotation.points)] if kind == "polygon" else None,
        "mask": rows(annotation.image) if kind == "mask" else None,
        "box": list(annotation.get_bbox()),
        "area": annotation.get_area(),
        "attributes": annotation.attributes,
    }


tree, name = sys.argv[1:]
if name == "yolo":
    reduce_to_boxes(tree)
dataset = datumaro.Dataset.import_from(tree, name)
categories = dataset.categories()[datumaro.AnnotationType.label]
found = [seen(item, annotation, categories) for item in dataset for annotation in item.annotations]
assert len(dataset) > 0
say(found)
