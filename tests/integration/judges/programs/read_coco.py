"""Reads a COCO tree with pycocotools: `read_coco.py TREE`."""

import contextlib
import sys
from pathlib import Path

from facts import rows, say
from pycocotools.coco import COCO


def objects_of(path):
    """Every annotation of one file of instances."""
    with contextlib.redirect_stdout(sys.stderr):
        coco = COCO(path)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        (image,) = coco.loadImgs(annotation["image_id"])
        (category,) = coco.loadCats(annotation["category_id"])
        segmentation = annotation["segmentation"]
        yield {
            "image": image["file_name"],
            "label": category["name"],
            "subset": path.stem.removeprefix("instances_"),
            "rings": segmentation if isinstance(segmentation, list) else None,
            "mask": rows(coco.annToMask(annotation)),
            "box": annotation["bbox"],
            "area": annotation["area"],
            "attributes": annotation["attributes"],
        }


files = sorted(Path(sys.argv[1], "annotations").glob("instances_*.json"))
say([each for path in files for each in objects_of(path)])
