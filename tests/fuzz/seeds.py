"""Files as people send them, to begin from: our own exports, and what other tools write."""

import io
import json
import zipfile
from functools import cache

from PIL import Image
from tests.unit.formats.shapes import BLOCK, FINE, PAIR, PLATE, RING, picture, thing
from tests.unit.formats.trees import Source, written

from fourpoint_worker.formats import brush

SIZE = (100, 90)
# Of each format, the files that a stranger may have written.
FOREIGN = {
    "modelarts": ["kitchen.manifest", "annotations/shelf/one.xml"],
    "coco": ["annotations/instances_default.json"],
    "yolo": ["data.yaml", "labels/train/shelf/one.txt"],
    "voc": ["Annotations/shelf/one.xml", "SegmentationClass/shelf/one.png", "labelmap.txt"],
    "cvat": ["annotations.xml"],
    "label_studio": ["tasks.json"],
    "labelme": ["shelf/one.json"],
}


@cache
def tree(name: str) -> dict[str, bytes]:
    """A small export of a format."""
    objects = [
        thing(BLOCK, number=1, difficult=True, attributes={"who": "me", "n": 3, "deep": {"a": [1.5, None]}}),
        thing(RING, PLATE, number=2, occluded=True),
        thing(PAIR, number=3, z_order=2),
        thing(FINE, PLATE, number=4, truncated=True),
    ]
    return dict(written(name, Source([picture(*objects)])).contents)


def of(target: str) -> list[bytes]:
    """What a target begins with."""
    if target == "image":
        return list(_images())
    if target == "sidecar":
        return [tree("modelarts")["annotations/shelf/one.xml"], DETECTION]
    if target == "archive":
        return [_zipped(tree("modelarts")), _zipped(tree("coco"), zipfile.ZIP_STORED)]
    name, _, file = target.partition("-")
    own = next(data for path, data in tree(name).items() if path.endswith("/" + file) or path == file)
    return [own, *FOREIGN_FILES.get(target, [])]


def _images() -> list[bytes]:
    found = []
    small = Image.radial_gradient("L").resize((24, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode, kind, more in (
        ("RGB", "JPEG", {"exif": exif.tobytes()}),
        ("RGB", "JPEG", {"progressive": True}),
        ("CMYK", "JPEG", {}),
        ("RGB", "PNG", {"exif": exif.tobytes()}),
        ("P", "PNG", {"transparency": 3}),
        ("LA", "PNG", {}),
        ("I;16", "PNG", {}),
        ("1", "PNG", {}),
        ("RGB", "BMP", {}),
        ("P", "BMP", {}),
    ):
        out = io.BytesIO()
        small.convert("L" if mode == "I;16" else mode).convert(mode).save(out, kind, **more)
        found.append(out.getvalue())
    return found


def _zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return out.getvalue()


DETECTION = b"""<annotation><filename>one.jpg</filename><size><width>100</width><height>90</height><depth>3</depth></size>
<object><name>cup</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>
<object><name>cup</name><hard_coefficient>0.5</hard_coefficient><circle><cx>50</cx><cy>40</cy><r>9</r></circle>
<part><name>ear</name><polygon><x1>1</x1><y1>1</y1><x2>9.5</x2><y2>1</y2><x3>9</x3><y3>9</y3></polygon></part></object>
</annotation>
"""  # noqa: E501
FOREIGN_FILES = {
    "coco-instances_default.json": [
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "one.jpg", "width": 100, "height": 90}],
                "categories": [{"id": 1, "name": "cup"}],
                "annotations": [
                    {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "segmentation": []},
                    {
                        "image_id": 1,
                        "category_id": 1,
                        "iscrowd": 1,
                        "segmentation": {"size": [90, 100], "counts": [100, 20, 70, 20, 8790]},
                    },
                ],
            }
        ).encode()
    ],
    "cvat-annotations.xml": [
        b"<annotations><meta><task><labels><label><name>cup</name><color>#ff0000</color></label></labels></task>"
        b'</meta><image name="one.jpg" width="100" height="90"><mask label="cup" rle="3, 4, 6" left="1" top="2"'
        b' width="5" height="4"/><ellipse label="cup" cx="50" cy="40" rx="9" ry="5" rotation="30"/>'
        b'<box label="cup" xtl="1" ytl="2" xbr="30" ybr="40" rotation="10"><attribute name="a">b</attribute>'
        b"</box></image></annotations>"
    ],
    "label_studio-tasks.json": [
        json.dumps(
            [
                {
                    "data": {"image": "/data/local-files/?d=a/one.jpg"},
                    "annotations": [
                        {
                            "result": [
                                {
                                    "type": kind,
                                    "original_width": 100,
                                    "original_height": 90,
                                    "value": {kind: ["cup"], **value},
                                }
                                for kind, value in (
                                    (
                                        "rectanglelabels",
                                        {"x": 1, "y": 2, "width": 9, "height": 9, "rotation": 20},
                                    ),
                                    ("ellipselabels", {"x": 50, "y": 50, "radiusX": 9, "radiusY": 4}),
                                    ("brushlabels", {"rle": brush.encoded([510, 20, 80, 20, 8370])}),
                                )
                            ]
                        }
                    ],
                }
            ]
        ).encode()
    ],
    "labelme-one.json": [
        json.dumps(
            {
                "imagePath": "one.jpg",
                "imageWidth": 100,
                "imageHeight": 90,
                "shapes": [
                    {"label": "cup", "shape_type": "circle", "points": [[50, 40], [55, 40]]},
                    {
                        "label": "cup",
                        "shape_type": "rectangle",
                        "points": [[5, 4], [55, 40]],
                        "flags": {"a": True},
                    },
                    {"label": "cup", "group_id": 1, "points": [[5, 4], [55, 40], [9, 70]]},
                ],
            }
        ).encode()
    ],
    "yolo-one.txt": [b"0 0.5 0.5 0.2 0.3\n1 0.1 0.1 0.3 0.1 0.3 0.4\n"],
    "yolo-data.yaml": [b"nc: 2\nnames:\n  0: cup\n  1: plate\n"],
}
