"""Fills the polygons of a ModelArts tree with `cv2.fillPoly`: `fill_modelarts.py TREE`.

Raises AssertionError where a mask is not, pixel for pixel, what was filled; else says the vertices of each
object.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy
from facts import say
from PIL import Image


def objects_of(tree, path):
    """Every object of one file, whose mask was compared."""
    root = ElementTree.parse(path).getroot()
    stem = path.relative_to(tree / "annotations").with_suffix("")
    with Image.open(tree / "segmentationClass" / f"{stem}.png") as image:
        assert image.mode == "P"
        palette = numpy.array(image.getpalette()).reshape(-1, 3)
        mask = numpy.array(image)
    size = int(root.findtext("size/height")), int(root.findtext("size/width"))
    filled = numpy.zeros(size, numpy.uint8)
    for element in root.iter("object"):
        polygon = element.find("polygon")
        count = len(polygon) // 2
        numbers = range(1, count + 1)
        vertices = [(int(polygon.findtext(f"x{n}")), int(polygon.findtext(f"y{n}"))) for n in numbers]
        assert vertices[0] == vertices[-1]
        colour = [int(part) for part in element.findtext("mask_color").split(",")]
        (value,) = numpy.flatnonzero((palette == colour).all(axis=1))
        cv2.fillPoly(filled, [numpy.array(vertices, numpy.int32)], int(value))
        yield {
            "image": str(stem),
            "label": element.findtext("name"),
            "rings": [[number for vertex in vertices[:-1] for number in vertex]],
        }
    assert mask.shape == filled.shape
    assert (mask == filled).all()


tree = Path(sys.argv[1])
say([each for path in sorted((tree / "annotations").rglob("*.xml")) for each in objects_of(tree, path)])
