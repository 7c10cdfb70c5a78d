"""Reads a LabelMe tree with labelme: `read_labelme.py TREE`.

Its reader refuses a file whose image is not beside it, or is of another size than the file says. Shapes of one
group are one object, whose mask is what labelme paints.
"""

import sys
from pathlib import Path

from facts import rows, say
from labelme import LabelFile, utils


def objects_of(tree, path):
    """Every object of one file, in the order of their first shapes."""
    file = LabelFile(str(path))
    image = Path(path.parent, file.image_path).relative_to(tree).as_posix()
    size = utils.img_data_to_arr(file.image_data).shape[:2]
    groups = {}
    for number, shape in enumerate(file.shapes):
        group = shape["group_id"]
        groups.setdefault(f"alone {number}" if group is None else (shape["label"], group), []).append(shape)
    names = {shape["label"]: number for number, shape in enumerate(file.shapes, 1)}
    _, painted = utils.shapes_to_label(size, file.shapes, names)
    for number, shapes in enumerate(groups.values(), 1):
        others = [shape["other_data"] for shape in shapes]
        assert all(other == others[0] for other in others)
        assert all((shape["shape_type"], shape["flags"]) == ("polygon", {}) for shape in shapes)
        yield {
            "image": image,
            "size": size,
            "label": shapes[0]["label"],
            "rings": [[value for point in shape["points"] for value in point] for shape in shapes],
            "mask": rows(painted == number),
            **others[0],
        }


tree = Path(sys.argv[1])
paths = [path for path in sorted(tree.rglob("*.json")) if path != tree / "fourpoint.json"]
say([each for path in paths for each in objects_of(tree, path)])
